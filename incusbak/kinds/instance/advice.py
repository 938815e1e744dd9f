"""What a person can do about a full root disk, as far as its project lets anybody do it."""

from contextlib import suppress

from ...errors import ServerError
from ...model.documents import Json
from ...model.refs import ResourceRef
from ...model.sizes import in_mebibytes
from ...ports import IncusApi, path_of
from ..common.values import size_of
from . import lifecycle
from .definition import root_device

MORE_BYTES = 64 << 20
"""By how much a limit is raised for the while."""
ROOM = "make room there, then run this again"


def for_full_disk(api: IncusApi, ref: ResourceRef) -> str:
    """Say how to get room on the root disk of an instance, or on its pool where that alone limits it."""
    with suppress(ServerError):
        document = lifecycle.find(api, ref)
        if document is not None:
            return _for(api, ref, document)
    return ROOM


def _for(api: IncusApi, ref: ResourceRef, document: Json) -> str:
    name, device = root_device(document)
    size = size_of(device.get("size", ""))
    if size is None:
        return f"make room on pool {device.get('pool')}, then run this again"
    verb = "set" if name in document["devices"] else "override"
    larger = in_mebibytes(size + MORE_BYTES)
    how = f"`incus config device {verb} {ref.name} {name} size={larger} --project {ref.project}`"
    first = "".join(
        f"`incus project set {ref.project} {key}={in_mebibytes(taken + MORE_BYTES)}` and "
        for key, taken in _too_tight(api, ref.project, str(device.get("pool")))
    )
    return f"make room there, or raise the limit of the root disk: {first}{how}; then run this again"


def _too_tight(api: IncusApi, project: str, pool: str) -> list[tuple[str, int]]:
    """Name the limits of a project that leave no room for a larger disk, each with what is taken of it."""
    found = api.get(path_of("projects", project, "state")).body["resources"]
    keys = {"disk": "limits.disk", f"disk.{pool}": f"limits.disk.pool.{pool}"}
    rooms = [(key, found[name]) for name, key in keys.items() if name in found]
    return [
        (key, int(room["Usage"]))
        for key, room in rooms
        if 0 <= int(room["Limit"]) < int(room["Usage"]) + MORE_BYTES
    ]
