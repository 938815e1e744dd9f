"""From the goal of verified backups to its step. Pure."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from ...model.actions import Verify
from ...model.backups import Catalog
from ...model.goals import Verified
from ...model.notes import BackupHealth
from ...model.plans import HasBackups, Step
from ...model.refs import BackupId
from .backup import in_words
from .world import World

_NEVER = datetime.min.replace(tzinfo=UTC)


def verify_steps(goal: Verified, world: World) -> Iterator[Step]:
    """Read again what was not read for too long, all of a resource's backups in one step."""
    due = unread(goal, world)
    if not due:
        return
    reason = "asked for"
    if goal.max_age is not None:
        reason = f"not read again for {in_words(goal.max_age)}"
    yield Step(
        id=f"verify:{goal.ref.address}",
        address=goal.ref.address,
        action=Verify(goal.ref, due, goal.whole),
        reason=reason,
        expects=(HasBackups(due),),
    )


def unread(goal: Verified, world: World) -> tuple[BackupId, ...]:
    """Name the backups that were not read again for too long, oldest first."""
    known, only = world.catalog.known(goal.ref).items(), goal.only
    asked = [(backup, health) for backup, health in known if only is None or backup in only]
    now, max_age = world.now, goal.max_age
    return tuple(b for b, health in asked if max_age is None or now - last_read(b, health) > max_age)


def longest_unread(catalog: Catalog, sizes: Mapping[BackupId, int], percent: int) -> frozenset[BackupId]:
    """Choose those that were not read for longest, until they have that part of all bytes; at least one."""
    chosen: list[BackupId] = []
    wanted = sum(sizes.values()) * percent
    for backup in sorted(sizes, key=lambda backup: (last_read(backup, catalog.health(backup)), backup)):
        if chosen and sum(sizes[each] for each in chosen) * 100 >= wanted:
            break
        chosen.append(backup)
    return frozenset(chosen)


def last_read(backup: BackupId, health: BackupHealth) -> datetime:
    """Tell when a backup was read to its end; that was so when it was made, too, if that is known."""
    if health.ahead:
        return health.inspected or _NEVER
    return max(backup.created, health.inspected or backup.created)
