"""From a backup of the configuration to a step for each entity that differs. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import evolve, frozen

from ...errors import Undecided, Unplannable, all_of
from ...model.actions import Create, Delete, Update
from ...model.documents import Json
from ...model.goals import Configured, RestoreOptions
from ...model.plans import Absent, Change, Expectation, HasManifest, Hazard, Step, Unchanged
from ...model.policies import IfPresent, Maps
from ...model.refs import CONFIG, BackupId, ResourceRef
from ...ports import Entity
from ..selection.matching import matches_any
from ..selection.patterns import as_globs, nearest, unmatched
from .diff import loses, news
from .providing import lacking
from .world import World


@frozen
class Difference:
    """An entity that is not as the backup holds it; None: it is not there, or shall not be."""

    ref: ResourceRef
    entity: Entity
    living: Json | None
    wanted: Json | None


def differences(
    goal: Configured, stored: Json, living: Json, entities: Mapping[str, Entity]
) -> tuple[Difference, ...]:
    """Compare two states, entity by entity, as far as the goal asks for it.

    Raises:
        Unplannable: two entities would become one.
    """
    found = [
        difference
        for entity in sorted(entities.values(), key=lambda entity: (entity.rank, entity.name))
        for difference in _differences(entity, _wanted(entity, stored, goal.options.maps), living)
        if _is_meant(difference, goal)
    ]
    return tuple(found)


def reconfigured(newest: BackupId, world: World) -> tuple[ResourceRef, ...]:
    """The entities that are not as in a backup of the configuration; none where nobody looked."""
    stored, living = world.evidence.manifests.get(newest), world.evidence.targets.get(CONFIG)
    if stored is None or living is None:
        return ()
    everything = Configured(newest, IfPresent.REPLACE, RestoreOptions(), prune=True)
    found = differences(everything, stored.manifest.captured.resource, living.document, world.entities)
    return tuple(difference.ref for difference in found)


def wanted_entity(entity: Entity, stored: Json, ref: ResourceRef, maps: Maps) -> Json | None:
    """What a backup wants to be at an address."""
    return _wanted(entity, stored, maps).get(ref)


def config_steps(goal: Configured, world: World) -> list[tuple[Step, Json]]:
    """Make a step for each difference, with what will be there after it.

    Raises:
        Unplannable: something is in the way, can't be changed so, or misses what it needs; a line each.
    """
    stored = world.evidence.manifests[goal.source]
    living = world.evidence.targets[CONFIG].document
    goal = evolve(goal, only=_globs(goal, stored.manifest.captured.resource, living, world.entities))
    found = [
        difference
        for difference in differences(goal, stored.manifest.captured.resource, living, world.entities)
        if not (goal.if_present is IfPresent.SKIP and _exists(difference))
    ]
    problems = [problem for each in found for problem in (*_problems(each, goal), *_needed(each, world))]
    made = [(_step(each, goal, world), each) for each in found]
    after = world.expecting({each.ref: (step, each.wanted) for step, each in made if each.wanted is not None})
    there = {r.ref for entity in world.entities.values() for r in entity.listed(living)}
    problems += [problem for each in found for problem in _missing(each, there, after, goal.options.maps)]
    if problems:
        raise all_of(problems)
    return [(evolve(step, after=_after(step, each, made, after)), each.wanted or {}) for step, each in made]


def _globs(goal: Configured, stored: Json, living: Json, entities: Mapping[str, Entity]) -> tuple[str, ...]:
    """See that each name and pattern means an entity, here or in the backup.

    Raises:
        Unplannable: one means none.
    """
    if not goal.insist:
        return goal.only
    known = {
        resource.ref.address
        for entity in entities.values()
        for resource in (*entity.listed(living), *entity.listed(stored))
    }
    known |= {
        ref.address for entity in entities.values() for ref in _wanted(entity, stored, goal.options.maps)
    }
    if unknown := unmatched(goal.only, known, takes_patterns=True):
        raise Undecided(
            f"no such entity here or in {goal.source}: {', '.join(map(repr, unknown))}",
            hint=nearest(unknown[0], known),
        )
    return as_globs(goal.only, known, takes_patterns=True)


def _wanted(entity: Entity, stored: Json, maps: Maps) -> Mapping[ResourceRef, Json]:
    found: dict[ResourceRef, Json] = {}
    for resource in entity.listed(stored):
        ref = entity.relocated(resource.ref, maps)
        if ref in found:
            raise Undecided(f"{resource.ref} and another one would both become {ref}", hint="change the maps")
        if ref is not None:
            found[ref] = entity.wanted(resource.document, maps)
    return found


def _differences(entity: Entity, wanted: Mapping[ResourceRef, Json], living: Json) -> Iterator[Difference]:
    there = {resource.ref: resource.document for resource in entity.listed(living)}
    for ref in sorted(wanted.keys() | there.keys()):
        before, after = there.get(ref), wanted.get(ref)
        same = before is not None and after is not None
        if not same or entity.comparable(before or {}) != entity.comparable(after or {}):
            yield Difference(ref, entity, before, after)


def _is_meant(difference: Difference, goal: Configured) -> bool:
    ref, project = difference.ref, goal.options.project
    if project and project not in (ref.project, ref.name if ref.kind == "project" else ""):
        return False
    if not matches_any(ref.address, goal.only):
        return False
    return difference.wanted is not None or (goal.prune and not difference.entity.is_permanent(ref))


def _exists(difference: Difference) -> bool:
    """Whether there is one that counts; what the server made by itself waits to be filled."""
    living, entity = difference.living, difference.entity
    return living is not None and not entity.is_as_made(difference.ref, living)


def _problems(difference: Difference, goal: Configured) -> Iterator[Unplannable]:
    ref, entity, living, wanted = difference.ref, difference.entity, difference.living, difference.wanted
    if living is None or wanted is None:
        return
    if goal.if_present is IfPresent.FAIL and not entity.is_permanent(ref):
        yield Undecided(
            f"{ref} is on the server already, and differs from {goal.source}",
            hint="use --replace or --skip-existing (in a policy: if_present)",
        )
    if obstacle := entity.obstacle(living, wanted):
        yield Unplannable(f"{ref} can't be made as in {goal.source}: {obstacle}", of=ref.address)


def _needed(difference: Difference, world: World) -> Iterator[Unplannable]:
    """Find what the server would not delete, since something that lives needs it."""
    found = world.evidence.foreseen.get(difference.ref)
    if difference.wanted is None and found is not None and found.obstacle:
        yield Unplannable(
            f"{difference.ref} can't be deleted: {found.obstacle}", hint=found.hint, of=difference.ref.address
        )


def _missing(
    difference: Difference, there: Iterable[ResourceRef], world: World, maps: Maps
) -> Iterator[Unplannable]:
    if difference.wanted is None:
        return
    needed = {world.owned(ref) for ref in difference.entity.requires(difference.ref, difference.wanted)}
    known = set(there)
    absent = (ref for ref in needed if ref not in known and not world.is_promised(ref))
    missing = sorted(absent, key=lambda ref: ref.address)
    if missing:
        yield lacking(difference.ref, missing, maps)


def _step(difference: Difference, goal: Configured, world: World) -> Step:
    ref, entity = difference.ref, difference.entity
    before = entity.comparable(difference.living) if difference.living is not None else {}
    after = entity.comparable(difference.wanted) if difference.wanted is not None else {}
    action, expects, reason = _deed(difference, goal, world)
    differing = news(before, after, world.redactor)
    return Step(
        id=f"{type(action).__name__.lower()}:{ref.address}",
        address=ref.address,
        action=action,
        reason=reason,
        hazards=tuple(sorted(_hazards(difference, differing))),
        expects=expects,
        changes=differing,
        estimated_bytes=0,
    )


def _hazards(difference: Difference, changes: Sequence[Change]) -> frozenset[Hazard]:
    """What is there is lost, changed or deleted; what a server has from the first may still be unused."""
    if difference.living is None:
        return frozenset()
    own = difference.entity.hazards(difference.ref)
    if difference.wanted is None:
        return own | {Hazard.DELETES_RESOURCE}
    entity, ref = difference.entity, difference.ref
    is_unused = entity.is_permanent(ref) and not loses(changes, entity.own_description(ref))
    return own or frozenset(() if is_unused else {Hazard.REPLACES_RESOURCE})


def _deed(
    difference: Difference, goal: Configured, world: World
) -> tuple[Create | Update | Delete, tuple[Expectation, ...], str]:
    """What is done, on which conditions, and why."""
    ref, source = difference.ref, goal.source
    stored = HasManifest(source, world.evidence.manifests[source].sha256)
    as_seen = _as_seen(difference, world)
    if difference.wanted is None:
        return Delete(ref), as_seen, "not in the backup"
    if difference.living is not None:
        return Update(source, ref, goal.options), (*as_seen, stored), "not as in the backup"
    if difference.entity.is_permanent(ref):  # the server makes it together with its project
        return Update(source, ref, goal.options), (stored,), "comes with its project"
    return Create(source, ref, goal.options), (Absent(ref), stored), "not on the server"


def _as_seen(difference: Difference, world: World) -> tuple[Expectation, ...]:
    if difference.living is None:
        return ()
    seen = world.evidence.targets.get(difference.ref)
    if seen is None:
        raise Unplannable(f"{difference.ref} went away while planning", of=difference.ref.address)
    return (Unchanged(difference.ref, "", "", seen.etag, ()),)


def _after(
    step: Step, difference: Difference, made: Iterable[tuple[Step, Difference]], world: World
) -> tuple[str, ...]:
    """What an entity needs is made first; it goes after everything that needed it."""
    if difference.wanted is not None:
        needed = difference.entity.requires(difference.ref, difference.wanted)
        return tuple(id for id in world.steps_making(needed) if id != step.id)
    return tuple(
        sorted(
            other.id
            for other, each in made
            if other is not step and each.living is not None
            if difference.ref in {world.owned(ref) for ref in each.entity.requires(each.ref, each.living)}
        )
    )
