"""Hold a copy of a running instance that shows one moment, in a project of its own.

The project can have a profile by each name that a snapshot of the source refers to: the server refuses to
copy a snapshot whose profile is missing. What such a profile says does not matter, since the copy never
starts and its definition is put back to the source's on its way into the archive.

Disks that depend on the source are copied along, into volumes of the scratch project: then the source is
frozen here for the second pass, since the server does not keep it so for all of its volumes on every driver;
where a second pass could do harm, for the only one.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from attrs import evolve

from ...errors import Conflict, NotAuthorized, NotFound
from ...model.documents import Json
from ...model.inventory import Resource
from ...model.policies import Maps
from ...model.records import ScratchInstance
from ...model.refs import ResourceRef, instance_ref
from ...model.results import Phased
from ...ports import KindContext, path_of
from ..archive.definitions import Names
from ..common import custom_volumes
from ..common.cleanup import clean_up, watch
from ..common.lost_mounts import check_deletable
from ..common.marks import temporary_marks
from ..common.operations import settle
from ..common.paths import path
from ..common.scratch_projects import SCRATCH_PROJECT, make_project, remove_project
from . import dependent_volumes, dependents, lifecycle
from .definition import root_device


@contextmanager
def temporary_copy(
    tools: KindContext, source: Resource, drivers: Mapping[str, str], names: Names
) -> Iterator[ResourceRef]:
    """Copy in two passes; only the second, short one freezes the source, and the server thaws it.

    Args:
        drivers: of the pools on which both are, by their names.
        names: what snapshots are called in the copy, where it could not be removed otherwise.
    """
    token = secrets.token_hex(6)
    copy = instance_ref(SCRATCH_PROJECT + token, f"incusbak-{token}")
    record = ScratchInstance(token, copy, source.ref, source.document["status"] == "Frozen")
    tools.journal.write(record)
    try:
        record = _place(tools, record, source)
        copy = record.ref
        for pool, driver in drivers.items():
            check_deletable(source.snapshots, driver, copy, pool)
        once = _only_once(tools, source, drivers)
        if not once:
            tools.tell(Phased("copying, first pass"))
            _copy(tools, source, copy, allow_inconsistent=True)
        tools.tell(Phased(f"copying{'' if once else ', second pass'}: the instance pauses"))
        with _paused(tools, source):
            _copy(tools, source, copy, refresh=not once)
        for old, new in names.items():
            tools.api.create(path(copy, "snapshots", old), {"name": new}, project=copy.project)
        yield copy
    finally:
        clean_up(tools, lambda: remove_scratch(tools, record))


def _only_once(tools: KindContext, source: Resource, drivers: Mapping[str, str]) -> bool:
    """Whether it must be copied in one pass: a second one may harm it for good.

    On btrfs what a snapshot of a dependent volume takes may be all of its ``size``. Then a second pass fails
    (Incus 7.0.2), and leaves snapshots that nobody sees, with which neither copy nor source can be deleted.
    """
    if not source.snapshots:
        return False
    found = dependents.disks(source.document)
    volumes = dependent_volumes.documents(tools, source)
    return any(
        volume["config"].get("size") and drivers[str(found[name]["pool"])] == "btrfs"
        for name, volume in volumes.items()
    )


@contextmanager
def _paused(tools: KindContext, source: Resource) -> Iterator[None]:
    """Have an instance with dependent disks stand still, and go on whatever becomes of this process."""
    if source.document["status"] != "Running" or not dependents.disks(source.document):
        yield
        return
    with tools.guard((source.ref,)):
        try:
            lifecycle.freeze(tools.api, (source.ref,))
            yield
        finally:
            lifecycle.thaw(tools.api, (source.ref,))


def _place(tools: KindContext, record: ScratchInstance, source: Resource) -> ScratchInstance:
    """Make the project for a copy; who may make none has it beside its source."""
    has_volumes = bool(dependents.disks(source.document))
    try:
        make_room(tools, record.ref.project, source.snapshots, volumes=has_volumes)
    except NotAuthorized:
        record = evolve(record, ref=instance_ref(source.ref.project, record.ref.name))
        tools.journal.write(record)
    return record


def disks_of_copy(source: Json, copy: ResourceRef) -> Mapping[str, Json]:
    """Say how the dependent disks of a copy are: the server wants them on volumes of other names."""
    return dependents.placed(source, Maps(), dependents.numbered(copy.name))


def make_room(tools: KindContext, name: str, documents: Iterable[Json], *, volumes: bool = False) -> None:
    """Make a scratch project in which the profiles that these documents name exist, and are empty.

    Args:
        volumes: whether it has volumes of its own.
    """
    make_project(tools, name, "profiles", *(["storage.volumes"] if volumes else []))
    profiles = {profile for document in documents for profile in document.get("profiles") or ()}
    for profile in sorted(profiles - {"default"}):
        try:
            tools.api.create("profiles", {"name": profile}, project=name)
        except Conflict:
            continue


def _copy(tools: KindContext, source: Resource, copy: ResourceRef, **how: bool) -> None:
    """Copy with every device but its own disks masked: a copy with the MAC of its source blocks it.

    Profiles may give what the source's own project demands.
    """
    root_name, root = root_device(source.document)
    devices = {name: {"type": "none"} for name in source.document["expanded_devices"]}
    body = {
        "name": copy.name,
        "type": source.document["type"],
        "profiles": source.document["profiles"] if copy.project == source.ref.project else [],
        "devices": {**devices, root_name: dict(root), **disks_of_copy(source.document, copy)},
        "config": {
            "boot.autostart": "false",
            "security.protection.delete": "false",
            "snapshots.schedule": "",
            **temporary_marks(tools, source=source.ref.address),
        },
        "source": {
            "type": "copy",
            "source": source.ref.name,
            "project": source.ref.project,
            "instance_only": False,
            **how,
        },
    }
    tools.api.create("instances", body, project=copy.project, watch=watch(tools, "copying"))


def remove_scratch(tools: KindContext, record: ScratchInstance) -> str:
    """Remove a temporary copy and its record; wake its source if a dying server left it frozen."""
    settle(tools.api, record.ref)
    remove_copy(tools, record.ref)
    source = lifecycle.find(tools.api, record.source)
    words = f"removed the temporary copy {record.ref.name}"
    if source is not None and source["status"] == "Frozen" and not record.source_was_frozen:
        lifecycle.change_state(tools.api, record.source, "unfreeze", timeout=lifecycle.STOP_SECONDS)
        words += f", unfroze {record.source}"
    tools.journal.remove(record.id)
    return words


def remove_copy(tools: KindContext, copy: ResourceRef) -> None:
    """Remove a temporary copy with its project; fine if either is gone."""
    lifecycle.remove(tools.api, copy)
    _remove_volumes(tools, copy)
    if not copy.project.startswith(SCRATCH_PROJECT):
        return
    try:
        for profile in tools.api.list("profiles", project=copy.project):
            if profile["name"] != "default":
                tools.api.delete(path_of("profiles", str(profile["name"])), project=copy.project)
    except NotFound:
        return
    remove_project(tools, copy.project)


def _remove_volumes(tools: KindContext, copy: ResourceRef) -> None:
    """Remove volumes that an import or a copy which failed has left without an instance."""
    if not tools.server.has(dependents.EXTENSION):
        return
    for ref, _ in custom_volumes.listed(tools.api, copy.project):
        in_scratch = ref.project == copy.project and ref.project.startswith(SCRATCH_PROJECT)
        if in_scratch or ref.name.startswith(f"{copy.name}-"):  # its name is its own
            custom_volumes.remove(tools.api, ref)
