"""Export an instance so that the archive shows one moment (the facts: which driver freezes what, and when).

The server exports btrfs and zfs containers from a snapshot of its own, and a stopped instance does not
move. Everything else would be tarred while it changes, so it is copied first, in two passes: the second
pass, which the server makes with the instance frozen, only brings over what changed during the first. So is
a running one with disks that depend on it: the server exports one volume after the other.
"""

from collections.abc import Collection, Mapping

from ...errors import Disturbed, NotFound, Unplannable
from ...model.backups import Captured, Compression, Consistency, ExportOptions, Method
from ...model.documents import Json
from ...model.inventory import Resource
from ...model.refs import ResourceRef
from ...ports import BackupWriter, KindContext, path_of
from ..archive.definitions import NO_NAMES, Names
from ..archive.renaming import renamed
from ..archive.tar import Rewrite
from ..archive.transfer import Written, exported, write_archive
from ..common import lost_mounts
from ..common import optimized as optimized_format
from ..common.paths import path
from . import backup_yaml, dependent_volumes, dependents, lifecycle
from .contents import elsewhere, own_area, shortcomings
from .copying import disks_of_copy, temporary_copy
from .definition import matches_any, own_pools, pool_of, references

STEM = "export"
ID_MAP = ("volatile.idmap.*", "volatile.last_state.idmap")
_SNAPSHOTTING = ("btrfs", "zfs")


def export(tools: KindContext, ref: ResourceRef, options: ExportOptions, into: BackupWriter) -> Captured:
    """Write ``export.tar.*``; see ``ports.Kind.export``.

    Raises:
        Disturbed: it was started, stopped or replaced meanwhile; nothing of the export is to be used.
        ContentMissing: the server exported less than the instance is.
    """
    before = lifecycle.inspect(tools.api, ref)
    if before is None:
        raise NotFound(f"{ref} is not there")
    pool = tools.api.get(path_of("storage-pools", pool_of(before.document))).body
    lost_mounts.check_apart(before.snapshots, str(pool["driver"]))
    method, consistency = choose_method(tools, before, pool, options)
    volumes = dependent_volumes.documents(tools, before)
    if method is Method.TEMPORARY_COPY:
        drivers = lost_mounts.drivers_of(tools.api, own_pools(before.document))
        names = lost_mounts.found_again(before.snapshots, *drivers.values())
        with temporary_copy(tools, before, drivers, names) as copy:
            tools.captured()
            back = {new: old for old, new in names.items()}
            rewrites = _back_to_original(tools, before, copy, volumes, back)
            written = _write(tools, copy, options, rewrites, into, volumes, back)
    else:
        slim = backup_yaml.slimming(
            str(before.document["type"]), optimized=options.optimized, checkpoint=tools.checkpoint
        )
        written = _write(tools, ref, options, slim, into, volumes)
    _check_undisturbed(tools, before, consistency)
    areas, optimized = written.contents.areas, options.optimized
    written.check(ref, shortcomings(areas, before.document, before.snapshots, optimized=optimized))
    return Captured(
        resource=before.document,
        snapshots=before.snapshots,
        consistency=consistency,
        method=method,
        references=_references(before),
        pool=pool_of(before.document),
        pool_driver=str(pool["driver"]),
        content_bytes=written.size_bytes,
        data_bytes=written.contents.data_bytes,
        own_bytes=written.own_bytes(own_area(before.document, optimized=optimized)),
        elsewhere=elsewhere(areas, before.document),
        volumes=volumes,
    )


def choose_method(
    tools: KindContext, resource: Resource, pool: Json, options: ExportOptions
) -> tuple[Method, Consistency]:
    """Decide how to get one point in time, by driver, type and state."""
    if words := optimized_format.obstacle(options, pool=str(pool["name"]), driver=str(pool["driver"])):
        raise Unplannable(f"{resource.ref}: {words}")
    if words := dependents.obstacle(resource.document, options):
        raise Unplannable(f"{resource.ref}: {words}")
    if resource.document["status"] == "Stopped":
        return Method.DIRECT, Consistency.STOPPED
    if not options.snapshot:
        return Method.DIRECT, Consistency.LIVE
    if _server_snapshots(tools, resource, pool, options):
        return Method.DIRECT, Consistency.POINT_IN_TIME
    return Method.TEMPORARY_COPY, Consistency.POINT_IN_TIME


def _server_snapshots(tools: KindContext, resource: Resource, pool: Json, options: ExportOptions) -> bool:
    """Whether the server exports from a snapshot it makes itself."""
    if pool["driver"] not in _SNAPSHOTTING:
        return False
    if options.optimized:
        return True
    if dependents.disks(resource.document):
        return False  # each volume from a snapshot of its own
    if resource.document["type"] != "container":
        return False  # a disk image is read while it changes, on every driver
    if pool["driver"] == "zfs":
        root = path_of("storage-pools", str(pool["name"]), "volumes", "container", resource.ref.name)
        volume = tools.api.get(root, project=resource.ref.project).body
        return bool((volume.get("config") or {}).get("zfs.block_mode") != "true")
    return True


def _write(
    tools: KindContext,
    ref: ResourceRef,
    options: ExportOptions,
    rewrites: Mapping[str, Rewrite],
    into: BackupWriter,
    parts: Collection[str],
    snapshots: Names = NO_NAMES,
) -> Written:
    body = {
        "compression_algorithm": Compression.NONE.value,
        "instance_only": False,
        "optimized_storage": options.optimized,
    }
    with exported(tools, ref, body) as chunks:
        archive = renamed(chunks, snapshots)
        return write_archive(tools, archive, options, rewrites, into, stem=STEM, parts=parts)


def _back_to_original(
    tools: KindContext, original: Resource, copy: ResourceRef, volumes: Mapping[str, Json], snapshots: Names
) -> Mapping[str, Rewrite]:
    """Rewrite the copy's definition so that a bare ``incus import`` gives the original."""
    config = tools.api.get(path(copy), project=copy.project).body["config"]
    names = original.document.get("profiles") or ()
    known = {p["name"]: p for p in tools.api.list("profiles", project=original.ref.project)}
    definition = backup_yaml.to_original(
        original.document,
        {str(snapshot["name"]): snapshot for snapshot in original.snapshots},
        [known[name] for name in names if name in known],
        {key: value for key, value in config.items() if matches_any(key, ID_MAP)},
    )
    copies = disks_of_copy(original.document, copy)
    by_copy = {str(copies[name]["source"]): volume for name, volume in volumes.items()}
    changes = (definition, dependents.to_original(by_copy))
    return backup_yaml.rewrites(
        original.document["type"],
        name=original.ref.name,
        changes=changes,
        snapshots=snapshots,
        checkpoint=tools.checkpoint,
    )


def _check_undisturbed(tools: KindContext, before: Resource, consistency: Consistency) -> None:
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
