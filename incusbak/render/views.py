"""Decide what of a plan is shown, and in which words. Templates only lay it out."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from ..model.actions import BackUp, Copy, Discard, Recover, Rehearse, Replace, Restore
from ..model.plans import Change, Drift, Hazard, Missed, Plan, PlanFile, Step
from ..model.sizes import humanize_bytes
from ..plain_text import printable
from .actions import deed, settings, untouched
from .hints import by_hint, for_whom

NO_CHANGES = "No changes. Everything is as it should be."
NOTHING_COVERED = "there is nothing of what was asked for"
SENSITIVE = "(sensitive value)"
HAZARD_WORDS = {
    Hazard.REPLACES_RESOURCE: "replaces the living resource",
    Hazard.LOSES_CONTENT: "brings back next to nothing",
    Hazard.DELETES_RESOURCE: "deletes a resource",
    Hazard.STOPS_INSTANCE: "stops the running instance",
    Hazard.CHANGES_NETWORK: "changes a network",
    Hazard.CHANGES_POOL: "changes a storage pool",
    Hazard.DELETES_BACKUP: "deletes a backup",
}
"""What is alive comes before backups, which can be taken back and may be many."""

SYMBOL_WORDS = {"+": "made new", "~": "changed", "-": "removed", "-/+": "replaced", "<=": "read"}


@frozen
class ChangeView:
    """One field: ``+`` appears, ``-`` goes, ``~`` changes; a value that is not there is empty."""

    symbol: str
    path: str
    before: str
    after: str


@frozen
class StepView:
    """One step in words, numbered from 1; ``size`` is empty where nothing is moved."""

    number: int
    symbol: str
    address: str
    does: str
    size: str
    reason: str
    details: tuple[str, ...]
    hazards: tuple[str, ...]
    changes: tuple[ChangeView, ...]


@frozen
class Harm:
    """Steps that hurt in the same way."""

    how: str
    steps: tuple[StepView, ...]


@frozen
class Listing:
    """Addresses or rules under a title; there is at least one."""

    title: str
    items: tuple[str, ...]


@frozen
class ShownPlan:
    """A plan to be shown.

    ``path``: where it is or will be, for the command that approves it; empty where it is not saved.
    ``target``: the name of its repository in the policy, where it has one.
    """

    plan_file: PlanFile
    path: str = ""
    target: str = ""


@frozen
class PlanView:
    """Everything a template lays out; safe to print as it is. ``harm``: the worst first.

    ``missed``: a line for each thing that can't be done, its hint after it; one for several after them.
    """

    target: str
    server: str
    repository: str
    policies: tuple[str, ...]
    blocks: tuple[str, ...]
    unmet: tuple[str, ...]
    missed: tuple[str, ...]
    harm: tuple[Harm, ...]
    steps: tuple[StepView, ...]
    drift: tuple[Listing, ...]
    warnings: tuple[str, ...]
    summary: str
    digest: str
    command: str


def view_plan(shown: ShownPlan) -> PlanView:
    """Look at a plan with a reviewer's eyes."""
    plan, path = shown.plan_file.plan, shown.path
    places = {step.id: place for place, step in enumerate(plan.steps)}
    steps = tuple(
        _step(step, plan, number=number, places=places) for number, step in enumerate(plan.steps, 1)
    )
    digest = printable(shown.plan_file.digest[:8])
    return PlanView(
        target=printable(shown.target),
        server=_server(plan),
        repository=_repository(plan),
        policies=tuple(printable(file.path) for file in plan.policies),
        blocks=tuple(printable(block) for block in plan.blocks),
        unmet=tuple(printable(text) for text in plan.unmet),
        missed=tuple(_missed(plan.missed)),
        harm=tuple(_harm(steps)),
        steps=steps,
        drift=tuple(_drift(plan.drift)),
        warnings=tuple(printable(warning) for warning in plan.warnings),
        summary=_summary(plan),
        digest=digest,
        command=_command(path, digest, blocked=bool(plan.blocks)) if steps and path else "",
    )


def _harm(steps: tuple[StepView, ...]) -> Iterator[Harm]:
    severity = list(HAZARD_WORDS.values()).index
    kinds = dict.fromkeys(step.hazards for step in steps if step.hazards)
    for hazards in sorted(kinds, key=lambda hazards: min(map(severity, hazards))):
        yield Harm(", ".join(hazards), tuple(step for step in steps if step.hazards == hazards))


def _drift(drift: Drift) -> Iterator[Listing]:
    for title, found in (
        ("Overdue, the newest backup is older than promised", drift.overdue),
        ("Damaged, the newest backup is not as it was written", drift.damaged),
        ("Configuration that is not as in its last backup", drift.reconfigured),
        ("Unprotected, covered by no rule", drift.unprotected),
        ("Opted out by configuration of their own", drift.opted_out),
        ("Rules that match nothing", drift.unmatched),
    ):
        if found:
            yield Listing(title, tuple(printable(item) for item in found))


