"""See that a stored archive can be read to its end and holds what its manifest says."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

from ...errors import Corrupt
from ...model import forms
from ...model.backups import Manifest
from ...model.documents import Json
from ...ports import BackupFiles
from .compression import decompressed
from .contents import Area, Contents
from .definitions import INDEX, load_definition
from .tar import largest, walk
from .transfer import in_words


class Shortcomings(Protocol):
    """Say what a definition promises and an archive does not have."""

    def __call__(
        self, areas: Mapping[str, Area], document: Json, snapshots: Iterable[Json], *, optimized: bool
    ) -> tuple[str, ...]: ...


def examine_archive(
    manifest: Manifest,
    files: BackupFiles,
    *,
    stem: str,
    shortcomings: Shortcomings,
    parts: Collection[str] = (),
) -> None:
    """Walk an export of an instance or a volume.

    Args:
        parts: see ``Contents``.

    Raises:
        Corrupt: cut, damaged, without the content that makes it a backup, or not the one the manifest is of.
    """
    compression = manifest.options.compression
    index: dict[str, Any] = {}

    def keep(content: bytes) -> bytes:
        index.update(load_definition(content, files.checkpoint, form=forms.INDEX))
        return content

    contents, limit = Contents(parts=frozenset(parts)), largest(manifest.captured.content_bytes)
    with files.open(stem + compression.suffix) as chunks:
        plain = decompressed(chunks, compression)
        for _ in walk(plain, {INDEX: keep}, contents=contents, most_bytes=limit):
            files.checkpoint()
        for _ in chunks:  # what a decompressor does not need was stored as well
            pass
    captured = manifest.captured
    name = captured.resource.get("name")
    if index.get("name") != name:
        raise Corrupt(f"the archive is of {index.get('name')!r}, the manifest of {name!r}")
    archived = sorted(map(str, index.get("snapshots") or ()))
    expected = sorted(str(snapshot["name"]) for snapshot in captured.snapshots)
    if archived != expected:
        raise Corrupt(f"the archive holds the snapshots {archived}, the manifest names {expected}")
    missing = shortcomings(
        contents.areas, captured.resource, captured.snapshots, optimized=manifest.options.optimized
    )
    if missing:
        raise Corrupt(f"the archive is no backup: {in_words(missing)}")
