"""Which backup a restore takes, and whether restores get in each other's way. Pure."""

from collections.abc import Iterable

from attrs import field, frozen

from ...errors import Unplannable
from ...model.backups import Catalog
from ...model.goals import Configured, Goal, Rehearsed, Restored
from ...model.plans import Missed
from ...model.policies import Exactly, Latest, Version
from ...model.refs import BackupId, ResourceRef, format_timestamp

MOST_SHOWN = 5


@frozen
class Choice:
    """The backups that are taken, and what has none.

    ``absent``: a sentence for each resource that did not exist yet at the wanted time. ``missed``: those all
    of whose backups are known to be damaged, or dated in the future.
    """

    sources: list[BackupId] = field(factory=list)
    absent: list[str] = field(factory=list)
    missed: list[Missed] = field(factory=list)

    def misses(self, refs: Iterable[ResourceRef]) -> bool:
        """Whether one of these is absent."""
        found = {source.ref.address for source in self.sources} | {each.address for each in self.missed}
        return any(ref.address not in found for ref in refs)


def choose_sources(refs: Iterable[ResourceRef], version: Version, catalog: Catalog) -> Choice:
    """Choose a backup for each resource, as a command line names them.

    Raises:
        Unplannable: a backup that must be there is not; the message names the nearest there are.
    """
    choice = sources_for(refs, version, catalog)
    nothing = not (choice.sources or choice.missed)
    if choice.absent and (nothing or isinstance(version, Exactly)):
        raise Unplannable("\n".join(choice.absent))
    return choice


def sources_for(refs: Iterable[ResourceRef], version: Version, catalog: Catalog) -> Choice:
    """Choose a backup for each resource, as far as there is one."""
    choice = Choice()
    for ref in refs:
        source = find_source(ref, version, catalog)
        if source:
            choice.sources.append(source)
        elif bad := _candidates(ref, version, catalog):
            choice.missed.append(none_good(ref, bad, catalog))
        else:
            choice.absent.append(f"{ref}: {why_none(ref, version, catalog)}")
    return choice


def find_source(ref: ResourceRef, version: Version, catalog: Catalog) -> BackupId | None:
    """Find the backup of a resource that a version means; one that is named may be damaged.

    One that holds next to nothing is taken where it is named, or where there is no other: what somebody wants
    back is hardly an empty volume, and one whose disk was not mounted looks just so.
    """
    match version:
        case Latest(before=before):
            return catalog.last_full(ref, not_after=before) or catalog.newest(ref, not_after=before)
        case Exactly(timestamp=timestamp):
            return next((b for b in catalog.of(ref) if b.timestamp == timestamp), None)


def why_none(ref: ResourceRef, version: Version, catalog: Catalog) -> str:
    """Say that there is no good backup that a version means, and what there is."""
    if damaged := _candidates(ref, version, catalog):
        return none_good(ref, damaged, catalog).reason
    return f"no backup{_wanted(version)}{_nearest(catalog.of(ref), version)}"


def passed_over(source: BackupId, version: Version, catalog: Catalog) -> tuple[BackupId, ...]:
    """Name the newer backups that a version would have meant, were they not known to be damaged."""
    newer = (b for b in _candidates(source.ref, version, catalog) if b > source)
    return tuple(b for b in newer if catalog.health(b).damaged)


def health_warnings(goals: Iterable[Goal], catalog: Catalog) -> list[str]:
    """Say which backups are taken in place of damaged ones, and which though they are damaged."""
    found = []
    for goal in goals:
        if not isinstance(goal, Restored | Configured | Rehearsed) or goal.source is None:
            continue
        if goal.passed_over:
            stamps, are = some(b.timestamp for b in goal.passed_over), _is_are(goal.passed_over)
            taken = goal.source.timestamp
            found.append(f"{goal.source.ref}: {stamps} {are} known to be damaged; {taken} is taken")
        elif catalog.health(goal.source).damaged:
            found.append(
                f"{goal.source} is known to be damaged; it is read again, and taken only if whole by now"
            )
        found += [f"{words}; {goal.source.timestamp} is taken" for words in future_words(goal.ref, catalog)]
    return found


def future_words(ref: ResourceRef, catalog: Catalog) -> list[str]:
    """Say which backups of a resource are dated in the future; nothing where none is."""
    ahead = catalog.ahead(ref)
    stamps, they = (
        some(backup.timestamp for backup in ahead),
        "it counts" if len(ahead) == 1 else "they count",
    )
    words = f"{ref}: {stamps} {_is_are(ahead)} dated in the future: check the clocks; {they} for nothing"
    return [words] if ahead else []


def none_good(
    ref: ResourceRef, backups: tuple[BackupId, ...], catalog: Catalog, *, doing: str = "restore"
) -> Missed:
    """Say that a resource has no good backup, and what may be tried.

    Args:
        backups: its backups, oldest first: each is damaged, or dated in the future.
        doing: the command that was to take one.
    """
    stamps = some(backup.timestamp for backup in reversed(backups))
    every = "its only backup" if len(backups) == 1 else f"each of its {len(backups)} backups"
    is_damaged, is_ahead = (
        any(getattr(catalog.health(backup), what) for backup in backups) for what in ("damaged", "ahead")
    )
    faults = [
        *(["known to be damaged"] if is_damaged else []),
        *(["dated in the future"] if is_ahead else []),
    ]
    reason = f"{every} is {' or '.join(faults)}: {stamps}"
    return Missed(ref.address, reason, _advice(backups, catalog, doing), damaged=is_damaged)


def _advice(backups: Iterable[BackupId], catalog: Catalog, doing: str) -> str:
    """What to do where no backup counts: one that is only dated wrongly is taken if it is named."""
    damaged = [backup for backup in backups if catalog.health(backup).damaged]
    ahead = [backup for backup in backups if not catalog.health(backup).damaged]
    advice = ["`incus-backup verify` tells whether it still is"] if damaged else []
    if damaged and not ahead:
        advice.append(reading_again(damaged[-1], doing))
    if ahead:
        advice.append(f"check the clocks; named by its time, one is taken: {trying(ahead[-1], doing)}")
    return "; ".join(advice)


def reading_again(damaged: BackupId, doing: str) -> str:
    """What becomes of a damaged backup that is named: nothing, but where a disk was mended meanwhile."""
    return f"{trying(damaged, doing)} reads it again, and takes it only if it is whole by then"


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


def _candidates(ref: ResourceRef, version: Version, catalog: Catalog) -> tuple[BackupId, ...]:
    """The backups that would do if they were good."""
    return catalog.up_to(ref, version.before) if isinstance(version, Latest) else ()


def trying(backup: BackupId, doing: str) -> str:
    """The command that takes a backup whatever is known of it."""
    return command(doing, backup.ref, f"--version {backup.timestamp}")


def command(doing: str, ref: ResourceRef, *options: str) -> str:
    """The command that does something with this one resource."""
    name = f"{ref.pool}/{ref.name}" if ref.pool else ref.name
    words = {"image": "images"}.get(ref.kind, ref.kind)
    project = ["--project", ref.project] if ref.project not in ("", "default") else []
    return f"`{' '.join(filter(None, ['incus-backup', doing, words, name, *options, *project]))}`"


def _is_are(backups: tuple[BackupId, ...]) -> str:
    return "is" if len(backups) == 1 else "are"


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
