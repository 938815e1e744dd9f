"""What an interrupted run of the same command finished: it counts as done, as long as that is sure.

A backup counts while it is in the repository and not known to be damaged, if it is young and of the same
resource; what was restored, if it is exactly what it was then. Anything else is done again, or in the way.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from attrs import field, frozen

from .. import codec
from ..errors import IncusbakError, RepositoryError
from ..model.backups import Catalog
from ..model.courses import BackupMade, Course, Entry, RestoreMade, is_recent, lasting
from ..model.inventory import Resource
from ..model.refs import BackupId, ResourceRef, parse_backup_id
from ..model.results import RestoreFact
from ..ports import IncusApi, Journal, Kind, Repository

YOUNG = timedelta(hours=6)
"""How old a backup of an interrupted run may be: the next one in turn, a day later, is to make new ones."""


@frozen
class Finished:
    """What counts as done; ``backups`` of each resource, the newest ``restores``."""

    backups: Mapping[ResourceRef, tuple[BackupMade, ...]] = field(factory=dict)
    restores: Mapping[ResourceRef, RestoreMade] = field(factory=dict)

    def has_backup(self, resource: Resource, kind: Kind, catalog: Catalog) -> bool:
        """Whether a backup of this very resource was stored, and is as good as any."""
        there = set(catalog.of(resource.ref))
        return any(
            made.backup in there
            and not catalog.health(made.backup).damaged
            and made.identity == kind.identity(resource.document)
            for made in self.backups.get(resource.ref, ())
        )

    def restored_from(self, resource: Resource | None, kind: Kind) -> BackupId | None:
        """The backup that it was brought back from, if it is as it was then."""
        made = self.restores.get(resource.ref) if resource else None
        if resource is None or made is None or made.digest != look(resource, kind):
            return None
        return made.source


def finished(courses: Iterable[Course], key: str, repository: str, now: datetime) -> Finished:
    """Gather what unfinished runs of one command did, the oldest first, if they were on the same repository.

    What is told of a restore twice, by the run and by one that cleaned up after it, is as it was told first.
    """
    same = [c for c in lasting(courses, now) if key and (c.key, c.repository) == (key, repository)]
    backups: dict[ResourceRef, tuple[BackupMade, ...]] = {}
    restores: dict[ResourceRef, RestoreMade] = {}
    for course in same:
        for entry in course.entries:
            if isinstance(entry, BackupMade) and is_recent(entry.at, now, YOUNG):
                backups[entry.backup.ref] = (*backups.get(entry.backup.ref, ()), entry)
        first = {e.ref: e for e in reversed(course.entries) if isinstance(e, RestoreMade)}
        restores |= first
    return Finished(backups, restores)


def unreported(
    courses: Iterable[Course], repository: Repository, repository_id: str, now: datetime
) -> dict[ResourceRef, RestoreFact]:
    """Gather what unfinished runs of any command brought back, and no report tells of since.

    Raises:
        RepositoryError: the reports can't be read.
    """
    same = [course for course in lasting(courses, now) if course.repository == repository_id]
    made = [entry for course in same for entry in course.entries if isinstance(entry, RestoreMade)]
    told: dict[str, datetime] = {}
    for report in repository.reports(min(entry.at for entry in made)) if made else ():
        for outcome in report.outcomes:
            if outcome.made.backup:
                told.setdefault(outcome.address, report.finished)  # the newest comes first
    return {
        entry.ref: RestoreFact(entry.ref.address, entry.source.address, entry.identity)
        for entry in made
        if told.get(entry.ref.address, entry.at) <= entry.at
    }


def look(resource: Resource, kind: Kind) -> str:
    """Sum up which one it is and what somebody could have changed of it."""
    document = resource.document
    told = (kind.identity(document), kind.generation(document), kind.comparable(document))
    return codec.digest(told)


def note_down(journal: Journal, entry: Entry) -> None:
    """Note how far a run got; where that can't be kept, the next one does it again."""
    with suppress(RepositoryError):
        journal.note(entry)


def restore_noter(
    api: IncusApi, journal: Journal, kinds: Mapping[str, Kind], clock: Callable[[], datetime]
) -> Callable[[ResourceRef, str], None]:
    """Make what is told of each restore that is whole; that it can't be looked at must not undo it."""

    def note(ref: ResourceRef, source: str) -> None:
        kind = kinds[ref.kind]
        with suppress(IncusbakError):
            if source and (resource := kind.inspect(api, ref)):
                identity = kind.identity(resource.document)
                stored = parse_backup_id(source)
                journal.note(RestoreMade(clock(), ref, stored, identity, look(resource, kind)))

    return note
