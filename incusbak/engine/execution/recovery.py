"""Finish or undo what an earlier run left; what can't be is told of once, and in nobody's way after that.

What is in quarantine is tried again only for a reason: something of it has changed, or the server was started
anew, which lets go of what it held. If that ends as before, it is no news.
"""

from ...errors import Busy, ServerError, ServerUnavailable, StalePlan
from ...model.actions import Recover
from ...model.records import PendingHooks, Quarantined, Record
from ...model.results import StepResult
from ...ports import Kind, KindContext
from ..leftovers import as_seen
from .hooks import make_good


def recover(action: Recover, tools: KindContext, kind: Kind) -> StepResult:
    """Deal with one leftover.

    Raises:
        StalePlan: another run does.
        ServerError: it is in quarantine from now on, unless the reason is one that passes by itself.
    """
    leftover = tools.journal.take_over(action.record)
    if leftover is None:
        raise StalePlan(f"another run deals with the leftover {action.record}")
    before = next((each for each in tools.journal.quarantined() if each.record.id == leftover.id), None)
    try:
        if isinstance(leftover, PendingHooks):
            return make_good(tools, kind, leftover)
        return kind.recover(tools, leftover)
    except (Busy, ServerUnavailable):
        raise
    except ServerError as error:
        left = _as_it_is_now(leftover, tools)
        is_known = left is not None and _quarantine(left, error, kind, tools, before)
        if is_known:
            return StepResult(note="still can't be cleaned up (`incus-backup status` lists it)")
        raise


def _as_it_is_now(leftover: Record, tools: KindContext) -> Record | None:
    """Find a leftover in the journal; None: it was dealt with, and the error is about something else."""
    left = (*tools.journal.leftovers(), *(each.record for each in tools.journal.quarantined()))
    return next((each for each in left if each.id == leftover.id), None)


def _quarantine(
    leftover: Record, error: ServerError, kind: Kind, tools: KindContext, before: Quarantined | None
) -> bool:
    """Set a leftover aside; tell whether it was so before, for the same reason."""
    try:
        remains = as_seen(tools.api, tools.server, kind, leftover)
    except ServerError:
        return False  # later it could not be told whether anything has changed
    since = before.since if before else tools.clock()
    tools.journal.quarantine(Quarantined(leftover, error.message, error.hint, since, remains))
    if before is not None and before.why == error.message:
        return True
    error.add_note(
        "it is left as it is until something of it changes or the server is restarted "
        "(`incus-backup status` lists it)"
    )
    return False
