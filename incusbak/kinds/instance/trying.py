"""See beforehand, while an instance runs, whether the server would refuse what it is stopped for."""

from attrs import evolve

from ...errors import ServerError, ServerUnavailable
from ...model.records import Restoration
from ...model.refs import ResourceRef
from ...model.results import Phased
from ...ports import IncusApi, Tools
from ..operations import settle
from . import lifecycle, room


def try_first(tools: Tools, record: Restoration) -> Restoration:
    """See that the one to be replaced can be changed; make room on its root disk where there is none.

    Raises:
        ServerError: it can't be; it was not stopped.
    """
    tools.tell(Phased("seeing whether the present one can be set aside"))
    settle(tools.api, record.ref)
    try:
        lifecycle.change_config(tools.api, record.ref)
    except ServerUnavailable:
        raise
    except ServerError as refused:
        if not lacks_room(tools.api, record.ref, refused):
            raise _refusal(record.ref, refused) from refused
        record = evolve(record, widened=True)
        tools.journal.write(record)
        _make_room(tools, record.ref, refused)
    return record


def lacks_room(api: IncusApi, ref: ResourceRef, refused: ServerError) -> bool:
    """Whether an instance can't be changed since its root disk is full, and that can be helped."""
    document = lifecycle.find(api, ref)
    return document is not None and room.is_why(refused) and room.can_be_made(api, document)


def _make_room(tools: Tools, ref: ResourceRef, why: ServerError) -> None:
    tools.tell(Phased("raising the limit of its full root disk for the while"))
    try:
        room.make(tools.api, ref)
        lifecycle.change_config(tools.api, ref)
    except ServerUnavailable:
        raise
    except ServerError as error:
        raise _refusal(ref, error) from why


def _refusal(ref: ResourceRef, error: ServerError) -> ServerError:
    """Say that nothing was begun; what the server says becomes part of it."""
    full = room.is_why(error)
    why = "its root disk is full" if full else "the server refuses to change it"
    how = f" `incus config device set {ref.name} root size=SIZE --project {ref.project}`,"
    hint = f"make room in it, or raise its limit:{how} then run this again" if full else error.hint
    return ServerError(f"{ref} can't be replaced, {why}; it was not stopped: {error.message}", hint=hint)
