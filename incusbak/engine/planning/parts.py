"""What is part of a resource and comes with it: volumes under disks that depend on an instance. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set

from attrs import evolve

from ...errors import Unplannable
from ...model.backups import Manifest
from ...model.goals import Goal, Restored
from ...model.inventory import Resource
from ...model.policies import IfPresent, Maps
from ...model.refs import ResourceRef
from ...ports import Kind
from .world import World


def without_parts(goals: Sequence[Goal], world: World) -> tuple[list[Goal], list[str]]:
    """Leave out the restores of what comes along with others: older backups hold it twice.

    Returns:
        The other goals, and a warning for each that is left out.
    """
    brought = {
        at: goal.ref
        for goal in goals
        if isinstance(goal, Restored) and not _stays(goal, world)
        for ref in _brought_by(goal, world)
        for at in (ref, world.owned(ref))  # a project that is still to be made owns nothing yet
    }
    parts = {**world.inventory.parts, **brought}
    kept: list[Goal] = []
    warnings = []
    for goal in goals:
        whole = parts.get(goal.ref) if isinstance(goal, Restored) else None
        if whole is None or (goal.ref not in brought and not _is_passed_over(goal)):
            kept.append(goal)
        else:
            warnings.append(f"{goal.ref} is not brought back by itself: it is part of {whole}")
    return kept, warnings


def _stays(goal: Restored, world: World) -> bool:
    return goal.ref in world.inventory.resources and _is_passed_over(goal)


def _is_passed_over(goal: Goal) -> bool:
    """Whether what is there already is left as it is."""
    return isinstance(goal, Restored) and goal.if_present is IfPresent.SKIP


def _brought_by(goal: Restored, world: World) -> tuple[ResourceRef, ...]:
    stored = world.evidence.manifests.get(goal.source)
    if stored is None:  # which can't be read
        return ()
    return world.kinds[goal.ref.kind].brings(stored.manifest, goal.ref, goal.options)


def check_whole(goal: Restored, world: World) -> None:
    """See that what is to be restored is no part of something that lives.

    Raises:
        Unplannable: it is.
    """
    if whole := world.inventory.parts.get(goal.ref):
        raise Unplannable(f"{goal.ref} is part of {whole}", hint=f"restore {whole}: it comes back with that")


def check_parts(
    goal: Restored, manifest: Manifest, kind: Kind, victim: Resource | None, world: World
) -> tuple[ResourceRef, ...]:
    """See that a server can take a backup, and that nothing is in the places of what it brings along.

    Returns:
        What must not be there for that.

    Raises:
        Unplannable: it can't, or something is.
    """
    if words := kind.unrestorable(manifest, goal.options, world.inventory.server, victim):
        raise Unplannable(f"{goal.source} can't be restored here: {words}")
    own = {world.owned(ref) for ref in kind.parts(victim.document)} if victim else set()
    required = {world.owned(ref) for ref in kind.requires(manifest, goal.ref, goal.options)}
    if lost := sorted(ref.address for ref in required & own):
        raise Unplannable(
            f"{goal.ref} needs {lost[0]}, which is part of the one to be replaced and would go away with it",
            hint="restore it under another name",
        )
    brought = [world.owned(ref) for ref in kind.brings(manifest, goal.ref, goal.options)]
    return _free_places(goal.ref, brought, own, world)


def lost_parts(
    goal: Restored, manifest: Manifest, kind: Kind, victim: Resource, world: World
) -> tuple[ResourceRef, ...]:
    """Name the parts of the one to be replaced for which nothing comes back: they go away with it for good.

    One that comes back elsewhere, since maps say so, is none of them.
    """
    brought = {
        world.owned(ref)
        for maps in (goal.options.maps, Maps())
        for ref in kind.brings(manifest, goal.ref, evolve(goal.options, maps=maps))
    }
    return tuple(sorted({world.owned(ref) for ref in kind.parts(victim.document)} - brought))


def _free_places(
    whole: ResourceRef, refs: Iterable[ResourceRef], own: Set[ResourceRef], world: World
) -> tuple[ResourceRef, ...]:
    """See that parts have places of their own, but for ``own``, which are those of the replaced one."""
    brought = Counter(refs)
    if twice := sorted(ref.address for ref, count in brought.items() if count > 1):
        raise Unplannable(
            f"{whole}: two of its volumes would both be {twice[0]}", hint="map their pools apart"
        )
    empty = tuple(sorted(brought.keys() - own))
    taken = (ref for ref in empty if ref in world.inventory.parts or world.document(ref) is not None)
    if in_the_way := [ref.address for ref in taken]:
        raise Unplannable(
            f"{whole} brings {', '.join(in_the_way)} along, which is on the server already",
            hint="rename or remove what is there, or restore under another name",
        )
    return empty


def places_of(manifest: Manifest, to: str, pools: Mapping[str, str]) -> dict[str, int]:
    """Say how much of a backup's content goes to which pool.

    Args:
        to: where the resource itself goes.
        pools: maps for the others.
    """
    found: Counter[str] = Counter()
    for pool, size in manifest.content_by_pool.items():
        found[to if pool == manifest.captured.pool else pools.get(pool, pool)] += size
    return dict(found)
