"""From the goal of a backup to its step. Pure."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from ..errors import Unplannable
from ..model.goals import BackedUp
from ..model.plans import BackUp, Exists, Step
from ..model.refs import ResourceRef
from .sizes import mebibytes
from .world import World


def backup_steps(goal: BackedUp, world: World) -> Iterator[Step]:
    """Back up what has no backup that is young enough.

    Raises:
        Unplannable: it is not there, or the server can't export it.
    """
    newest = world.catalog.newest(goal.ref)
    if newest is None:
        reason = "no backup exists"
    elif goal.max_age is None:
        reason = "asked for"
    elif is_overdue(goal, world):
        reason = f"the newest backup, {newest.timestamp}, is older than {_words(goal.max_age)}"
    else:
        return
    resource = world.inventory.resources.get(goal.ref)
    if resource is None:
        raise Unplannable(f"{goal.ref} is not on the server")
    if _is_stored(goal.ref, world):
        return
    kind = world.kinds[goal.ref.kind]
    last = world.evidence.manifests.get(newest) if newest else None
    yield Step(
        id=f"back-up:{goal.ref}",
        address=goal.ref.address,
        action=BackUp(goal.ref, goal.options, goal.hooks),
        reason=reason,
        expects=(Exists(goal.ref, kind.identity(resource.document)),),
        estimated_bytes=last.manifest.size_bytes if last else None,
        basis="as the last backup" if last else "",
        holds=tuple(sorted(kind.holds(resource.document))),
    )


def is_overdue(goal: BackedUp, world: World) -> bool:
    """Whether there is a backup, but older than promised; one of what can't change has no age."""
    newest = world.catalog.newest(goal.ref)
    if newest is None or goal.max_age is None or world.now - newest.created <= goal.max_age:
        return False
    return not _is_stored(goal.ref, world)


def target_warnings(steps: Iterable[Step], world: World) -> list[str]:
    """Compare what backups took last time with what the repository's disk has free."""
    backups = [step for step in steps if isinstance(step.action, BackUp)]
    wanted = sum(step.estimated_bytes or 0 for step in backups)
    free = world.evidence.target_free_bytes
    if free is None or wanted <= free:
        return []
    took = f"what is to be backed up took {mebibytes(wanted)} last time"
    return [f"the repository has {mebibytes(free)} free, {took}"]


def _is_stored(ref: ResourceRef, world: World) -> bool:
    """Whether the newest backup holds all of a resource whose content can't change."""
    kind, newest = world.kinds[ref.kind], world.catalog.newest(ref)
    stored = world.evidence.manifests.get(newest) if newest else None
    resource = world.inventory.resources.get(ref)
    if stored is None or resource is None or not kind.is_immutable:
        return False
    return kind.comparable(stored.manifest.captured.resource) == kind.comparable(resource.document)


def _words(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    parts = ((minutes // 1440, "d"), (minutes % 1440 // 60, "h"), (minutes % 60, "m"))
    return " ".join(f"{count}{unit}" for count, unit in parts if count) or "a minute"
