"""Export a volume so that the archive shows one moment.

The server exports files on btrfs and zfs from a snapshot of its own, and what no running instance uses does
not change. Everything else would be read while it changes, so it is copied first: see ``copying``.
"""

from collections.abc import Mapping

from ...errors import Disturbed, NotFound, Unplannable
from ...model.backups import Captured, Compression, Consistency, ExportOptions, ExportWishes, Method
from ...model.documents import Json
from ...model.inventory import Resource, ServerInfo
from ...model.refs import ResourceRef
from ...model.results import Phased
from ...ports import BackupWriter, KindContext, path_of
from ..archive.definitions import NO_NAMES, Names
from ..archive.renaming import renamed
from ..archive.tar import Rewrite
from ..archive.transfer import Written, counted, exported, write_archive
from ..common import optimized
from ..common.lost_mounts import check_apart, found_again
from . import storage
from .contents import of_iso, own_area, shortcomings
from .copying import temporary_copy
from .definition import rewrites, to_original
from .storage import ISO, Look

ISO_FILE = "volume.iso"
STEM = "volume"
_SNAPSHOTTING = ("btrfs", "zfs")


def obstacle(resource: Resource, options: ExportWishes, server: ServerInfo, *, driver: str) -> str:
    """Say why a server can't export a volume so; empty when it can.

    Args:
        driver: of its pool. An ISO image is exported as it is, in whatever format.
    """
    if resource.document.get("content_type") != ISO:
        return optimized.obstacle(options, pool=resource.ref.pool, driver=driver)
    if not server.has("backup_iso"):
        return f"Incus {server.version} can't back up ISO volumes; that came with Incus 6.0.6"
    return ""


def export(tools: KindContext, ref: ResourceRef, options: ExportOptions, into: BackupWriter) -> Captured:
    """Write ``volume.tar.*`` or ``volume.iso``; see ``ports.Kind.export``.

    Raises:
        Disturbed: it was replaced or changed, or its users were started; nothing of it is to be used.
        ContentMissing: the server exported less than the volume is.
    """
    before = storage.look(tools.api, ref)
    if before is None:
        raise NotFound(f"{ref} is not there")
    pool = tools.api.get(path_of("storage-pools", ref.pool)).body
    if words := obstacle(before.resource, options, tools.server, driver=str(pool["driver"])):
        raise Unplannable(f"{ref}: {words}")
    check_apart(before.resource.snapshots, str(pool["driver"]))
    method, consistency = choose_method(before, pool, options)
    if method is Method.TEMPORARY_COPY:
        names = found_again(before.resource.snapshots, str(pool["driver"]))
        back = {new: old for old, new in names.items()}
        with temporary_copy(tools, before, str(pool["driver"]), names) as copy:
            to_it = to_original(before.resource.document)
            original = rewrites(name=ref.name, change=to_it, snapshots=back, checkpoint=tools.checkpoint)
            written = _write(tools, copy, before, options, original, into, back)
    else:
        written = _write(tools, ref, before, options, {}, into)
    _check_undisturbed(tools, before, consistency)
    document, snapshots, areas = before.resource.document, before.resource.snapshots, written.contents.areas
    written.check(ref, shortcomings(areas, document, snapshots, optimized=options.optimized))
    return Captured(
        resource=document,
        snapshots=snapshots,
        consistency=consistency,
        method=method,
        references=(ResourceRef("pool", name=ref.pool), ResourceRef("project", name=ref.project)),
        pool=ref.pool,
        pool_driver=str(pool["driver"]),
        content_bytes=written.size_bytes,
        data_bytes=written.contents.data_bytes,
        own_bytes=written.own_bytes(own_area(document, optimized=options.optimized)),
    )


def choose_method(volume: Look, pool: Json, options: ExportOptions) -> tuple[Method, Consistency]:
    """Decide how to get one point in time, by driver, content and users."""
    document = volume.resource.document
    if document["content_type"] == ISO:
        return Method.DIRECT, Consistency.STOPPED  # nobody can write to it
    if not volume.resource.stops:
        return Method.DIRECT, Consistency.STOPPED
    if not options.snapshot:
        return Method.DIRECT, Consistency.LIVE
    if _server_snapshots(document, pool, options):
        return Method.DIRECT, Consistency.POINT_IN_TIME
    return Method.TEMPORARY_COPY, Consistency.POINT_IN_TIME


def _server_snapshots(document: Json, pool: Json, options: ExportOptions) -> bool:
    """Whether the server exports from a snapshot it makes itself."""
    if pool["driver"] not in _SNAPSHOTTING:
        return False
    if options.optimized:
        return True
    is_block = document["content_type"] != "filesystem" or document["config"].get("zfs.block_mode") == "true"
    return not is_block


def _write(
    tools: KindContext,
    ref: ResourceRef,
    volume: Look,
    options: ExportOptions,
    changes: Mapping[str, Rewrite],
    into: BackupWriter,
    snapshots: Names = NO_NAMES,
) -> Written:
    body = {
        "compression_algorithm": Compression.NONE.value,
        "volume_only": False,
        "optimized_storage": options.optimized,
    }
    is_iso = volume.resource.document["content_type"] == ISO
    with exported(tools, ref, {**body, "optimized_storage": False} if is_iso else body) as chunks:
        if not is_iso:
            return write_archive(tools, renamed(chunks, snapshots), options, changes, into, stem=STEM)
        size = 0
        tools.tell(Phased("exporting"))
        with into.file(ISO_FILE) as file:
            for chunk in counted(tools, chunks):
                size += file.write(chunk)
    return Written(size, of_iso(size))


def _check_undisturbed(tools: KindContext, before: Look, consistency: Consistency) -> None:
    ref = before.resource.ref
    after = storage.look(tools.api, ref)
    if after is None or _made(after) != _made(before):
        raise Disturbed(f"{ref} was removed or replaced while it was backed up")
    names = [[snapshot["name"] for snapshot in each.resource.snapshots] for each in (before, after)]
    if names[0] != names[1]:
        raise Disturbed(f"a snapshot of {ref} was made or removed while it was backed up")
    if consistency is Consistency.STOPPED and _moments(before) != _moments(after):
        raise Disturbed(f"an instance that uses {ref} was started while it was backed up")


def _made(volume: Look) -> str:
    return storage.identity(volume.resource.document)


def _moments(volume: Look) -> dict[ResourceRef, tuple[str, str]]:
    """When each instance that uses a volume was started last; an ISO may be used, nobody writes to it."""
    if volume.resource.document["content_type"] == ISO:
        return {}
    return {
        user.ref: (str(user.document["status"]), str(user.document["last_used_at"]))
        for user in volume.users
        if user.ref.kind == "instance"
    }
