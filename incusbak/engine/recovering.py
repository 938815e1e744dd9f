"""Finish or undo what an earlier run left; what can't be is told of once, and in nobody's way after that."""

from ..errors import Busy, ServerError, ServerUnavailable, StalePlan
from ..model.actions import Recover
from ..model.records import PendingHooks, Quarantined, Record
from ..model.results import Made
from ..ports import Kind, Tools
from .hooking import make_good


def recover(action: Recover, tools: Tools, kind: Kind) -> Made:
    """Deal with one leftover.

    Raises:
        StalePlan: another run does.
        ServerError: it is in quarantine from now on, unless the reason is one that passes by itself.
    """
    leftover = tools.journal.take_over(action.record)
    if leftover is None:
        raise StalePlan(f"another run deals with the leftover {action.record}")
    try:
        if isinstance(leftover, PendingHooks):
            return make_good(tools, kind, leftover)
        return kind.recover(tools, leftover)
    except (Busy, ServerUnavailable):
        raise
    except ServerError as error:
        if left := _as_it_is_now(leftover, tools):
            _quarantine(left, error, kind, tools)
        raise


def _as_it_is_now(leftover: Record, tools: Tools) -> Record | None:
    """Find a leftover in the journal; None: it was dealt with, and the error is about something else."""
    left = (*tools.journal.leftovers(), *(each.record for each in tools.journal.quarantined()))
    return next((each for each in left if each.id == leftover.id), None)


def _quarantine(leftover: Record, error: ServerError, kind: Kind, tools: Tools) -> None:
    known = {each.record.id: each.since for each in tools.journal.quarantined()}
    try:
        remains = kind.remains(tools.api, leftover)
    except ServerError:
        return  # later it could not be told whether anything has changed
    since = known.get(leftover.id, tools.clock())
    tools.journal.quarantine(Quarantined(leftover, error.message, error.hint, since, remains))
    error.message += "; it is left as it is until something of it changes (`incus-backup status` lists it)"
