"""Plans that back up and bring back the same thing: the backup made on the way is the newest then. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from attrs import evolve

from ...errors import Undecided, Unplannable
from ...model.actions import BackUp, Create, Delete, Replace, Update
from ...model.goals import Goal, Restored
from ...model.plans import Step
from ...model.refs import CONFIG


def circles(goals: Iterable[Goal], steps: Iterable[Step], *, now: datetime) -> Iterator[Unplannable]:
    """Find what would be replaced by its newest backup right after another one is made of it.

    That one would be the newest then, and the next plan would undo the replacement.
    """
    steps = list(steps)
    backed_up = {step.action.ref for step in steps if isinstance(step.action, BackUp)}
    replaced = {step.action.to for step in steps if isinstance(step.action, Replace) and step.hazards}
    for goal in goals:
        if not isinstance(goal, Restored) or not goal.is_moving(now):
            continue
        if goal.ref == goal.source.ref and goal.ref in backed_up & replaced:
            yield Undecided(
                f"{goal.ref} would be backed up, and then replaced by what is its newest backup until then",
                hint="say which version to restore, or back up and restore by policies of their own",
            )


def configuration_last(steps: Iterable[Step]) -> list[Step]:
    """Back the configuration up once it is brought back, else its newest backup would be of before."""
    steps = list(steps)
    changes = (step.id for step in steps if isinstance(step.action, Create | Update | Delete))
    after = tuple(sorted(changes))
    return [
        evolve(step, after=(*step.after, *after))
        if isinstance(step.action, BackUp) and step.action.ref == CONFIG
        else step
        for step in steps
    ]
