"""Room on a root disk for what the server keeps there itself.

The server writes ``backup.yaml`` beside the files of an instance, within the limit of its root disk. Where
that is used up it refuses to change, rename, export and even start the instance (or does it, and says that it
failed); a larger limit for the while is all it takes.
"""

from contextlib import suppress

from attrs import frozen

from ...errors import ServerError
from ...model.documents import Json
from ...model.facts import Foreseen, Growth
from ...model.refs import ResourceRef
from ...ports import IncusApi, path_of
from ..common.no_room import NO_QUOTA, NO_SPACE
from ..common.paths import path
from ..common.values import size_of
from . import advice, lifecycle
from .definition import definition, pool_of, root_device

_LIMITING = frozenset({"btrfs", "dir", "zfs"})
"""Drivers on which a size is a mere limit; elsewhere a disk that has grown can't be made smaller again."""
_LITTLE_BYTES = 4 << 20
"""What the server needs and a little more: `btrfs` refuses some MiB before its limit."""
_SMALL_PART = 20


def is_why(error: ServerError) -> bool:
    """Whether the server's words mean that there was no room."""
    return any(words in error.message.lower() for words in (*NO_QUOTA, *NO_SPACE))


def explain(api: IncusApi, ref: ResourceRef, error: ServerError) -> None:
    """Have an error hint at the full root disk that may be behind it: of a stream only the end is seen."""
    with suppress(ServerError):
        document = lifecycle.find(api, ref)
        if document is not None and (
            any(words in error.message.lower() for words in NO_QUOTA) or _usage(api, ref, document).is_little
        ):
            error.hint = advice.for_full_disk(api, ref)


def foresee(api: IncusApi, ref: ResourceRef, document: Json) -> Foreseen:
    """Say so where hardly anything is left; of disks that share data the server knows too little."""
    usage = _usage(api, ref, document)
    if not usage.is_little:
        return Foreseen()
    about = f"{ref}: its root disk is nearly full, so the server may refuse to change it"
    if not can_be_made(api, document):
        return Foreseen(warnings=(f"{about}, and nothing is done: make room in it first",))
    return Foreseen(
        warnings=(f"{about}; then its limit is raised for as long as that takes",),
        grows=(Growth(ref, pool_of(document), usage.growth),) if usage.is_full else (),
    )


def can_be_made(api: IncusApi, document: Json) -> bool:
    """Whether its root disk has a limit that can be raised and lowered again."""
    _, device = root_device(document)
    if document.get("type") != "container" or not device.get("size"):
        return False
    pool = api.get(path_of("storage-pools", str(device.get("pool", "")))).body
    return pool.get("driver") in _LIMITING


def make(api: IncusApi, ref: ResourceRef) -> None:
    """Raise the limit.

    Raises:
        ServerError: the project does not allow it, say.
    """
    document = api.get(path(ref), project=ref.project).body
    name, device = root_device(document)
    larger = {**device, "size": str(_usage(api, ref, document).larger)}
    body = {**definition(document), "devices": {**document["devices"], name: larger}}
    api.replace(path(ref), body, project=ref.project)


def keep(wanted: Json, present: Json) -> Json:
    """Leave the root disk as it is now in a definition that is to be given."""
    name, _ = root_device(present)
    device = present["devices"].get(name)
    return {**wanted, "devices": {**wanted["devices"], **({name: device} if device else {})}}


def take_back(api: IncusApi, ref: ResourceRef, before: Json) -> None:
    """Put the limit back to what it was.

    The server may say that it failed, once there is no room again, and have done it.
    """
    document = api.get(path(ref), project=ref.project).body
    name, _ = root_device(document)
    others = {key: device for key, device in document["devices"].items() if key != name}
    own = {name: before["devices"][name]} if name in before["devices"] else {}
    lifecycle.give(api, ref, {**definition(document), "devices": {**others, **own}})


@frozen
class _Usage:
    """How much of a root disk is used, of how much, and its ``size``; all 0 where nobody knows."""

    used: int = 0
    total: int = 0
    size: int = 0

    @property
    def is_little(self) -> bool:
        """Whether hardly anything is left."""
        return 0 < self.total <= self.used + max(_LITTLE_BYTES, self.total // _SMALL_PART)

    @property
    def is_full(self) -> bool:
        """Whether less is left than the server needs."""
        return 0 < self.total <= self.used + _LITTLE_BYTES

    @property
    def larger(self) -> int:
        """A ``size`` with which there is room."""
        return max(self.used, self.total) + advice.MORE_BYTES

    @property
    def growth(self) -> int:
        return self.larger - self.size


def _usage(api: IncusApi, ref: ResourceRef, document: Json) -> _Usage:
    name, device = root_device(document)
    if document.get("type") != "container" or not device.get("size"):
        return _Usage()
    state = api.get(path(ref, "state"), project=ref.project).body
    disk = (state.get("disk") or {}).get(name) or {}
    used, total = int(disk.get("usage") or 0), int(disk.get("total") or 0)
    return _Usage(used, total, size_of(device["size"]) or total)
