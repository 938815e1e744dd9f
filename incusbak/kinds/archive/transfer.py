"""Move archives between the server and a backup."""

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from attrs import frozen

from ...errors import BrokenOff, ContentMissing, Corrupt, Cut, NotFound, ServerError
from ...model.backups import ExportOptions, Manifest
from ...model.documents import Json
from ...model.records import ScratchExport
from ...model.refs import ResourceRef
from ...model.results import Phased, Transferred
from ...ports import BackupFiles, BackupWriter, KindContext
from ..common.cleanup import clean_up, watch
from ..common.marks import LIFETIME
from ..common.operations import is_settled
from ..common.paths import path
from .compression import compressed, decompressed
from .contents import Contents
from .sparse import HOLES_FILE, MAX_HOLES_BYTES, HoleFinder, Holes, load_holes
from .tar import Rewrite, walk

_TOLD = 5
"""So much of what is missing is told one by one."""


@frozen
class Written:
    """An archive that was stored: its size before compression, and what is in it."""

    size_bytes: int
    contents: Contents

    def check(self, ref: ResourceRef, shortcomings: Sequence[str]) -> None:
        """Refuse what is no backup.

        Raises:
            ContentMissing: something is not in it.
        """
        if shortcomings:
            raise ContentMissing(f"the server's export of {ref} is no backup: {in_words(shortcomings)}")

    def own_bytes(self, area: str) -> int:
        """What the resource takes without its snapshots."""
        found = self.contents.areas.get(area)
        return found.data_bytes if found else 0


def in_words(shortcomings: Sequence[str]) -> str:
    """Say what is missing, in one line."""
    more = len(shortcomings) - _TOLD
    return ", ".join([*shortcomings[:_TOLD], *([f"and {more} more"] if more > 0 else [])])


def write_archive(
    tools: KindContext,
    exported: Iterable[bytes],
    options: ExportOptions,
    rewrites: Mapping[str, Rewrite],
    into: BackupWriter,
    *,
    stem: str,
    parts: Collection[str] = (),
) -> Written:
    """Stream one export through walk and compression into the backup; ``parts``: see ``Contents``."""
    size = 0

    def sized(chunks: Iterable[bytes]) -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            size += len(chunk)
            yield chunk

    finder = HoleFinder()
    contents = Contents(None if options.optimized else finder, parts=frozenset(parts))
    with into.file(stem + options.compression.suffix) as file:
        tools.tell(Phased("exporting"))
        plain = sized(counted(tools, exported))
        whole = _of_server(walk(plain, rewrites, contents=contents))
        for data in compressed(whole, options.compression):
            file.write(data)
    if holes := finder.dump():
        with into.file(HOLES_FILE) as file:
            file.write(holes)
    return Written(size, contents)


def _of_server(archive: Iterable[bytes]) -> Iterator[bytes]:
    """Say of an archive that is damaged already when the server sends it that this is the server's doing.

    An export that fails half-way looks like one that is done, but for its missing end.
    """
    try:
        yield from archive
    except Cut as error:
        raise BrokenOff("the server broke its export off before the end") from error
    except Corrupt as error:
        raise ServerError(
            f"what the server exports is no good: {error.message}",
            hint="look at the server's log and at the free space of its backups folder, then try again",
        ) from error


@contextmanager
def exported(tools: KindContext, ref: ResourceRef, body: Json) -> Iterator[Iterator[bytes]]:
    """Stream the server's export: straight where it can, else from its staging area."""
    if tools.server.has("direct_backup"):
        with tools.api.download(path(ref, "backups"), project=ref.project, body=body) as chunks:
            yield chunks
        return
    token = secrets.token_hex(6)
    record = ScratchExport(token, ref, f"incusbak-{token}")
    tools.journal.write(record)
    try:
        tools.tell(Phased("the server stages the export"))
        named = {**body, "name": record.name, "expires_at": (tools.clock() + LIFETIME).isoformat()}
        tools.api.create(path(ref, "backups"), named, project=ref.project, watch=watch(tools, "staging"))
        staged = path(ref, "backups", record.name, "export")
        with tools.api.download(staged, project=ref.project) as chunks:
            yield chunks
    finally:
        clean_up(tools, lambda: remove_export(tools, record))


def remove_export(tools: KindContext, record: ScratchExport) -> str:
    """Remove a staged export and its record."""
    is_settled(tools.api, record.ref, record.name)
    try:
        tools.api.delete(path(record.ref, "backups", record.name), project=record.ref.project)
        words = f"removed the server's staged export {record.name}"
    except NotFound:
        words = f"the server's staged export {record.name} is gone already"
    tools.journal.remove(record.id)
    return words


def counted(tools: KindContext, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Tell how much goes by."""
    for chunk in chunks:
        tools.tell(Transferred(len(chunk)))
        yield chunk


@contextmanager
def stored_archive(
    tools: KindContext, manifest: Manifest, files: BackupFiles, *, stem: str
) -> Iterator[Iterator[bytes]]:
    """Open a backup's archive, decompressed; tells how much goes by.

    Raises:
        Corrupt: the manifest knows of none.
    """
    compression = manifest.options.compression
    name = stem + compression.suffix
    if name not in {stored.name for stored in manifest.files}:
        raise Corrupt(f"{manifest.id} has no {name}")
    with files.open(name) as stored:
        yield counted(tools, decompressed(stored, compression))


def stored_holes(manifest: Manifest, files: BackupFiles) -> Holes:
    """Read what shall be sparse again."""
    sizes = {stored.name: stored.size_bytes for stored in manifest.files}
    if HOLES_FILE not in sizes:
        return {}
    if sizes[HOLES_FILE] > MAX_HOLES_BYTES:
        raise Corrupt(f"{manifest.id}: {sizes[HOLES_FILE]} bytes of {HOLES_FILE} are not believable")
    with files.open(HOLES_FILE) as chunks:
        return load_holes(b"".join(chunks))
