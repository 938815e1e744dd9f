"""From the goal of a restore to its step. Pure."""

from collections.abc import Iterable, Iterator

from attrs import evolve

from ...errors import Undecided, Unplannable
from ...model.actions import Replace, Restore
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.facts import Foreseen
from ...model.goals import Goal, Restored, RestoreOptions
from ...model.inventory import Resource
from ...model.plans import Absent, Change, HasManifest, Hazard, Step, Unchanged
from ...model.policies import Identity, IfPresent
from ...model.refs import ResourceRef
from ...ports import Kind
from .diff import news
from .parts import check_parts, check_whole, lost_parts
from .project_limits import check_admission, has_limits
from .requirements import check_fits, check_requirements
from .world import World


def restore_steps(goal: Restored, world: World) -> Iterator[Step]:
    """Bring back what is not there, or not as the backup holds it.

    Raises:
        Unplannable: it is in the way of what is there, or misses what it needs.
    """
    check_whole(goal, world)
    target = world.inventory.resources.get(goal.ref)
    if target is not None and is_done(goal, world, target):
        return
    in_the_way = target is not None and not _only_adds(goal, world, target)
    if in_the_way and goal.if_present is IfPresent.SKIP:
        return
    if in_the_way and goal.if_present is IfPresent.FAIL:
        raise Undecided(
            f"{goal.ref} is on the server already",
            hint="use --replace or --skip-existing (in a policy: if_present)",
        )
    stored, kind = world.evidence.manifests[goal.source], world.kinds[goal.ref.kind]
    check_requirements(goal, stored.manifest, kind, world)
    goal = evolve(goal, options=evolve(goal.options, identity=_identity(goal, stored.manifest, world)))
    check_admission(goal.ref, stored.manifest, goal.options, world)
    check_fits(goal, stored.manifest, kind, world)
    victim = world.evidence.targets.get(goal.ref) if target else None
    if target is not None and victim is None:
        raise Unplannable(f"{goal.ref} went away while planning")
    empty = check_parts(goal, stored.manifest, kind, victim, world)
    _check_foreseen(goal, world)
    step = _replace(goal, stored.manifest, victim, world) if victim else _restore(goal)
    yield evolve(
        step,
        hazards=step.hazards if in_the_way else (),
        expects=(*step.expects, *map(Absent, empty), HasManifest(goal.source, stored.sha256)),
        changes=_changes(victim, kind, stored.manifest, goal.options, world),
        estimated_bytes=stored.manifest.size_bytes,
        basis="the stored backup",
        after=world.steps_making(kind.requires(stored.manifest, goal.ref, goal.options)),
        holds=tuple(sorted({*step.holds, *_taking_turns(goal.ref, world)})),
    )


def _taking_turns(to: ResourceRef, world: World) -> set[ResourceRef]:
    """Of a project with limits: there may be room for one more at a time, while another is replaced."""
    grows = world.evidence.foreseen.get(to, Foreseen()).grows
    names = {to.project, *(growth.ref.project for growth in grows)}
    projects = {ResourceRef("project", name=name) for name in names}
    return {project for project in projects if has_limits(world.document(project))}


def _check_foreseen(goal: Restored, world: World) -> None:
    found = world.evidence.foreseen.get(goal.ref)
    if found is not None and found.obstacle:
        raise Unplannable(f"{goal.ref} can't be replaced: {found.obstacle}", hint=found.hint)


def replace_warnings(steps: Iterable[Step], world: World) -> Iterator[str]:
    """Say what is known beforehand of the replaces in a plan."""
    for step in steps:
        if not isinstance(step.action, Replace):
            continue
        if found := world.evidence.foreseen.get(step.action.to):
            yield from found.warnings
        if Hazard.DELETES_RESOURCE in step.hazards:
            yield f"{step.action.to} is replaced {step.reason}"


def restore_warnings(goals: Iterable[Goal], world: World) -> Iterator[str]:
    """Tell what servers may refuse of the backups that are to be brought back."""
    for goal in goals:
        if isinstance(goal, Restored):
            stored = world.evidence.manifests[goal.source]
            yield from (
                f"{goal.source}: {words}" for words in world.kinds[goal.ref.kind].caveats(stored.manifest)
            )


