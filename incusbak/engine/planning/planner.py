"""Turn goals into steps. Pure: the same world and goals give the same plan, byte for byte."""

from collections.abc import Callable, Iterable, Set

from attrs import evolve

from ...errors import Unplannable
from ...model.actions import (
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
from ...model.goals import BackedUp, Configured, Goal, Restored
from ...model.plans import Drift, Plan, Step, Summary
from ...model.refs import CONFIG, ResourceRef
from .backup import is_overdue
from .cleanup import cleaning_steps, quarantine_warnings, stray_warnings
from .configuration import reconfigured
from .conflicts import configuration_last
from .draft import feasible_draft
from .guards import exceeded
from .ordering import after_these, in_order
from .restore import replace_warnings, restore_warnings
from .shrinkage import shrinkage_warnings
from .world import PlanContext, World

_MARKING = (Pin, Accept, Undelete)
_MAKING = (Recover, Discard, *_MARKING, BackUp, Copy, Verify, Rehearse, Create, Update, Restore, Replace)
_ORDER = (*_MAKING, Delete, Prune, Purge)
_BRINGING_BACK = (Create, Update, Restore, Replace)


def make_plan(goals: Iterable[Goal], world: World, origin: PlanContext) -> Plan:
    """Plan what leads from the world as it is to the goals.

    What earlier runs left is cleaned up whatever else there is: if goals can't be reached, that is all. What
    can't be done is left undone and named (``missed``), as long as something else is asked for that can be.

    Raises:
        Unplannable: nothing that is asked for can be done, or a person has to say first what is meant; all
            reasons, a line each.
    """
    cleaning = cleaning_steps(world)
    try:
        draft = feasible_draft(goals, world)
    except Unplannable as problem:
        return _cleaning_alone(cleaning, problem, world, origin)
    goals, steps, world = draft.goals, draft.steps, draft.world
    backups = [goal for goal in goals if isinstance(goal, BackedUp)]
    warnings = [*origin.warnings, *draft.warnings, *stray_warnings(world)]
    warnings += [*quarantine_warnings(world.inventory), *replace_warnings(steps, world)]
    warnings += [*shrinkage_warnings(goals, world.catalog), *restore_warnings(goals, world)]
    restored = {goal.source.ref for goal in goals if isinstance(goal, Restored | Configured)}
    origin = evolve(
        origin,
        drift=_drift(origin.drift, backups, restored, world),
        missed=(*origin.missed, *draft.missed),
    )
    steps = [_after_cleaning(step, cleaning) for step in configuration_last(steps)]
    return _plan([*cleaning, *steps], warnings, world, origin)


def _cleaning_alone(cleaning: list[Step], problem: Unplannable, world: World, origin: PlanContext) -> Plan:
    if not cleaning:
        raise problem
    waits = [f"{line}; plan again after the clean-up" for line in problem.message.splitlines()]
    return _plan(cleaning, [*origin.warnings, *waits], world, origin)


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


def _plan(steps: list[Step], warnings: Iterable[str], world: World, origin: PlanContext) -> Plan:
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
