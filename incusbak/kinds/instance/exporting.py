"""Export an instance so that the archive shows one moment (the facts: which driver freezes what, and when).

The server exports btrfs and zfs containers from a snapshot of its own, and a stopped instance does not
move. Everything else would be tarred while it changes, so it is copied first, in two passes: the second
pass, which the server makes with the instance frozen, only brings over what changed during the first.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from ...errors import Disturbed, NotFound, Unplannable
from ...model.backups import Captured, Compression, Consistency, ExportOptions, Method
from ...model.documents import Json
from ...model.inventory import Resource
from ...model.records import ScratchExport
from ...model.refs import ResourceRef
from ...model.results import Moved, Phased
from ...ports import BackupWriter, Tools, path_of
from ..archive import Rewrite, walk
from ..compression import compressed
from ..sparse import HOLES_FILE, HoleFinder
from . import backup_yaml, lifecycle
from .copying import clean_up, temporary_copy, watch
from .definition import matches_any, pool_of, references

ID_MAP = ("volatile.idmap.*", "volatile.last_state.idmap")
_SNAPSHOTTING = ("btrfs", "zfs")


def export(tools: Tools, ref: ResourceRef, options: ExportOptions, into: BackupWriter) -> Captured:
    """Write ``export.tar.*``; see ``ports.Kind.export``.

    Raises:
        Disturbed: it was started, stopped or replaced meanwhile; nothing of the export is to be used.
    """
    before = lifecycle.inspect(tools.api, ref)
    if before is None:
        raise NotFound(f"{ref} is not there")
    pool = tools.api.get(path_of("storage-pools", pool_of(before.document))).body
    method, consistency = choose_method(tools, before, pool, options)
    if method is Method.TEMPORARY_COPY:
        with temporary_copy(tools, before) as copy:
            rewrites = _back_to_original(tools, before, copy)
            size = _write(tools, copy, options, rewrites, into)
    else:
        size = _write(tools, ref, options, {}, into)
    _check_undisturbed(tools, before, consistency)
    return Captured(
        resource=before.document,
        snapshots=before.snapshots,
        consistency=consistency,
        method=method,
        references=_references(before),
        pool=pool_of(before.document),
        pool_driver=str(pool["driver"]),
        content_bytes=size,
    )


def choose_method(
    tools: Tools, resource: Resource, pool: Json, options: ExportOptions
) -> tuple[Method, Consistency]:
    """Decide how to get one point in time, by driver, type and state."""
    if options.optimized and pool["driver"] not in _SNAPSHOTTING:
        raise Unplannable(
            f"{resource.ref}: pool {pool['name']!r} ({pool['driver']}) has no optimized format",
            hint="leave out --optimized; only btrfs and zfs pools have one",
        )
    if resource.document["status"] == "Stopped":
        return Method.DIRECT, Consistency.STOPPED
    if not options.snapshot:
        return Method.DIRECT, Consistency.LIVE
    if _server_snapshots(tools, resource, pool, options):
        return Method.DIRECT, Consistency.POINT_IN_TIME
    return Method.TEMPORARY_COPY, Consistency.POINT_IN_TIME


def _server_snapshots(tools: Tools, resource: Resource, pool: Json, options: ExportOptions) -> bool:
    """Whether the server exports from a snapshot it makes itself."""
    if pool["driver"] not in _SNAPSHOTTING:
        return False
    if options.optimized:
        return True
    if resource.document["type"] != "container":
        return False  # a disk image is read while it changes, on every driver
    if pool["driver"] == "zfs":
        path = path_of("storage-pools", str(pool["name"]), "volumes", "container", resource.ref.name)
        volume = tools.api.get(path, project=resource.ref.project).body
        return bool(volume.get("config", {}).get("zfs.block_mode") != "true")
    return True


def _write(
    tools: Tools,
    ref: ResourceRef,
    options: ExportOptions,
    rewrites: Mapping[str, Rewrite],
    into: BackupWriter,
) -> int:
    """Stream one export through walk and compression into the backup; return its size before that."""
    size = 0

    def counted(chunks: Iterable[bytes]) -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            size += len(chunk)
            tools.tell(Moved(len(chunk)))
            yield chunk

    finder = HoleFinder()
    with _exported(tools, ref, options) as chunks, into.file("export" + options.compression.suffix) as file:
        tools.tell(Phased("exporting"))
        whole = walk(counted(chunks), rewrites, finder=None if options.optimized else finder)
        for data in compressed(whole, options.compression):
            file.write(data)
    if holes := finder.dump():
        with into.file(HOLES_FILE) as file:
            file.write(holes)
    return size


@contextmanager
def _exported(tools: Tools, ref: ResourceRef, options: ExportOptions) -> Iterator[Iterator[bytes]]:
    """Stream the server's export, uncompressed: straight where it can, else from its staging area."""
    body = {
        "compression_algorithm": Compression.NONE.value,
        "instance_only": False,
        "optimized_storage": options.optimized,
    }
    if tools.server.has("direct_backup"):
        path = lifecycle.path(ref, "backups")
        with tools.api.download(path, project=ref.project, body=body) as chunks:
            yield chunks
        return
    token = secrets.token_hex(6)
    record = ScratchExport(token, ref, f"incusbak-{token}")
    tools.journal.write(record)
    try:
        tools.tell(Phased("the server stages the export"))
        body |= {"name": record.name, "expires_at": (tools.clock() + lifecycle.LIFETIME).isoformat()}
        tools.api.create(
            lifecycle.path(ref, "backups"), body, project=ref.project, watch=watch(tools, "staging")
        )
        path = lifecycle.path(ref, "backups", record.name, "export")
        with tools.api.download(path, project=ref.project) as chunks:
            yield chunks
    finally:
        clean_up(tools, lambda: remove_export(tools, record))


