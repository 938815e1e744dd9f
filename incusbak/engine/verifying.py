"""From the goal of verified backups to its step. Pure."""

from collections.abc import Iterator

from ..model.goals import Verified
from ..model.plans import HasBackups, Step, Verify
from ..model.refs import BackupId
from .backing_up import in_words
from .world import World


def verify_steps(goal: Verified, world: World) -> Iterator[Step]:
    """Read again what was not read for too long, all of a resource's backups in one step."""
    due = tuple(backup for backup in world.catalog.of(goal.ref) if _is_due(backup, goal, world))
    if not due:
        return
    reason = "asked for"
    if goal.max_age is not None:
        reason = f"not read again for {in_words(goal.max_age)}"
    yield Step(
        id=f"verify:{goal.ref}",
        address=goal.ref.address,
        action=Verify(goal.ref, due),
        reason=reason,
        expects=(HasBackups(due),),
    )


def _is_due(backup: BackupId, goal: Verified, world: World) -> bool:
    """A backup is as good as verified while it is new: it was walked to its end when it was made."""
    if goal.max_age is None:
        return True
    last = max(backup.created, world.catalog.repute(backup).inspected or backup.created)
    return world.now - last > goal.max_age
