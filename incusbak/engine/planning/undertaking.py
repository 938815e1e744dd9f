"""Leave undone what can't be done, so that one thing does not keep the others from being done. Pure."""

from collections.abc import Iterable

from attrs import evolve, field, frozen

from ...errors import Undecided, Unplannable
from ...model.goals import BackedUp, Configured, Goal, Rehearsed, Restored
from ...model.plans import Missed
from ...model.refs import ResourceRef
from ..selection.matching import literal
from .attached_volumes import goal_for, needs_now
from .world import World


@frozen
class Undertaking:
    """The goals that are left, and what is left undone.

    ``unattached``: volumes that do not come along with the instances that use them.
    """

    goals: tuple[Goal, ...]
    missed: tuple[Missed, ...] = ()
    unattached: frozenset[ResourceRef] = field(factory=frozenset)

    @property
    def is_in_vain(self) -> bool:
        """Whether something had to be left undone, and nothing else was asked for; of entities, none."""
        return bool(self.missed) and all(isinstance(goal, Configured) for goal in self.goals)

    def without(self, problems: Iterable[Unplannable], world: World) -> "Undertaking | None":
        """What is left if what has these problems is left undone; None: that is for a person to decide."""
        rest: Undertaking | None = self
        for problem in problems:
            if isinstance(problem, Undecided) or not problem.of:
                return None
            rest = rest._without(problem, world) if rest else None
        return rest

    def _without(self, problem: Unplannable, world: World) -> "Undertaking | None":
        if problem.of in (missed.address for missed in self.missed):
            return self  # for another reason
        is_entity = problem.of.partition("/")[0] in world.entities
        goals = self._sparing(problem.of) if is_entity else self._but(problem.of)
        if goals != self.goals:
            return evolve(self, goals=goals, missed=(*self.missed, missed_for(problem)))
        return self._without_attached(problem, world)

    def _sparing(self, entity: str) -> tuple[Goal, ...]:
        """The same goals, without this entity of the configuration."""
        return tuple(
            evolve(goal, only=(*goal.only, f"!{literal(entity)}")) if isinstance(goal, Configured) else goal
            for goal in self.goals
        )

    def _but(self, address: str) -> tuple[Goal, ...]:
        return tuple(g for g in self.goals if g.ref.address != address or not _is_asked_for(g))

    def _without_attached(self, problem: Unplannable, world: World) -> "Undertaking | None":
        """Of a volume that comes along: leave it out; where it stands in for one that is there, its users."""
        users = [(goal, ref) for goal in self.goals if (ref := _attached(goal, problem.of, world))]
        if not users:
            return None
        ref = users[0][1]
        if ref not in world.inventory.resources:
            missed = (*self.missed, missed_for(problem))
            return evolve(self, unattached=self.unattached | {ref}, missed=missed)
        reasons = [Unplannable(problem.message, hint=problem.hint, of=g.ref.address) for g, _ in users]
        lost = {reason.of for reason in reasons}
        goals = tuple(g for g in self.goals if g.ref.address not in lost or not isinstance(g, Restored))
        return evolve(self, goals=goals, missed=(*self.missed, *map(missed_for, reasons)))


def _is_asked_for(goal: Goal) -> bool:
    """Whether it is about this one thing now, and not a promise that others are kept by as well."""
    return isinstance(goal, Restored | Configured) or (
        isinstance(goal, Rehearsed | BackedUp) and goal.max_age is None
    )


def _attached(goal: Goal, address: str, world: World) -> ResourceRef | None:
    if not isinstance(goal, Restored):
        return None
    needs = (need for need in needs_now(goal, world) if need.ref.address == address)
    return next((need.ref for need in needs if goal_for(need, goal)), None)


def missed_for(problem: Unplannable) -> Missed:
    """Name what is left undone, and why: its address goes before the reason once."""
    lines = (_bare(line, problem.of) for line in problem.message.splitlines())
    return Missed(problem.of, "; ".join(lines), problem.hint)


def _bare(line: str, address: str) -> str:
    rest = line.removeprefix(address)
    return rest.lstrip(": ") if rest != line and rest[:1] in (":", " ") else line


def unreadable(goals: Iterable[Goal], world: World) -> list[Unplannable]:
    """Find what would be brought back from a backup that can't be read now."""
    return [
        Unplannable(
            f"{goal.source} can't be read: {world.evidence.unreadable[goal.source]}", of=goal.ref.address
        )
        for goal in goals
        if isinstance(goal, Restored | Configured) and goal.source in world.evidence.unreadable
        if goal.source not in world.evidence.manifests
    ]
