"""See beforehand whether the server would refuse what the users of a volume are stopped for."""

from collections.abc import Iterable

from attrs import evolve

from ...model.records import VolumeRestoration, VolumeUser
from ...ports import KindContext
from ..instance.trying import lacks_room, make_room
from . import users


def tried(tools: KindContext, found: Iterable[VolumeUser]) -> tuple[VolumeUser, ...]:
    """See that all who use a volume can be changed; tell which need room on their root disks for that.

    Raises:
        ServerError: one can't be; it is as it was.
    """
    return tuple(
        evolve(user, widened=lacks_room(tools, user.ref)) if user.ref.kind == "instance" else user
        for user in found
    )


def prepare(tools: KindContext, record: VolumeRestoration) -> None:
    """Make the room that was noted, and see that profiles can be changed, which changes those who use them.

    Raises:
        ServerError: it can't be; nobody was stopped.
    """
    for user in record.users:
        if user.widened:
            make_room(tools, user.ref)
    for user in record.users:
        if user.ref.kind == "profile":
            users.see_changeable(tools.api, user.ref)
