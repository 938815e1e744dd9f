"""From the goal of verified backups to its step. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from ..model.actions import Verify
from ..model.backups import Catalog
from ..model.goals import Verified
from ..model.plans import HasBackups, Step
from ..model.refs import BackupId
from .backing_up import in_words
from .world import World


def verify_steps(goal: Verified, world: World) -> Iterator[Step]:
    """Read again what was not read for too long, all of a resource's backups in one step."""
    due = unread(goal, world)
    if not due:
        return
    reason = "asked for"
    if goal.max_age is not None:
        reason = f"not read again for {in_words(goal.max_age)}"
    yield Step(
        id=f"verify:{goal.ref}",
        address=goal.ref.address,
        action=Verify(goal.ref, due, goal.whole),
        reason=reason,
        expects=(HasBackups(due),),
    )


def unread(goal: Verified, world: World) -> tuple[BackupId, ...]:
    """Name the backups that were not read again for too long, oldest first."""
    catalog, max_age, only = world.catalog, goal.max_age, goal.only
    backups = [b for b in catalog.of(goal.ref) if only is None or b in only]
    return tuple(b for b in backups if max_age is None or world.now - last_read(b, catalog) > max_age)


def longest_unread(catalog: Catalog, sizes: Mapping[BackupId, int], percent: int) -> frozenset[BackupId]:
    """Choose those that were not read for longest, until they have that part of all bytes; at least one."""
    chosen: list[BackupId] = []
    wanted = sum(sizes.values()) * percent
    for backup in sorted(sizes, key=lambda backup: (last_read(backup, catalog), backup)):
        if chosen and sum(sizes[each] for each in chosen) * 100 >= wanted:
            break
        chosen.append(backup)
    return frozenset(chosen)


def last_read(backup: BackupId, catalog: Catalog) -> datetime:
    """Tell when a backup was read to its end; that was so when it was made, too."""
    return max(backup.created, catalog.repute(backup).inspected or backup.created)
