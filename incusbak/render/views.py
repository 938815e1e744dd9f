"""Decide what of a plan is shown, and in which words. Templates only lay it out."""

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import frozen

from ..model.backups import Compression, ExportOptions
from ..model.goals import RestoreOptions
from ..model.plans import (
    Action,
    BackUp,
    Change,
    Create,
    Delete,
    Discard,
    Drift,
    Hazard,
    Pin,
    Plan,
    PlanFile,
    Prune,
    Purge,
    Recover,
    Rehearse,
    Replace,
    Restore,
    Step,
    Summary,
    Undelete,
    Update,
    Verify,
)
from ..model.policies import Hooks, Identity
from ..model.refs import BackupId, ResourceRef
from .wording import brief_duration, humanize_bytes, printable

NO_CHANGES = "No changes. Everything is as it should be."
SENSITIVE = "(sensitive value)"
HAZARD_WORDS = {
    Hazard.REPLACES_RESOURCE: "replaces the living resource",
    Hazard.DELETES_RESOURCE: "deletes the resource",
    Hazard.DELETES_BACKUP: "deletes a backup",
    Hazard.STOPS_INSTANCE: "stops the running instance",
    Hazard.CHANGES_NETWORK: "changes a network",
    Hazard.CHANGES_POOL: "changes a storage pool",
}


@frozen
class ChangeView:
    """One field: ``+`` appears, ``-`` goes, ``~`` changes; a value that is not there is empty."""

    symbol: str
    path: str
    before: str
    after: str


@frozen
class StepView:
    """One step in words; ``size`` is empty where nothing is moved."""

    symbol: str
    address: str
    does: str
    size: str
    reason: str
    details: tuple[str, ...]
    hazards: tuple[str, ...]
    changes: tuple[ChangeView, ...]


@frozen
class Listing:
    """Addresses or rules under a title; there is at least one."""

    title: str
    items: tuple[str, ...]


@frozen
class PlanView:
    """Everything a template lays out; safe to print as it is."""

    server: str
    repository: str
    policies: tuple[str, ...]
    blocks: tuple[str, ...]
    hazardous: tuple[StepView, ...]
    steps: tuple[StepView, ...]
    drift: tuple[Listing, ...]
    warnings: tuple[str, ...]
    summary: str
    digest: str
    command: str


def view_plan(plan_file: PlanFile, *, path: str) -> PlanView:
    """Look at a plan with a reviewer's eyes.

    Args:
        path: where the plan is or will be, for the command that approves it.
    """
    plan = plan_file.plan
    steps = tuple(_step(step, plan) for step in plan.steps)
    digest = printable(plan_file.digest[:8])
    return PlanView(
        server=_server(plan),
        repository=_repository(plan),
        policies=tuple(printable(file.path) for file in plan.policies),
        blocks=tuple(printable(block) for block in plan.blocks),
        hazardous=tuple(step for step in steps if step.hazards),
        steps=steps,
        drift=tuple(_drift(plan.drift)),
        warnings=tuple(printable(warning) for warning in plan.warnings),
        summary=_summary(plan.summary) if steps else NO_CHANGES,
        digest=digest,
        command=_command(path, digest, blocked=bool(plan.blocks)) if steps and path else "",
    )


