"""One name, one owner: which of several images gets an alias that all of them had. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve

from ...errors import Unplannable
from ...model.actions import Replace, Restore
from ...model.goals import Alias, Goal, Restored
from ...model.plans import Hazard, Step
from ...model.policies import IfPresent
from ...model.refs import ResourceRef
from .ordering import after_these
from .restore import unchanged
from .world import World


def settle_aliases(goals: Iterable[Goal], world: World) -> tuple[list[Goal], list[str]]:
    """Decide who gets an alias that several had when they were backed up, or that another one has by now.

    The newest backup knows best. What lives keeps its alias, unless it may be replaced.

    Returns:
        The goals, restores with the aliases they do without or take over, and a sentence for each decision.
    """
    settled, holders = list(goals), _holders(world)
    at = {goal.ref: number for number, goal in enumerate(settled) if isinstance(goal, Restored)}
    restores = [goal for goal in settled if isinstance(goal, Restored)]
    notes: list[str] = []
    for alias, claimants in sorted(_claimants(restores, world).items()):
        newest, holder = claimants[0], holders.get(alias, claimants[0].ref)
        takes = holder != newest.ref and newest.if_present is IfPresent.REPLACE
        owner = newest.ref if takes else holder
        for goal in claimants:
            if goal.ref != owner:
                _change(settled, at[goal.ref], without=alias)
                notes.append(_loses(goal, alias, owner, world))
        if takes and not _gives_up(settled, at.get(holder)) and holder in world.evidence.targets:
            _change(settled, at[owner], takes=alias)
            notes.append(f"{owner} takes {_named(alias)} from {holder}")
    return settled, notes


def _gives_up(goals: Sequence[Goal], number: int | None) -> bool:
    """Whether the one that has an alias is put back by this plan as well, which takes it away."""
    goal = None if number is None else goals[number]
    return isinstance(goal, Restored) and goal.if_present is IfPresent.REPLACE


def settle_steps(steps: Iterable[Step], world: World) -> list[Step]:
    """Have who takes an alias over wait for the one that gives it up, or say that it is changed as well."""
    found, holders = list(steps), _holders(world)
    making = {s.action.to: s.id for s in found if isinstance(s.action, Restore | Replace)}
    return [_settled(step, holders, making, world) for step in found]


def _settled(
    step: Step, holders: Mapping[Alias, ResourceRef], making: Mapping[ResourceRef, str], world: World
) -> Step:
    if not isinstance(step.action, Restore | Replace):
        return step
    action, kind = step.action, world.kinds[step.action.to.kind]
    manifest = world.evidence.manifests[action.source].manifest
    others = {
        holders[alias]
        for alias in kind.aliases(kind.wanted(manifest, action.options))
        if holders.get(alias, action.to) != action.to
    }
    after = {making[other] for other in others if other in making}
    changed = sorted({holders[alias] for alias in action.options.takes_aliases})
    if not changed:
        return after_these(step, sorted({*step.after, *after}))
    return evolve(
        step,
        after=tuple(sorted({*step.after, *after})),
        hazards=tuple(sorted({*step.hazards, Hazard.REPLACES_RESOURCE})),
        holds=tuple(sorted({*step.holds, *changed})),
        expects=(*step.expects, *(unchanged(world.evidence.targets[ref], kind) for ref in changed)),
    )


def _loses(goal: Restored, alias: Alias, owner: ResourceRef, world: World) -> str:
    """Say why one that had an alias does not get it."""
    if owner in world.inventory.resources and goal.if_present is not IfPresent.REPLACE:
        return f"{goal.ref} comes without {_named(alias)}, which {owner} has by now; --replace moves it"
    return f"{goal.ref} comes without {_named(alias)}: it goes to {owner}, whose backup is newer"


def _named(alias: Alias) -> str:
    return f"the alias {alias.name} in project {alias.project}"


def _holders(world: World) -> Mapping[Alias, ResourceRef]:
    """Which living resource has an alias."""
    return {
        alias: ref
        for ref, resource in world.inventory.resources.items()
        for alias in world.kinds[ref.kind].aliases(world.kinds[ref.kind].comparable(resource.document))
    }


def _claimants(goals: Sequence[Restored], world: World) -> Mapping[Alias, list[Restored]]:
    """Who wants an alias, the newest backup first."""
    found: defaultdict[Alias, list[Restored]] = defaultdict(list)
    for goal in sorted(goals, key=lambda goal: (goal.source.timestamp, goal.ref), reverse=True):
        manifest, kind = world.evidence.manifests[goal.source].manifest, world.kinds[goal.ref.kind]
        try:
            wanted = kind.aliases(kind.wanted(manifest, goal.options))
        except Unplannable:
            continue  # which is said where its step is made
        for alias in wanted:
            found[alias].append(goal)
    return found


def _change(
    goals: list[Goal], number: int, *, without: Alias | None = None, takes: Alias | None = None
) -> None:
    goal = goals[number]
    assert isinstance(goal, Restored)
    options = goal.options
    if without:
        options = evolve(options, without_aliases=(*options.without_aliases, without))
    if takes:
        options = evolve(options, takes_aliases=(*options.takes_aliases, takes))
    goals[number] = evolve(goal, options=options)
