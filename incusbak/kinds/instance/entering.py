"""Get an instance into a project that checks what comes in, and guards the volatile keys of what is there.

The server is asked before anything is uploaded. Where it takes no import at all into such a project, since
an archive has volatile keys, or has no room for one that it counts twice, the instance is imported into a
scratch project and moved from there: a move drops such keys, and is counted once.
"""

import io
import tarfile
from uuid import uuid4

from attrs import evolve

from ...errors import NotAuthorized, ServerError, ServerUnavailable
from ...model.documents import Json
from ...model.records import Restoration
from ...model.refs import ResourceRef, instance_ref
from ...model.results import Phased
from ...ports import KindContext, path_of
from ..archive.definitions import INDEX, dump_definition
from ..common.cleanup import watch
from ..common.paths import path
from ..common.scratch_projects import SCRATCH_PROJECT
from .copying import make_room, remove_copy
from .fitting import Fitted
from .project_rules import effective, is_guarded, is_limited, needs

_GONE_THROUGH = "Storage pool not found"


def scratch_of(record: Restoration) -> ResourceRef:
    """Where an instance is that is still to be moved into its project."""
    return instance_ref(record.scratch, record.temporary)


def choose_way(tools: KindContext, record: Restoration, fitted: Fitted) -> Restoration:
    """Ask whether the project takes what is to come, as it comes in and as it will be.

    Returns:
        The record, with a scratch project where it has to go through one.

    Raises:
        ServerError: it does not, in no way; nothing was made, nothing touched.
    """
    if not is_limited(fitted.project):
        return record
    tools.tell(Phased("asking whether its project takes it"))
    for definition in (fitted.harmless, fitted.wanted):
        free = {key: value for key, value in definition["config"].items() if not is_guarded(key)}
        if refused := _refusal(tools, record, {**definition, "config": free}):
            raise ServerError(
                f"project/{record.ref.project} does not take {record.ref}: {refused}; nothing was touched"
            )
    config = {**fitted.harmless["config"], "volatile.uuid": str(uuid4())}
    refused = _refusal(tools, record, {**fitted.harmless, "config": config})
    if not refused and _has_room_for_two(tools, record, fitted):
        return record
    if fitted.disks.swapped:  # a move has its snapshots name their volumes as they are called by then
        why = refused or "its limits leave no room for it twice"
        raise ServerError(
            f"project/{record.ref.project} does not take {record.ref} with disks that depend on it in place "
            f"of such a one: {why}; nothing was touched"
        )
    return evolve(record, scratch=SCRATCH_PROJECT + record.id)


def _refusal(tools: KindContext, record: Restoration, definition: Json) -> str:
    """Say what the server has against an import; with a pool that is not there it gets no further."""
    name = record.temporary
    try:
        tools.api.upload(
            "instances",
            [_index_alone(name, definition)],
            headers={"X-Incus-name": name, "X-Incus-pool": name},
            project=record.ref.project,
        )
    except ServerUnavailable:
        raise
    except ServerError as error:
        return "" if _GONE_THROUGH in error.message else error.message.partition(": ")[2]
    raise ServerError(f"the server imported {name} without a pool; remove it, and report this")


def _index_alone(name: str, definition: Json) -> bytes:
    index = {
        "name": name,
        "backend": "dir",
        "pool": name,
        "optimized": False,
        "optimized_header": False,
        "type": definition["type"],
        "config": {"container": {**definition, "name": name, "status": "Stopped"}},
    }
    content, archive = dump_definition(index), io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo(INDEX)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def _has_room_for_two(tools: KindContext, record: Restoration, fitted: Fitted) -> bool:
    """Whether limits bear the new one twice: after an import the server adds it to what is there by then."""
    resources = tools.api.get(path_of("projects", record.ref.project, "state")).body["resources"]
    taken = needs(effective(fitted.harmless, fitted.profiles), str(fitted.harmless["type"]), fitted.volumes)
    known = [(resources[name], amount) for name, amount in taken.items() if name in resources]
    return all(room["Limit"] < 0 or room["Usage"] + 2 * more <= room["Limit"] for room, more in known)


def open_way(tools: KindContext, record: Restoration, fitted: Fitted) -> Restoration:
    """Make the scratch project where there shall be one; who may make none imports straight.

    The root disks that profiles give are wanted on the way as well.
    """
    if not record.scratch:
        return record
    tools.journal.write(record)
    try:
        named = [{"profiles": [profile["name"] for profile in fitted.needed]}]
        make_room(tools, record.scratch, named, volumes=bool(fitted.disks.final))
    except NotAuthorized:
        record = evolve(record, scratch="")
        tools.journal.write(record)
        return record
    for profile in fitted.needed:
        body = {"config": {}, "description": "", "devices": _roots(profile)}
        tools.api.replace(path_of("profiles", str(profile["name"])), body, project=record.scratch)
    return record


def move_in(tools: KindContext, record: Restoration) -> None:
    """Move what was imported into the scratch project to its own, still harmless."""
    body = {"name": record.temporary, "project": record.ref.project, "migration": True}
    here = scratch_of(record)
    tools.api.create(path(here), body, project=record.scratch, watch=watch(tools, "moving"))
    remove_copy(tools, here)


def _roots(profile: Json) -> dict[str, Json]:
    devices = profile.get("devices") or {}
    return {n: d for n, d in devices.items() if d.get("type") == "disk" and d.get("path") == "/"}
