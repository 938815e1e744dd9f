"""What an apply did, for the person who ran it."""

from collections.abc import Iterable, Sequence

from ..model.plans import Missed
from ..model.results import Outcome, Report, Status
from ..model.sizes import humanize_bytes
from ..plain_text import printable
from .actions import untouched
from .hints import by_hint, for_whom
from .wording import humanize_duration

_PAST = {
    "restore": "restored from",
    "replace": "replaced from",
    "create": "created as in",
    "update": "changed as in",
    "delete": "deleted",
}
_TITLES = {Status.DONE: "Done:", Status.FAILED: "Failed:", Status.SKIPPED: "Not tried:"}


def render_report(report: Report, *, quiet: bool = False) -> str:
    """Tell what was done, what failed and why, what was not tried; one summary line at the end.

    Args:
        quiet: leave out what was done, and all if there is nothing else to be told.
    """
    if quiet and not report.missed and report.count(Status.DONE) == len(report.outcomes):
        return ""
    lines: list[str] = []
    for status, title in _TITLES.items():
        outcomes = [outcome for outcome in report.outcomes if outcome.status is status]
        if outcomes and not (quiet and status is Status.DONE):
            lines += [title, *_told(outcomes), ""]
    if report.missed:
        lines += [*_missed(report.missed), ""]
    return "\n".join([*lines, _summary(report)]) + "\n"


def render_missed(missed: Iterable[Missed]) -> str:
    """Tell what was asked for and can't be done."""
    return "\n".join(_missed(missed)) + "\n"


def _missed(missed: Iterable[Missed]) -> list[str]:
    lines = ["Left undone:"]
    for group in by_hint(missed):
        lines += [f"  {printable(each.address)}: {printable(each.reason)}" for each in group]
        lines += _hint(group)
    return lines


def _hint(group: Sequence[Missed | Outcome]) -> list[str]:
    return [f"    {for_whom(group)}: {printable(group[0].hint)}"] if group[0].hint else []


def _told(outcomes: list[Outcome]) -> list[str]:
    return [
        line
        for group in by_hint(outcomes)
        for line in (*(line for outcome in group for line in _lines(outcome)), *_hint(group))
    ]


def _lines(outcome: Outcome) -> list[str]:
    address = printable(outcome.address)
    if outcome.status is Status.DONE:
        stays = [f"    {printable(untouched(stay))}" for stay in outcome.made.stays]
        return [f"  {address}: {_deed(outcome)}", *stays]
    first, *more = [printable(line) for line in (outcome.error or "no reason given").splitlines()]
    return [f"  {address}: {first}", *(f"    {line}" for line in more)]


def _deed(outcome: Outcome) -> str:
    made = outcome.made
    verb, _, _ = outcome.step.partition(":")
    backup = made.backup.rpartition("@")[2] if made.backup.startswith(f"{outcome.address}@") else made.backup
    if verb == "back-up":
        deed = f"backed up as {backup}"
    elif verb in _PAST:
        deed = f"{_PAST[verb]} {backup}".rstrip()
    else:
        deed = made.note or "done"
    facts = [humanize_bytes(made.size_bytes)] if made.size_bytes else []
    facts.append(humanize_duration(outcome.seconds))
    note = f"; {made.note}" if made.note and deed != made.note else ""
    return printable(f"{deed} ({', '.join(facts)}){note}")


def _summary(report: Report) -> str:
    took = humanize_duration((report.finished - report.started).total_seconds())
    done, failed, skipped = (report.count(status) for status in _TITLES)
    undone = f", {len(report.missed)} left undone" if report.missed else ""
    if failed or skipped or undone:
        return f"Incomplete: {done} done, {failed} failed, {skipped} not tried{undone}, in {took}."
    return f"Complete: {done} done in {took}."
