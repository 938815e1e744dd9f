"""Turn goals into steps. Pure: the same world and goals give the same plan, byte for byte."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from ..errors import Unplannable
from ..model.backups import Catalog, Manifest
from ..model.evidence import Evidence
from ..model.goals import BackedUp, Goal, Restored, RestoreOptions
from ..model.inventory import Inventory, Resource
from ..model.plans import (
    Absent,
    BackUp,
    Change,
    Discard,
    Drift,
    Exists,
    HasManifest,
    HasRecord,
    Plan,
    Recover,
    Replace,
    RepositoryIdentity,
    Restore,
    ServerIdentity,
    Step,
    Summary,
    Unchanged,
)
from ..model.policies import Identity, IfPresent, PolicyFile
from ..model.records import Record, Restoration, ScratchExport, ScratchInstance
from ..model.refs import ResourceRef
from ..ports import Kind
from .differ import changes
from .requirements import check_requirements, check_space

_ORDER = (Recover, Discard, BackUp, Restore, Replace)


@frozen
class World:
    """Everything a plan is made from, besides the goals."""

    inventory: Inventory
    catalog: Catalog
    evidence: Evidence
    kinds: Mapping[str, Kind]
    now: datetime


@frozen
class Origin:
    """What a plan says of where it comes from."""

    server: ServerIdentity
    repository: RepositoryIdentity
    policies: tuple[PolicyFile, ...] = ()
    drift: Drift = field(factory=Drift)
    warnings: tuple[str, ...] = ()


def make_plan(goals: Iterable[Goal], world: World, origin: Origin) -> Plan:
    """Plan what leads from the world as it is to the goals.

    Raises:
        Unplannable: goals that can't be reached; all of them, a line each.
    """
    cleaning = [*_recoveries(world.inventory), *_discards(world)]
    steps: list[Step] = []
    problems: list[Unplannable] = []
    warnings = [*origin.warnings, *_stray_warnings(world)]
    for goal in goals:
        if goal.ref in world.inventory.unsettled:
            warnings.append(f"{goal.ref}: an interrupted restore is cleaned up first; plan again after that")
            continue
        try:
            steps += _steps_for(goal, world)
        except Unplannable as problem:
            problems.append(problem)
    too_large, tight = check_space(steps, world.evidence)
    warnings += tight
    if problems := [*problems, *too_large]:
        raise _all_of(problems)
    ordered = _in_order([*cleaning, *(_after_cleaning(step, cleaning) for step in steps)], world)
    return Plan(
        server=origin.server,
        repository=origin.repository,
        policies=origin.policies,
        steps=ordered,
        drift=origin.drift,
        warnings=tuple(sorted(set(warnings))),
        summary=_summarize(ordered),
    )


def _all_of(problems: Iterable[Unplannable]) -> Unplannable:
    lines = sorted(problem.message for problem in problems)
    hints = sorted({problem.hint for problem in problems if problem.hint})
    return Unplannable("\n".join(lines), hint="; ".join(hints))


def _in_order(steps: list[Step], world: World) -> tuple[Step, ...]:
    def place(step: Step) -> tuple[int, int, str]:
        kind = world.kinds.get(step.address.split("/")[0])
        return _ORDER.index(type(step.action)), kind.rank if kind else 0, step.id

    return tuple(sorted(steps, key=place))


def _after_cleaning(step: Step, cleaning: list[Step]) -> Step:
    """Let a step wait for the clean-up of what an earlier run left at its resource."""
    return evolve(step, after=tuple(sorted(c.id for c in cleaning if c.address == step.address)))


def _summarize(steps: tuple[Step, ...]) -> Summary:
    def count(*actions: type) -> int:
        return sum(isinstance(step.action, actions) for step in steps)

    return Summary(
        backup=count(BackUp), restore=count(Restore), replace=count(Replace), clean_up=count(Recover, Discard)
    )


# -- what earlier runs left ---------------------------------------------------------------------------


def _recoveries(inventory: Inventory) -> Iterator[Step]:
    """Neither needs consent: undoing is harmless, and what is finished was agreed to when it began."""
    for record in inventory.leftovers:
        subject = record.source if isinstance(record, ScratchInstance) else record.ref
        yield Step(
            id=f"recover:{record.id}",
            address=subject.address,
            action=Recover(record.id, subject),
            reason=_why_recover(record),
            expects=(HasRecord(record.id),),
        )


def _why_recover(record: Record) -> str:
    match record:
        case ScratchExport(name=name):
            return f"an interrupted backup left the staged export {name} on the server"
        case ScratchInstance(ref=ref):
            return f"an interrupted backup left the temporary copy {ref}"
        case Restoration(phase=phase):
            return f"a restore was interrupted while {phase}; it is finished if complete, else undone"


def _discards(world: World) -> Iterator[Step]:
    for stray in _unexplained(world.inventory):
        kind = world.kinds[stray.ref.kind]
        expiry = kind.expiry(stray)
        if expiry is not None and expiry <= world.now:
            yield Step(
                id=f"discard:{stray.ref}",
                address=stray.ref.address,
                action=Discard(stray.ref),
                reason=f"temporary, made by an earlier run, expired {expiry:%Y-%m-%d %H:%M} UTC",
                expects=(Exists(stray.ref, kind.identity(stray.document)),),
            )


def _unexplained(inventory: Inventory) -> Iterator[Resource]:
    explained = {name for record in inventory.leftovers for name in _names(record)}
    return (s for s in sorted(inventory.strays, key=lambda s: s.ref) if s.ref not in explained)


def _names(record: Record) -> Iterator[ResourceRef]:
    yield record.ref
    if isinstance(record, Restoration):
        yield evolve(record.ref, name=record.temporary)
        yield evolve(record.ref, name=record.aside)


def _stray_warnings(world: World) -> Iterator[str]:
    for stray in _unexplained(world.inventory):
        if world.kinds[stray.ref.kind].expiry(stray) is None:
            yield (
                f"{stray.ref} was left by an interrupted restore on another machine: "
                "run incus-backup there, or see `incus config show`"
            )


# -- goals --------------------------------------------------------------------------------------------


def _steps_for(goal: Goal, world: World) -> Iterator[Step]:
    match goal:
        case BackedUp():
            return _back_up(goal, world)
        case Restored():
            return _restore(goal, world)


def _back_up(goal: BackedUp, world: World) -> Iterator[Step]:
    newest = world.catalog.newest(goal.ref)
    if newest is None:
        reason = "no backup exists"
    elif goal.max_age is None:
        reason = "asked for"
    elif world.now - newest.created > goal.max_age:
        reason = f"the newest backup, {newest.timestamp}, is older than {_words(goal.max_age)}"
    else:
        return
    resource = world.inventory.resources.get(goal.ref)
    if resource is None:
        raise Unplannable(f"{goal.ref} is not on the server")
    last = world.evidence.manifests.get(newest) if newest else None
    yield Step(
        id=f"back-up:{goal.ref}",
        address=goal.ref.address,
        action=BackUp(goal.ref, goal.options),
        reason=reason,
        expects=(Exists(goal.ref, world.kinds[goal.ref.kind].identity(resource.document)),),
        estimated_bytes=last.manifest.size_bytes if last else None,
    )


def _words(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    parts = ((minutes // 1440, "d"), (minutes % 1440 // 60, "h"), (minutes % 60, "m"))
    return " ".join(f"{count}{unit}" for count, unit in parts if count) or "a minute"


def _restore(goal: Restored, world: World) -> Iterator[Step]:
    target = world.inventory.resources.get(goal.ref)
    if target is not None and (goal.if_present is IfPresent.SKIP or _is_done(goal, world, target)):
        return
    if target is not None and goal.if_present is IfPresent.FAIL:
        raise Unplannable(f"{goal.ref} is on the server already (use if_present: replace, or --replace)")
    stored = world.evidence.manifests[goal.source]
    check_requirements(goal, stored.manifest, world.kinds[goal.ref.kind], world.inventory.surroundings)
    options = evolve(goal.options, identity=_identity(goal, stored.manifest, world))
    has_manifest = HasManifest(goal.source, stored.sha256)
    if target is None:
        yield Step(
            id=f"restore:{goal.ref}",
            address=goal.ref.address,
            action=Restore(goal.source, goal.ref, options),
            reason=f"not on the server; from {goal.source}",
            expects=(Absent(goal.ref), has_manifest),
            changes=_changes(None, goal, stored.manifest, options, world),
            estimated_bytes=stored.manifest.size_bytes,
        )
        return
    victim = world.evidence.targets.get(goal.ref)
    if victim is None:
        raise Unplannable(f"{goal.ref} went away while planning")
    yield Step(
        id=f"replace:{goal.ref}",
        address=goal.ref.address,
        action=Replace(goal.source, goal.ref, options),
        reason=f"to be as in {goal.source}",
        hazards=tuple(sorted(world.kinds[goal.ref.kind].replace_hazards(victim.document))),
        expects=(_unchanged(victim, world.kinds[goal.ref.kind]), has_manifest),
        changes=_changes(victim, goal, stored.manifest, options, world),
        estimated_bytes=stored.manifest.size_bytes,
    )


def _is_done(goal: Restored, world: World, target: Resource) -> bool:
    """Whether the last restore of this very resource was from the wanted backup already."""
    fact = world.evidence.facts.get(goal.ref)
    identity = world.kinds[goal.ref.kind].identity(target.document)
    if goal.insist or fact is None:
        return False
    return fact.source == goal.source.address and fact.identity == identity


def _unchanged(victim: Resource, kind: Kind) -> Unchanged:
    return Unchanged(
        ref=victim.ref,
        identity=kind.identity(victim.document),
        generation=kind.generation(victim.document),
        etag=victim.etag,
        snapshots=tuple(str(snapshot["name"]) for snapshot in victim.snapshots),
    )


def _changes(
    victim: Resource | None, goal: Restored, manifest: Manifest, options: RestoreOptions, world: World
) -> tuple[Change, ...]:
    kind = world.kinds[goal.ref.kind]
    before = kind.comparable(victim.document) if victim else {}
    return changes(before, kind.wanted(manifest, options), secret=world.evidence.secret)


def _identity(goal: Restored, manifest: Manifest, world: World) -> Identity:
    """A copy beside its living original must not have its addresses: unless told, it gets its own."""
    if goal.options.identity is not Identity.AUTO:
        return goal.options.identity
    others = {ref: r for ref, r in world.inventory.resources.items() if ref != goal.ref}
    kind = world.kinds[goal.ref.kind]
    original = kind.identity(manifest.captured.resource)
    beside = goal.source.ref in others or any(kind.identity(r.document) == original for r in others.values())
    return Identity.REGENERATE if beside else Identity.PRESERVE
