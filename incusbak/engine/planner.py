"""Turn goals into steps. Pure: the same world and goals give the same plan, byte for byte."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any

from attrs import evolve, frozen

from ..errors import Unplannable, all_of
from ..model.actions import (
    Accept,
    BackUp,
    Copy,
    Create,
    Delete,
    Discard,
    Pin,
    Prune,
    Purge,
    Recover,
    Rehearse,
    Replace,
    Restore,
    Undelete,
    Update,
    Verify,
)
from ..model.backups import Catalog
from ..model.documents import Json
from ..model.goals import (
    Accepted,
    BackedUp,
    Configured,
    Copied,
    Goal,
    Marked,
    Rehearsed,
    Restored,
    Retained,
    Undeleted,
    Verified,
)
from ..model.plans import Drift, Missed, Plan, Step, Summary
from ..model.policies import Latest
from ..model.refs import CONFIG, BackupId, ResourceRef
from .aliases import settle_aliases, settle_steps
from .attaching import attach, users_first
from .backing_up import backup_steps, is_overdue
from .both_ways import configuration_last
from .checking import check_steps
from .choosing import none_good, passed_over
from .cleaning import cleaning_steps, must_wait, quarantine_warnings, stray_warnings
from .configuring import config_steps, reconfigured
from .copying import copy_steps
from .limits import exceeded
from .ordering import after_these, in_order
from .parts import without_parts
from .pruning import mark_steps, prune_steps
from .rehearsing import rehearse_steps
from .restoring import replace_warnings, restore_steps, restore_warnings
from .shrinking import shrinkage_warnings
from .verifying import verify_steps
from .world import Origin, World, made_by

_MARKING = (Pin, Accept, Undelete)
_MAKING = (Recover, Discard, *_MARKING, BackUp, Copy, Verify, Rehearse, Create, Update, Restore, Replace)
_ORDER = (*_MAKING, Delete, Prune, Purge)
_BRINGING_BACK = (Create, Update, Restore, Replace)


def make_plan(goals: Iterable[Goal], world: World, origin: Origin) -> Plan:
    """Plan what leads from the world as it is to the goals.

    What earlier runs left is cleaned up whatever else there is: if goals can't be reached, that is all.

    Raises:
        Unplannable: goals that can't be reached; all of them, a line each.
    """
    attached = attach(list(goals), world)
    goals = sorted(attached.goals, key=_turn(world))
    backups = [goal for goal in goals if isinstance(goal, BackedUp)]
    cleaning = cleaning_steps(world)
    goals, left_out = without_parts(goals, world)
    goals, notes = settle_aliases(goals, world)
    draft = _draft(goals, world)
    steps, world = draft.steps, draft.world
    problems, cautions = check_steps(steps, goals, world)
    if found := [*attached.problems, *draft.problems, *problems]:
        return _cleaning_alone(cleaning, all_of(found), world, origin)
    steps = users_first(attached.noted(settle_steps(steps, world)))
    warnings = [*origin.warnings, *notes, *left_out, *stray_warnings(world), *draft.warnings, *cautions]
    warnings += [*attached.warnings, *quarantine_warnings(world.inventory), *replace_warnings(steps, world)]
    warnings += [*shrinkage_warnings(goals, world.catalog), *restore_warnings(goals, world)]
    restored = {goal.source.ref for goal in goals if isinstance(goal, Restored | Configured)}
    origin = evolve(
        origin,
        drift=_drift(origin.drift, backups, restored, world),
        missed=(*origin.missed, *draft.missed),
    )
    steps = [_after_cleaning(step, cleaning) for step in configuration_last(steps)]
    return _plan([*cleaning, *steps], warnings, world, origin)


def _cleaning_alone(cleaning: list[Step], problem: Unplannable, world: World, origin: Origin) -> Plan:
    if not cleaning:
        raise problem
    waits = [f"{line}; plan again after the clean-up" for line in problem.message.splitlines()]
    return _plan(cleaning, [*origin.warnings, *waits], world, origin)


@frozen
class _Draft:
    """The steps to some goals in the order of these, and the world as they leave it."""

    steps: list[Step]
    world: World
    warnings: list[str]
    problems: list[Unplannable]
    missed: list[Missed]


def _draft(goals: Sequence[Goal], world: World) -> _Draft:
    about: defaultdict[str, list[Step]] = defaultdict(list)
    steps: list[Step] = []
    warnings: list[str] = []
    problems: list[Unplannable] = []
    missed: list[Missed] = []
    for goal in goals:
        if must_wait(goal, world):
            warnings.append(f"{goal.ref}: an interrupted restore is cleaned up first; plan again after that")
            continue
        try:
            made = _steps_for(goal, world, about[goal.ref.address])
        except Unplannable as problem:
            if _is_essential(goal):
                problems.append(problem)
            elif _has_none_good(goal.ref, world.catalog):
                of_ref = world.catalog.of(goal.ref)
                missed.append(none_good(goal.ref, of_ref, world.catalog, doing="rehearse"))
            else:
                warnings.append(problem.message)
            continue
        for bare, document in made:
            step = evolve(bare, passed_over=_passed_over(goal, world.catalog))
            steps.append(step)
            about[step.address].append(step)
            world = world.expecting(made_by(step, document))
    return _Draft(steps, world, warnings, problems, missed)


def _has_none_good(ref: ResourceRef, catalog: Catalog) -> bool:
    return bool(catalog.of(ref)) and not catalog.newest(ref)


def _passed_over(goal: Goal, catalog: Catalog) -> tuple[BackupId, ...]:
    """The damaged backups in whose place an older one is taken."""
    match goal:
        case Rehearsed(source=None):
            newest = catalog.newest(goal.ref)
            return passed_over(newest, Latest(), catalog) if newest else ()
        case Restored() | Configured() | Rehearsed():
            return goal.passed_over
    return ()


def _is_essential(goal: Goal) -> bool:
    """Whether nothing is done if this can't be; a policy's rehearsals must not stop its backups."""
    return not (isinstance(goal, Rehearsed) and goal.max_age is not None)


def _drift(
    known: Drift,
    backups: Iterable[BackedUp],
    restored: Set[ResourceRef],
    world: World,
) -> Drift:
    """Add what only the repository tells: promises that are broken, configuration that is not as it was.

    Args:
        restored: what backups of are brought back.
    """
    newest = {goal.ref: world.catalog.newest(goal.ref) for goal in backups}
    config = newest.get(CONFIG)
    damaged = {ref.address for ref in {*newest, *restored} if world.catalog.is_damaged(ref)}
    return evolve(
        known,
        overdue=tuple(goal.ref.address for goal in backups if is_overdue(goal, world)),
        damaged=tuple(sorted(damaged)),
        reconfigured=tuple(ref.address for ref in reconfigured(config, world)) if config else (),
    )


def _turn(world: World) -> Callable[[Goal], Any]:
    """Restores in the order of their kinds; what is removed depends on all that comes before."""
    return lambda goal: (isinstance(goal, Retained), world.kinds[goal.ref.kind].rank, goal.ref)


def _plan(steps: list[Step], warnings: Iterable[str], world: World, origin: Origin) -> Plan:
    ordered = in_order(steps, _place_in(world))
    return Plan(
        server=origin.server,
        repository=origin.repository,
        policies=origin.policies,
        steps=ordered,
        missed=tuple(sorted(set(origin.missed), key=lambda each: each.address)),
        drift=origin.drift,
        blocks=(*origin.blocks, *exceeded(ordered, origin.guards, world.inventory)),
        unmet=tuple(sorted(set(origin.unmet))),
        covered=origin.covered,
        warnings=tuple(sorted(set(warnings))),
        summary=summarize(ordered),
    )


def _place_in(world: World) -> Callable[[Step], tuple[int, int, int, str]]:
    """Clean up, back up, bring back by rank of the kind, delete in the reverse order."""

    def rank(step: Step) -> int:
        kind = step.address.split("/")[0]
        if kind in world.entities:
            return world.entities[kind].rank - _ENTITIES_FIRST
        return world.kinds[kind].rank if kind in world.kinds else 0

    def place(step: Step) -> tuple[int, int, int, str]:
        action = _ORDER.index(type(step.action))
        if isinstance(step.action, _BRINGING_BACK):
            return _ORDER.index(Create), rank(step), action, step.id
        return action, -rank(step) if isinstance(step.action, Delete) else rank(step), 0, step.id

    return place


_ENTITIES_FIRST = 1000
"""Configuration comes before every other kind, whatever their ranks."""


def _after_cleaning(step: Step, cleaning: list[Step]) -> Step:
    """Let a step wait for the clean-up of what an earlier run left at its resource."""
    waits = {c.id for c in cleaning if c.address == step.address}
    return after_these(step, sorted({*step.after, *waits}))


def summarize(steps: Iterable[Step]) -> Summary:
    """Count the steps by what they do."""
    types = [type(step.action) for step in steps]

    def count(*actions: type) -> int:
        return sum(types.count(action) for action in actions)

    return Summary(
        backup=count(BackUp),
        copy=count(Copy),
        verify=count(Verify),
        rehearse=count(Rehearse),
        prune=count(Prune, Purge),
        mark=count(*_MARKING),
        restore=count(Restore),
        replace=count(Replace),
        clean_up=count(Recover, Discard),
        create=count(Create),
        update=count(Update),
        delete=count(Delete),
    )


def _steps_for(goal: Goal, world: World, earlier: Iterable[Step]) -> list[tuple[Step, Json]]:
    """The steps that lead to a goal, each with what will be there after it.

    Args:
        earlier: the steps of this plan so far that are about the same resource.
    """
    match goal:
        case BackedUp():
            return [(step, {}) for step in backup_steps(goal, world)]
        case Copied():
            return [(step, {}) for step in copy_steps(goal, world)]
        case Verified():
            return [(step, {}) for step in verify_steps(goal, world)]
        case Rehearsed():
            return [(step, {}) for step in rehearse_steps(goal, world, earlier)]
        case Marked() | Accepted() | Undeleted():
            return [(step, {}) for step in mark_steps(goal, world)]
        case Retained():
            return [(step, {}) for step in prune_steps(goal, world, earlier)]
        case Restored():
            manifest = world.evidence.manifests[goal.source].manifest
            return [(step, manifest.captured.resource) for step in restore_steps(goal, world)]
        case Configured():
            return config_steps(goal, world)