def remove_export(tools: Tools, record: ScratchExport) -> str:
    """Remove a staged export and its record."""
    lifecycle.is_settled(tools.api, record.ref, record.name)
    try:
        path = lifecycle.path(record.ref, "backups", record.name)
        tools.api.delete(path, project=record.ref.project)
        words = f"removed the server's staged export {record.name}"
    except NotFound:
        words = f"the server's staged export {record.name} is gone already"
    tools.journal.remove(record.id)
    return words


def _back_to_original(tools: Tools, original: Resource, copy: ResourceRef) -> Mapping[str, Rewrite]:
    """Rewrite the copy's definition so that a bare ``incus import`` gives the original."""
    config = tools.api.get(lifecycle.path(copy), project=copy.project).body["config"]
    names = original.document.get("profiles") or ()
    known = {p["name"]: p for p in tools.api.list("profiles", project=original.ref.project)}
    return backup_yaml.rewrites(
        original.document["type"],
        name=original.ref.name,
        change=backup_yaml.to_original(
            original.document,
            {str(snapshot["name"]): snapshot for snapshot in original.snapshots},
            [known[name] for name in names if name in known],
            {key: value for key, value in config.items() if matches_any(key, ID_MAP)},
        ),
    )


def _check_undisturbed(tools: Tools, before: Resource, consistency: Consistency) -> None:
    after = lifecycle.find(tools.api, before.ref)
    if after is None or lifecycle.uuid(after) != lifecycle.uuid(before.document):
        raise Disturbed(f"{before.ref} was removed or replaced while it was backed up")
    moments = [(d["status"], d["last_used_at"]) for d in (before.document, after)]
    if consistency is Consistency.STOPPED and moments[0] != moments[1]:
        raise Disturbed(f"{before.ref} was started while it was backed up")


def _references(resource: Resource) -> tuple[ResourceRef, ...]:
    found = references(resource.document, resource.ref.project)
    for snapshot in resource.snapshots:
        found |= references(snapshot, resource.ref.project)
    found |= {ResourceRef("pool", name=pool_of(resource.document))}
    return tuple(sorted(found))
