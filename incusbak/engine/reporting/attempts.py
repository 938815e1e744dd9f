"""Which backups were tried in vain since the last good one, from the reports of runs. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from attrs import evolve

from ...model.results import Outcome, Report, Status
from ...model.standings import FailedAttempts
from ..planning.backup import step_id


def failed_attempts(since: Mapping[str, datetime], reports: Iterable[Report]) -> dict[str, FailedAttempts]:
    """Say how backups failed.

    Args:
        since: the addresses that are asked about, each with the time of its newest good backup.
        reports: of runs, newest first; no more is read of them than has to be.
    """
    found: dict[str, FailedAttempts] = {}
    steps, earliest = {step_id(address): address for address in since}, min(since.values(), default=None)
    for report in reports:
        if earliest is None or not steps or report.finished <= earliest:
            break
        for outcome in report.outcomes:
            address = steps.get(outcome.step)
            if address is None or outcome.status is Status.SKIPPED:
                continue
            if outcome.status is Status.DONE or report.finished <= since[address]:
                del steps[outcome.step]
            else:
                found[address] = _one_more(found.get(address), outcome, report.finished)
    return found


def _one_more(known: FailedAttempts | None, outcome: Outcome, at: datetime) -> FailedAttempts:
    """Count an attempt that is older than those that are known."""
    if known:
        return evolve(known, count=known.count + 1)
    return FailedAttempts(1, at, " ".join(outcome.error.split()), outcome.hint)