def _drift(drift: Drift) -> Iterator[Listing]:
    for title, found in (
        ("Overdue, the newest backup is older than promised", drift.overdue),
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


def _summary(summary: Summary) -> str:
    always = {
        "back up": summary.backup,
        "restore": summary.restore,
        "replace": summary.replace,
        "clean up": summary.clean_up,
    }
    care = {"verify": summary.verify, "rehearse": summary.rehearse, "prune": summary.prune}
    config = {"create": summary.create, "change": summary.update, "delete": summary.delete}
    counts = always | {deed: count for deed, count in (care | config).items() if count}
    return f"Plan: {', '.join(f'{count} to {deed}' for deed, count in counts.items())}."


def _step(step: Step, plan: Plan) -> StepView:
    symbol, does = _deed(step.action)
    waits = [_waited_for(other) for other in plan.steps if other.id in step.after]
    details = _settings(step.action)
    if waits:
        details.append(f"after {', '.join(dict.fromkeys(waits))}")
    if step.holds:
        details.append(f"{', '.join(ref.address for ref in step.holds)} {_what_happens_to_others(step)}")
    return StepView(
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
    match step.action:
        case Replace():
            return "is stopped if it runs, and started again"
        case BackUp():
            return "may pause for a moment"
        case _:
            return "is worked on as well"


def _deed(action: Action) -> tuple[str, str]:
    match action:
        case BackUp():
            return "+", "back up"
        case Verify(backups=backups):
            return "<=", f"read {_count(backups)} again from end to end"
        case Rehearse(backup=backup):
            return "<=", f"rehearse {backup.timestamp}: bring it up aside, probe it, remove it"
        case Prune(backups=backups):
            return "-", f"remove {_count(backups)}"
        case Pin(backup=backup, pinned=pinned):
            return "~", f"{'keep' if pinned else 'no longer keep'} {backup.timestamp} whatever the rules say"
        case Undelete(backup=backup):
            return "+", f"take back the removal of {backup.timestamp}"
        case Purge(backups=backups):
            return "-", f"delete {_count(backups)} for good"
        case Restore(source=source, to=to):
            return "+", f"restore from {_source(source, to)}"
        case Replace(source=source, to=to):
            return "-/+", f"replace from {_source(source, to)}"
        case Recover():
            return "~", "finish or undo what a killed run left"
        case Discard():
            return "-", "remove a temporary resource"
        case Create(source=source):
            return "+", f"create as in {printable(source.address)}"
        case Update(source=source):
            return "~", f"change to what {printable(source.address)} holds"
        case Delete():
            return "-", "delete"


def _count(backups: Sequence[BackupId]) -> str:
    return f"{len(backups)} backup{'' if len(backups) == 1 else 's'}"


def _source(source: BackupId, to: ResourceRef) -> str:
    return printable(source.timestamp if source.ref == to else source.address)


def _settings(action: Action) -> list[str]:
    match action:
        case BackUp(options=options, hooks=hooks):
            return [*_export_settings(options), *_hooks(hooks)]
        case Rehearse(probe=probe, timeout_seconds=timeout_seconds):
            return [_probes(probe, timeout_seconds)]
        case Prune(backups=backups, keep=keep):
            return [
                *(f"removes {backup.timestamp}" for backup in backups),
                *(f"keeps {each.backup.timestamp} ({', '.join(each.reasons)})" for each in keep),
            ]
        case Purge(backups=backups):
            return [backup.timestamp for backup in backups]
        case Restore(options=options) | Replace(options=options):
            return _restore_settings(options)
        case _:
            return []


def _export_settings(options: ExportOptions) -> list[str]:
    settings = []
    if not options.snapshot:
        settings.append("from the moving tree, not a point in time")
    if options.optimized:
        settings.append("in the storage driver's own format")
    if options.compression is not Compression.ZSTD:
        settings.append(f"compression {options.compression.value}")
    return settings


def _hooks(hooks: Hooks) -> list[str]:
    """Say what is run inside of an instance."""
    ways = (("before", hooks.before), ("after", hooks.after))
    return [
        f"{when} it runs {', '.join(shlex.join(command) for command in commands)}"
        for when, commands in ways
        if commands
    ]


def _probes(probe: Sequence[Sequence[str]], timeout_seconds: int) -> str:
    if not probe:
        return "it must start and go on running"
    return f"within {brief_duration(timeout_seconds)} it must pass {', '.join(map(shlex.join, probe))}"


def _restore_settings(options: RestoreOptions) -> list[str]:
    settings = []
    if options.pool:
        settings.append(f"to the pool {options.pool}")
    for what in ("pools", "networks", "projects", "profiles"):
        renamed = getattr(options.maps, what)
        settings += [f"{what[:-1]} {old} becomes {renamed[old]}" for old in sorted(renamed)]
    if options.identity is Identity.REGENERATE:
        settings.append("gets a new identity")
    if not options.start:
        settings.append("left stopped")
    return settings


def _size(step: Step) -> str:
    if not isinstance(step.action, BackUp | Rehearse | Restore | Replace):
        return ""
    size = step.estimated_bytes
    basis = f" ({step.basis})" if step.basis else ""
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
