"""Bring an archive onto the server as a stopped instance in which nothing can clash or start."""

from collections.abc import Callable

from ...errors import Corrupt, ServerError
from ...model.backups import Compression, Manifest
from ...model.documents import Json
from ...model.refs import ResourceRef
from ...model.results import Phased
from ...ports import BackupFiles, Tools
from ..archive import walk
from ..compression import decompressed
from ..sparse import Holes
from ..transfer import counted, stored_holes
from . import backup_yaml, lifecycle
from .definition import restored


def import_archive(
    tools: Tools,
    manifest: Manifest,
    files: BackupFiles,
    *,
    to: ResourceRef,
    pool: str,
    harmless: Json,
    snapshot_of: Callable[[Json], Json],
) -> None:
    """Upload under a name that nobody else uses.

    Args:
        harmless: the definition it gets; see ``definition.neutral``.
        snapshot_of: what becomes of the definitions of its snapshots.
    """
    rewrites = backup_yaml.rewrites(
        manifest.captured.resource["type"],
        name=to.name,
        change=backup_yaml.to_neutral(harmless, to.name, snapshot_of),
    )
    tools.tell(Phased("uploading"))
    name, compression = _archive_of(manifest)
    with files.open(name) as stored:
        plain = counted(tools, decompressed(stored, compression))
        tools.api.upload(
            "instances",
            walk(plain, {} if manifest.options.optimized else rewrites, holes=_holes(manifest, files)),
            headers={"X-Incus-name": to.name, "X-Incus-pool": pool},
            project=to.project,
            watch=lambda words: tools.tell(Phased(f"the server unpacks {words}".rstrip())),
        )
    if manifest.options.optimized:  # its definition is inside of the stream
        imported = lifecycle.find(tools.api, to) or {"config": {}}
        lifecycle.put(tools.api, to, restored(harmless, imported))
    _check_whole(tools, to, manifest)


def _check_whole(tools: Tools, imported: ResourceRef, manifest: Manifest) -> None:
    found = lifecycle.inspect(tools.api, imported)
    names = {snapshot["name"] for snapshot in found.snapshots} if found else set()
    missing = {snapshot["name"] for snapshot in manifest.captured.snapshots} - names
    if found is None or missing:
        what = f"snapshots {', '.join(sorted(missing))}" if found else "the instance"
        raise ServerError(f"the server imported {manifest.id} without {what}")


def _archive_of(manifest: Manifest) -> tuple[str, Compression]:
    """Name the archive among a backup's files, and how it is compressed."""
    compression = manifest.options.compression
    name = "export" + compression.suffix
    if name not in {stored.name for stored in manifest.files}:
        raise Corrupt(f"{manifest.id} has no {name}")
    return name, compression


def _holes(manifest: Manifest, files: BackupFiles) -> Holes:
    """Read what shall be sparse again: files of containers only, a disk image is nothing for tar."""
    is_container = manifest.captured.resource["type"] == "container"
    return stored_holes(manifest, files) if is_container else {}
