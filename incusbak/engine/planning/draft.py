"""From goals to the steps that lead to all of them, or to all that can be reached together. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import evolve, field, frozen

from ...errors import Undecided, Unplannable, all_of
from ...model.backups import Catalog
from ...model.documents import Json
from ...model.goals import (
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
from ...model.plans import Missed, Step
from ...model.policies import Latest
from ...model.refs import BackupId, ResourceRef
from ..selection.versions import none_good, passed_over
from .alias_owners import settle_aliases, settle_steps
from .attached_volumes import attach, users_first
from .backup import backup_steps
from .checks import check_steps
from .cleanup import must_wait
from .configuration import config_steps
from .copy import copy_steps
from .parts import without_parts
from .providing import helped
from .prune import mark_steps, prune_steps
from .rehearsal import rehearse_steps
from .requirements import check_left_out
from .restore import restore_steps
from .undertaking import Undertaking, unreadable
from .verification import verify_steps
from .world import World, made_by


@frozen
class Draft:
    """The steps to some goals, in the order of these, and the world as they leave it.

    ``problems``: what can't be done, in groups: once those of one are solved, those of the next may be.
    """

    goals: Sequence[Goal]
    world: World
    steps: list[Step] = field(factory=list)
    warnings: list[str] = field(factory=list)
    problems: list[list[Unplannable]] = field(factory=list)
    missed: list[Missed] = field(factory=list)

    @property
    def all_problems(self) -> list[Unplannable]:
        return [problem for group in self.problems for problem in group]


def feasible_draft(goals: Iterable[Goal], world: World) -> Draft:
    """Find the steps to all that can be reached together, and what is left undone for that.

    Raises:
        Unplannable: nothing that is asked for can be reached, or a person has to decide.
    """
    undertaking = Undertaking(tuple(goals))
    left_out = check_left_out(undertaking.goals, world)
    draft = _draft(undertaking, world)
    told = [*left_out, *draft.all_problems]
    if left_out:
        raise all_of(told)
    while draft.problems:
        rest = undertaking.without(draft.problems[0], world)
        if rest is None:
            raise all_of([*told, *draft.all_problems])
        undertaking = rest
        draft = _draft(undertaking, world)
    if undertaking.is_in_vain and not draft.steps:
        raise all_of(told)
    return evolve(draft, missed=[*draft.missed, *undertaking.missed])


def _draft(undertaking: Undertaking, world: World) -> Draft:
    attached = attach(undertaking.goals, world, without=undertaking.unattached)
    if lost := unreadable(attached.goals, world):
        return Draft(attached.goals, world, problems=[lost])
    goals = sorted(attached.goals, key=_turn(world))
    goals, left_out = without_parts(goals, world)
    goals, notes = settle_aliases(goals, world)
    made = _steps_to(goals, world)
    problems, cautions = check_steps(made.steps, goals, made.world)
    alone = helped([*attached.problems, *made.all_problems], made.world)
    return evolve(
        made,
        goals=goals,
        steps=users_first(attached.noted(settle_steps(made.steps, made.world))),
        warnings=[*notes, *left_out, *made.warnings, *cautions, *attached.warnings],
        problems=[*([alone] if alone else []), *problems],
    )


def _steps_to(goals: Sequence[Goal], world: World) -> Draft:
    """The steps to each goal, as far as it can be reached by itself."""
    about: defaultdict[str, list[Step]] = defaultdict(list)
    found = Draft(goals, world)
    problems: list[Unplannable] = []
    for goal in goals:
        if must_wait(goal, world):
            words = f"{goal.ref}: an interrupted restore is cleaned up first; plan again after that"
            found.warnings.append(words)
            continue
        try:
            made = _steps_for(goal, world, about[goal.ref.address])
        except Unplannable as problem:
            if _is_essential(goal):
                problems += _attributed(problem, goal)
            else:
                _note_unrehearsed(found, problem, goal, world.catalog)
            continue
        for bare, document in made:
            step = evolve(bare, passed_over=_passed_over(goal, world.catalog))
            found.steps.append(step)
            about[step.address].append(step)
            world = world.expecting(made_by(step, document))
    return evolve(found, world=world, problems=[problems])


def _note_unrehearsed(found: Draft, problem: Unplannable, goal: Goal, catalog: Catalog) -> None:
    if _has_none_good(goal.ref, catalog):
        found.missed.append(none_good(goal.ref, catalog.of(goal.ref), catalog, doing="rehearse"))
    else:
        found.warnings.append("; ".join(filter(None, (problem.message, problem.hint))))


def _attributed(problem: Unplannable, goal: Goal) -> list[Unplannable]:
    """Say of each problem what can't be done for it: at the least, what was asked for."""
    return [
        part if part.of or isinstance(part, Undecided) else part.about(goal.ref.address)
        for part in problem.parts or (problem,)
    ]


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


def _turn(world: World) -> Callable[[Goal], Any]:
    """Restores in the order of their kinds; what is removed depends on all that comes before."""
    return lambda goal: (isinstance(goal, Retained), world.kinds[goal.ref.kind].rank, goal.ref)


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
