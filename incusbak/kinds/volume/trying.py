"""See beforehand whether the server would refuse what the users of a volume are stopped for."""

from attrs import evolve

from ...model.records import VolumeRestoration, VolumeUser
from ...ports import Tools
from ..instance.trying import lacks_room, make_room
from . import users


def try_first(tools: Tools, record: VolumeRestoration) -> VolumeRestoration:
    """See that all users can be changed; note those that need room on their root disks for that.

    Raises:
        ServerError: one can't be; nobody was stopped.
    """
    record = evolve(record, users=tuple(_tried(tools, user) for user in record.users))
    tools.journal.write(record)
    return record


def _tried(tools: Tools, user: VolumeUser) -> VolumeUser:
    is_instance = user.ref.kind == "instance"
    return evolve(user, widened=lacks_room(tools, user.ref)) if is_instance else user


def prepare(tools: Tools, record: VolumeRestoration) -> None:
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
