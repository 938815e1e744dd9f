"""See beforehand, while instances run, whether the server would refuse what they are stopped for."""

from ...errors import ServerError, ServerUnavailable
from ...model.refs import ResourceRef
from ...model.results import Phased
from ...ports import IncusApi, KindContext
from ..common.operations import settle
from . import advice, lifecycle, room

BUSY_SECONDS = 20.0
"""How long somebody else's export, say, is waited for."""


def lacks_room(tools: KindContext, ref: ResourceRef) -> bool:
    """See that an instance can be changed, at least once there is room on its root disk.

    The server is asked to give it the definition that it has, which it refuses as it would any other.

    Returns:
        Whether room has to be made first, see ``make_room``.

    Raises:
        ServerError: it can't be changed; it is as it was.
        Busy: the server works on it for somebody else.
    """
    tools.tell(Phased(f"seeing whether {ref} can be changed"))
    settle(tools.api, ref, seconds=BUSY_SECONDS)
    try:
        lifecycle.change_config(tools.api, ref)
    except ServerUnavailable:
        raise
    except ServerError as refused:
        if not _can_be_helped(tools.api, ref, refused):
            raise _refusal(tools.api, ref, refused) from refused
        return True
    return False


def make_room(tools: KindContext, ref: ResourceRef) -> None:
    """Raise the limit of a full root disk, and see that this helps.

    Raises:
        ServerError: the limit can't be raised, or it was no use.
    """
    tools.tell(Phased(f"raising the limit of the full root disk of {ref} for the while"))
    try:
        room.make(tools.api, ref)
        lifecycle.change_config(tools.api, ref)
    except ServerUnavailable:
        raise
    except ServerError as error:
        refusal = _refusal(tools.api, ref, error, is_full=True)
        if room.is_why(error):  # btrfs needs some room itself to raise a limit
            refusal.hint = advice.ROOM
        raise refusal from error


def _can_be_helped(api: IncusApi, ref: ResourceRef, refused: ServerError) -> bool:
    document = lifecycle.find(api, ref)
    return document is not None and room.is_why(refused) and room.can_be_made(api, document)


def _refusal(api: IncusApi, ref: ResourceRef, error: ServerError, *, is_full: bool = False) -> ServerError:
    """Say that nothing was begun; what the server says becomes part of it."""
    is_full = is_full or room.is_why(error)
    why = "its root disk or its pool is full" if is_full else "the server refuses to change it"
    hint = advice.for_full_disk(api, ref) if is_full else error.hint
    return ServerError(f"{ref} can't be set aside, {why}; it was not stopped: {error.message}", hint=hint)
