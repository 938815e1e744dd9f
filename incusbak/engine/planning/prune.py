"""From the goal of retained backups to its steps. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from ...model.actions import Accept, BackUp, Pin, Prune, Purge, Rehearse, Undelete, Verify
from ...model.goals import Accepted, Marked, Marking, Retained, Undeleted
from ...model.notes import BackupHealth
from ...model.plans import HasBackups, Hazard, Step
from ...model.refs import BackupId, ResourceRef, format_timestamp
from ..retention import Retention, retention_of
from .world import World

GRACE = timedelta(days=7)
"""For how long a removal can be taken back."""


def prune_steps(goal: Retained, world: World, earlier: Iterable[Step]) -> Iterator[Step]:
    """Remove what no rule wants, after what makes it superfluous; delete for good what was removed long ago.

    Args:
        earlier: the steps of this plan so far that are about the resource: a backup that one of them makes
            counts as made now, and what is found wrong with one that is read again or rehearsed keeps
            anything from being removed.
    """
    before = [step for step in earlier if _is_about(step, goal.ref)]
    to_come = {
        BackupId(goal.ref, format_timestamp(world.now)) for step in before if isinstance(step.action, BackUp)
    }
    found = retention_of(goal, world.catalog, to_come=to_come)
    if found.remove:
        yield Step(
            id=f"prune:{goal.ref.address}",
            address=goal.ref.address,
            action=Prune(goal.ref, found.remove, found.keep),
            reason=f"{len(found.keep)} of {len(found.keep) + len(found.remove)} backups are kept"
            + (", and the new one" if to_come else ""),
            hazards=(Hazard.DELETES_BACKUP,),
            after=tuple(step.id for step in before),
            expects=(_as_planned(found, world.catalog.known(goal.ref)),),
        )
    yield from _purge(goal, world, found.remove)


def mark_steps(goal: Marking, world: World) -> Iterator[Step]:
    """Pin, unpin, accept or take back a removal, where that is not so already."""
    backup, address = goal.backup, goal.ref.address
    match goal:
        case Marked(pinned=pinned) if pinned != world.catalog.health(backup).pinned:
            word = "pin" if pinned else "unpin"
            expects = (HasBackups((backup,)),)
            yield Step(f"{word}:{backup.address}", address, Pin(backup, pinned), "asked for", expects=expects)
        case Accepted() if world.catalog.health(backup).shrunk:
            expects = (HasBackups((backup,)),)
            yield Step(f"accept:{backup.address}", address, Accept(backup), "asked for", expects=expects)
        case Undeleted() if backup in world.catalog.removed:
            yield Step(f"undelete:{backup.address}", address, Undelete(backup), "asked for")


def _purge(goal: Retained, world: World, removing: tuple[BackupId, ...]) -> Iterator[Step]:
    expired = [
        backup
        for backup, at in world.catalog.removed_of(goal.ref).items()
        if goal.purge or world.now - at > GRACE
    ]
    gone = tuple(sorted({*expired, *(removing if goal.purge else ())}))
    if not gone:
        return
    yield Step(
        id=f"purge:{goal.ref.address}",
        address=goal.ref.address,
        action=Purge(goal.ref, gone),
        reason="asked for" if goal.purge else f"removed more than {GRACE.days} days ago",
        hazards=(Hazard.DELETES_BACKUP,),
        after=(f"prune:{goal.ref.address}",) if goal.purge and removing else (),
    )


def _as_planned(found: Retention, known: Mapping[BackupId, BackupHealth]) -> HasBackups:
    kept = tuple(each.backup for each in found.keep)
    sound = tuple(backup for backup in kept if not known[backup].damaged)
    return HasBackups((*kept, *found.remove), sound)


def _is_about(step: Step, ref: ResourceRef) -> bool:
    return isinstance(step.action, BackUp | Verify | Rehearse) and step.address == ref.address