def _server(plan: Plan) -> str:
    server = plan.server
    if not server.fingerprint:
        return "none is asked, the repository alone is worked on"
    return printable(f"{server.name} (remote {server.remote})" if server.remote else server.name)


def _repository(plan: Plan) -> str:
    new = "" if plan.repository.id else " (new: made by the first backup)"
    return printable(plan.repository.uri) + new


def _command(path: str, digest: str, *, blocked: bool) -> str:
    force = " --force" if blocked else ""
    return f"incus-backup apply {printable(shlex.quote(path))} --approve {digest}{force}"


def _missed(missed: Iterable[Missed]) -> Iterator[str]:
    """Say in a line for each what can't be done, why, and what helps; once, where that is the same."""
    for group in by_hint(missed):
        is_shared = len(group) > 1 and group[0].hint
        hint = "" if is_shared or not group[0].hint else f"; {group[0].hint}"
        yield from (printable(f"{each.address}: {each.reason}{hint}") for each in group)
        if is_shared:
            yield printable(f"{for_whom(group)}: {group[0].hint}")


def _summary(plan: Plan) -> str:
    """Say in the last line what would be done, or why nothing is; and what of the server no rule covers."""
    count = len(plan.drift.unprotected)
    uncovered = f" {count} {'is' if count == 1 else 'are'} covered by no rule." if count else ""
    return (_counted(plan) if plan.steps or plan.missed else _why_none(plan)) + uncovered


def _why_none(plan: Plan) -> str:
    if not plan.covered:
        return "No changes, as nothing is covered."
    if plan.unmet or plan.blocks:
        return "No changes, but not everything is as it should be."
    return NO_CHANGES


def _counted(plan: Plan) -> str:
    summary = plan.summary
    counts = {
        "clean up": summary.clean_up,
        "back up": summary.backup,
        "copy": summary.copy,
        "verify": summary.verify,
        "rehearse": summary.rehearse,
        "create": summary.create,
        "change": summary.update,
        "restore": summary.restore,
        "replace": summary.replace,
        "delete": summary.delete,
        "prune": summary.prune,
        "pin or take back": summary.mark,
        "leave undone": len(plan.missed),
    }
    return f"Plan: {', '.join(f'{count} to {deed}' for deed, count in counts.items() if count)}."


def _step(step: Step, plan: Plan, *, number: int, places: Mapping[str, int]) -> StepView:
    """Put a step in words; ``places``: where each step stands in the plan, by its id."""
    symbol, does = deed(step.action)
    waits = [
        _waited_for(plan.steps[place]) for place in sorted(places[id] for id in step.after if id in places)
    ]
    details = settings(step.action)
    if step.passed_over:
        stamps = ", ".join(backup.timestamp for backup in step.passed_over)
        details.append(f"not from {stamps}, known to be damaged")
    details += map(untouched, step.stays)
    if waits:
        details.append(f"after {', '.join(dict.fromkeys(waits))}")
    if step.others:
        details.append(f"{', '.join(ref.address for ref in step.others)} {_what_happens_to_others(step)}")
    return StepView(
        number=number,
        symbol=symbol,
        address=printable(step.address),
        does=does,
        size=_size(step),
        reason=printable(step.reason),
        details=tuple(printable(detail) for detail in details),
        hazards=tuple(HAZARD_WORDS[hazard] for hazard in step.hazards),
        changes=tuple(_change(change) for change in step.changes),
    )


def _waited_for(step: Step) -> str:
    return f"{step.address} is cleaned up" if isinstance(step.action, Recover | Discard) else step.address


def _what_happens_to_others(step: Step) -> str:
    several = len(step.others) > 1
    match step.action:
        case Replace():
            return (
                "are stopped if they run, and started again"
                if several
                else "is stopped if it runs, and started again"
            )
        case BackUp():
            return "may pause for a moment"
        case _:
            return "are worked on as well" if several else "is worked on as well"


def _size(step: Step) -> str:
    if not isinstance(step.action, BackUp | Copy | Rehearse | Restore | Replace):
        return ""
    size = step.estimated_bytes
    basis = f" ({printable(step.basis)})" if step.basis else ""
    return "size unknown" if size is None else f"about {humanize_bytes(size)}{basis}"


def _change(change: Change) -> ChangeView:
    symbol = "+" if change.before is None else "-" if change.after is None else "~"
    return ChangeView(symbol, printable(change.path), _value(change.before), _value(change.after))


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(SENSITIVE):
        return SENSITIVE
    return printable(json.dumps(value, ensure_ascii=False, sort_keys=True))
