"""Move archives between the server and a backup."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from ..errors import Corrupt, NotFound
from ..model.backups import ExportOptions, Manifest
from ..model.documents import Json
from ..model.records import ScratchExport
from ..model.refs import ResourceRef
from ..model.results import Moved, Phased
from ..ports import BackupFiles, BackupWriter, Tools
from .archive import Rewrite, Seen, walk
from .compression import compressed, decompressed
from .marks import LIFETIME
from .operations import is_settled
from .paths import path
from .sparse import HOLES_FILE, HoleFinder, Holes, load_holes
from .tidying import clean_up, watch


def write_archive(
    tools: Tools,
    exported: Iterable[bytes],
    options: ExportOptions,
    rewrites: Mapping[str, Rewrite],
    into: BackupWriter,
    *,
    stem: str,
    seen: Seen | None = None,
) -> int:
    """Stream one export through walk and compression into the backup; return its size before that."""
    size = 0

    def sized(chunks: Iterable[bytes]) -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            size += len(chunk)
            yield chunk

    finder = HoleFinder()
    with into.file(stem + options.compression.suffix) as file:
        tools.tell(Phased("exporting"))
        plain = sized(counted(tools, exported))
        whole = walk(plain, rewrites, finder=None if options.optimized else finder, seen=seen)
        for data in compressed(whole, options.compression):
            file.write(data)
    if holes := finder.dump():
        with into.file(HOLES_FILE) as file:
            file.write(holes)
    return size


@contextmanager
def exported(tools: Tools, ref: ResourceRef, body: Json) -> Iterator[Iterator[bytes]]:
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


def remove_export(tools: Tools, record: ScratchExport) -> str:
    """Remove a staged export and its record."""
    is_settled(tools.api, record.ref, record.name)
    try:
        tools.api.delete(path(record.ref, "backups", record.name), project=record.ref.project)
        words = f"removed the server's staged export {record.name}"
    except NotFound:
        words = f"the server's staged export {record.name} is gone already"
    tools.journal.remove(record.id)
    return words


def counted(tools: Tools, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Tell how much goes by."""
    for chunk in chunks:
        tools.tell(Moved(len(chunk)))
        yield chunk


@contextmanager
def stored_archive(
    tools: Tools, manifest: Manifest, files: BackupFiles, *, stem: str
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
    if HOLES_FILE not in {stored.name for stored in manifest.files}:
        return {}
    with files.open(HOLES_FILE) as chunks:
        return load_holes(b"".join(chunks))