def _restore(goal: Restored) -> Step:
    return Step(
        id=f"restore:{goal.ref.address}",
        address=goal.ref.address,
        action=Restore(goal.source, goal.ref, goal.options),
        reason=f"not on the server; from {goal.source}",
        expects=(Absent(goal.ref),),
    )


def _replace(goal: Restored, manifest: Manifest, victim: Resource, world: World) -> Step:
    kind = world.kinds[goal.ref.kind]
    lost = lost_parts(goal, manifest, kind, victim, world)
    more = {Hazard.DELETES_RESOURCE} if lost else set()
    if world.catalog.health(goal.source).shrunk:
        more.add(Hazard.LOSES_CONTENT)
    return Step(
        id=f"replace:{goal.ref.address}",
        address=goal.ref.address,
        action=Replace(goal.source, goal.ref, goal.options),
        reason="; ".join([f"to be as in {goal.source}", *map(_says_lost, lost)]),
        hazards=tuple(sorted(kind.replace_hazards(victim) | more)),
        expects=(unchanged(victim, kind),),
        holds=tuple(sorted(kind.holds(victim.document) | set(victim.stops))),
    )


def _says_lost(part: ResourceRef) -> str:
    return (
        f"{part}, which depends on it, is in no part of what comes back and goes away with the present one; "
        "detach it first to keep it"
    )


def unchanged(victim: Resource, kind: Kind) -> Unchanged:
    """What must be true of something living that is to be changed, as it was looked at."""
    return Unchanged(
        ref=victim.ref,
        identity=kind.identity(victim.document),
        generation=kind.generation(victim.document),
        etag=victim.etag,
        snapshots=tuple(str(snapshot["name"]) for snapshot in victim.snapshots),
        stops=tuple(sorted(victim.stops)),
    )


def is_done(goal: Restored, world: World, target: Resource) -> bool:
    """Whether this very resource was restored from the wanted backup already, or is as it is."""
    kind, fact = world.kinds[goal.ref.kind], world.evidence.facts.get(goal.ref)
    made = world.finished.restored_from(world.evidence.targets.get(goal.ref), kind)
    if made is not None and (made == goal.source or _may_stay(goal, made.ref.address)):
        return True
    if kind.is_immutable:
        stored = world.evidence.manifests[goal.source].manifest
        return _includes(kind.comparable(target.document), kind.wanted(stored, goal.options))
    if goal.insist or fact is None or fact.identity != kind.identity(target.document):
        return False
    if fact.source == goal.source.address:
        return True
    return goal.is_moving(world.now) and _may_stay(goal, fact.source.rpartition("@")[0])


def _may_stay(goal: Restored, address: str) -> bool:
    """Whether what was restored from a backup of this stays when there is a newer one: unless replaced."""
    return goal.if_present is IfPresent.FAIL and address == goal.source.ref.address


def _includes(present: Json, wanted: Json) -> bool:
    return all(present.get(key) == value for key, value in wanted.items())


def _only_adds(goal: Restored, world: World, target: Resource) -> bool:
    """Whether all that is there already (an image, in some of its projects) is as wanted."""
    kind, manifest = world.kinds[goal.ref.kind], world.evidence.manifests[goal.source].manifest
    present, wanted = kind.comparable(target.document), kind.wanted(manifest, goal.options)
    return kind.is_immutable and _includes(
        wanted, {key: present[key] for key in present.keys() & wanted.keys()}
    )


def _changes(
    victim: Resource | None, kind: Kind, manifest: Manifest, options: RestoreOptions, world: World
) -> tuple[Change, ...]:
    before = kind.comparable(victim.document) if victim else {}
    return news(before, kind.wanted(manifest, options), world.redactor)


def _identity(goal: Restored, manifest: Manifest, world: World) -> Identity:
    """A copy beside its living original must not have its addresses: unless told, it gets its own."""
    if goal.options.identity is not Identity.AUTO:
        return goal.options.identity
    kind = world.kinds[goal.ref.kind]
    others = {
        ref: resource
        for ref, resource in world.inventory.resources.items()
        if ref != goal.ref and ref.kind == goal.ref.kind
    }
    original = kind.identity(manifest.captured.resource)
    is_known = goal.ref != goal.source.ref and goal.source.ref in world.inventory.surroundings  # by its name
    beside = (
        is_known
        or goal.source.ref in others
        or any(kind.identity(r.document) == original for r in others.values())
    )
    return Identity.REGENERATE if beside else Identity.PRESERVE
