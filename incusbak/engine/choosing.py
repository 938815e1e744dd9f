"""Which backup a restore takes, and whether restores get in each other's way. Pure."""

from collections.abc import Iterable

from ..errors import Unplannable
from ..model.backups import Catalog
from ..model.goals import Restored
from ..model.policies import Exactly, Latest, Version
from ..model.refs import BackupId, ResourceRef, format_timestamp

MOST_SHOWN = 5


def choose_sources(
    refs: Iterable[ResourceRef], version: Version, catalog: Catalog
) -> tuple[list[BackupId], list[str]]:
    """Choose a backup for each resource.

    Returns:
        The backups, and a sentence for each resource that has none and may be left out: one of several
        that did not exist yet ``before`` the wanted time.

    Raises:
        Unplannable: a backup that must be there is not; the message names the nearest there are.
    """
    found: list[BackupId] = []
    missing: list[str] = []
    for ref in refs:
        source = find_source(ref, version, catalog)
        if source:
            found.append(source)
        else:
            missing.append(f"{ref}: no backup{_wanted(version)}{_nearest(catalog.of(ref), version)}")
    if missing and (not found or isinstance(version, Exactly)):
        raise Unplannable("\n".join(missing))
    return found, missing


def clashes(goals: Iterable[tuple[str, Restored]]) -> list[str]:
    """Name the restores that go to a place another one has taken.

    Args:
        goals: each with what asked for it, in words.
    """
    taken: dict[ResourceRef, tuple[str, Restored]] = {}
    found = []
    for asker, goal in goals:
        other, first = taken.setdefault(goal.ref, (asker, goal))
        if first is not goal:
            found.append(
                f"{goal.ref} would be restored twice: from {first.source} ({other}) "
                f"and from {goal.source} ({asker})"
            )
    return found


def some(words: Iterable[str]) -> str:
    """List a few words and count the rest."""
    listed = list(words)
    more = f" and {len(listed) - MOST_SHOWN} more" if len(listed) > MOST_SHOWN else ""
    return ", ".join(listed[:MOST_SHOWN]) + more


def find_source(ref: ResourceRef, version: Version, catalog: Catalog) -> BackupId | None:
    """Find the backup of a resource that a version means."""
    match version:
        case Latest(before=before):
            return catalog.newest(ref, not_after=before)
        case Exactly(timestamp=timestamp):
            return next((b for b in catalog.of(ref) if b.timestamp == timestamp), None)


def _wanted(version: Version) -> str:
    match version:
        case Latest(before=before):
            return f" from {format_timestamp(before)} or earlier" if before else ""
        case Exactly(timestamp=timestamp):
            return f" with the timestamp {timestamp}"


def _nearest(backups: tuple[BackupId, ...], version: Version) -> str:
    stamps = [backup.timestamp for backup in backups]
    if isinstance(version, Exactly):  # timestamps sort as text, so those around it are the nearest
        older = sum(stamp < version.timestamp for stamp in stamps)
        stamps = stamps[max(0, older - MOST_SHOWN // 2 - 1) : older + MOST_SHOWN // 2]
    return f"; the nearest: {', '.join(stamps[:MOST_SHOWN])}" if stamps else ""
