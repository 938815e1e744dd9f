"""Where backups are kept, and where a run notes what it is about to make."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from ..model.backups import Catalog, Compression, Manifest, StoredFile, StoredManifest
from ..model.courses import Course, Entry
from ..model.notes import Note
from ..model.records import Quarantined, Record
from ..model.refs import BackupId, ResourceRef
from ..model.results import Report, RestoreFact, StepEvent

Tell = Callable[[StepEvent], None]
"""Take note of progress. May raise ``Stopped``: whoever calls it in mid-work must be able to clean up."""


def unheard(_: StepEvent) -> None:
    """Take no note of progress."""


class FileWriter(Protocol):
    def write(self, data: bytes, /) -> int: ...


class BackupWriter(Protocol):
    """A backup being written; nobody sees it until it is committed."""

    @property
    def id(self) -> BackupId: ...

    def file(self, name: str) -> AbstractContextManager[FileWriter]:
        """Write one file. Raises ``RepositoryError`` when it can't be written (full, read-only)."""

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """The files written so far, with their sizes and hashes."""

    def commit(self, manifest: Manifest, tell: Tell = unheard) -> None:
        """Make the backup visible, entirely and durably.

        Where backups share what they store, it relies on nothing that is known to be lost or damaged: what
        can't be known without reading is read again first, where earlier backups are known to be damaged.

        Raises:
            Corrupt: it shares what is damaged; nothing of it remains. The hint says how that is mended.
        """

    @property
    def remark(self) -> str:
        """What has to be said of the backup besides that it is done, such as what was mended for it."""


class Repository(Protocol):
    """Where backups are kept."""

    @property
    def uri(self) -> str:
        """The canonical URI, what plans name."""

    @property
    def place(self) -> str:
        """A word for where it is: the same however that is written, as far as this machine can tell.

        Two places may hold the same repository, where somebody copied its files: then their ids are one.
        """

    @property
    def usual_compression(self) -> Compression:
        """What archives get when nothing is asked for.

        None where the repository compresses them itself, and keeps what they have in common once.
        """

    def catalog(self, at: datetime | None = None) -> Catalog:
        """Which backups exist; cheap: no manifest is read. Empty while there is no repository yet.

        Args:
            at: what time it is, to tell what is dated in the future (see ``BackupHealth``); None: nothing is.

        Raises:
            RepositoryMissing: there is none, and none may be made there.
        """

    def secret(self) -> bytes:
        """The key for hashes of sensitive values in plans; constant per repository, never shown."""

    def renew_id(self) -> None:
        """Give it an id of its own, which one needs that was made by copying another's files.

        What it holds stays, and so does the key for hashes. Only for the writer, who is ``exclusive``.

        Raises:
            RepositoryMissing: there is none.
        """

    def manifest(self, backup: BackupId) -> StoredManifest:
        """Read and check one manifest.

        Raises:
            NoSuchBackup: there is none.
            Corrupt: it is not as it was written, or not of this backup.
        """

    def quick_check(self, backup: BackupId) -> None:
        """See at little cost whether all of a backup is there, as far as that can be seen without reading it.

        Raises:
            NoSuchBackup: there is none.
            Corrupt: a file is missing or, where files have sizes, cut; the message names it.
        """

    def check(self, backup: BackupId, tell: Tell) -> None:
        """Re-read every stored byte of a backup.

        Raises:
            Corrupt: a file is missing, cut or changed; the message names it.
        """

    def new_backup(self, ref: ResourceRef, at: datetime) -> AbstractContextManager[BackupWriter]:
        """Begin a backup; on leaving uncommitted nothing of it remains. Makes the repository if need be.

        Two backups in one second get two timestamps. Any name is kept that a server can be asked for.

        Raises:
            RepositoryError: a name that it can't be asked for, as it would mean another place.
        """

    def open_file(self, backup: BackupId, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """Stream one stored file; raises ``Corrupt`` at the end if it was not what the manifest says."""

    def remove(self, backup: BackupId, at: datetime) -> None:
        """Take a backup out of sight in one step, so that it can be taken back; fine if there is none.

        Readers must not see it go: see ``exclusive``.
        """

    def undelete(self, backup: BackupId) -> None:
        """Take back the last removal of a backup.

        Raises:
            NoSuchBackup: it was not removed, or is gone for good.
            RepositoryError: there is one by that name again.
            RepositoryLocked: somebody reads, where that matters.
        """

    def purge(self, backup: BackupId) -> None:
        """Delete for good what was removed, with its notes; fine if there is none. What is there stays.

        Notes of rehearsals stay as well: they tell of the resource.

        Raises:
            RepositoryLocked: somebody reads, where that matters.
        """

    def note(self, note: Note) -> None:
        """Keep what was found out about a backup: a new file, never an edit."""

    def notes(self, backup: BackupId) -> tuple[Note, ...]:
        """What was found out about a backup, oldest first; the catalog tells the outcome of the newest."""

    def pin(self, backup: BackupId, *, pinned: bool) -> None:
        """Have a backup kept whatever the rules say, or no longer.

        Raises:
            NoSuchBackup: there is none.
            RepositoryLocked: somebody reads, where that matters.
        """

    def free_bytes(self) -> int | None:
        """How much more fits, None when that can't be known."""

    def stored_bytes(self) -> int | None:
        """How much the files of all backups take, removed ones included; None when that can't be known.

        Cheap: none of them is read.
        """

    def record(self, report: Report, plan_json: str, facts: Iterable[RestoreFact]) -> None:
        """Keep what a run did: a new file, never an edit."""

    def reports(self, after: datetime) -> Iterator[Report]:
        """What runs did that finished later, newest first, each read when it is asked for.

        One that can't be read is passed over.
        """

    def restore_fact(self, address: str) -> RestoreFact | None:
        """The newest recorded restore of an address."""

    def lock(self, *, writing: bool, wait_seconds: float = 0) -> AbstractContextManager[None]:
        """Hold the repository: as the one who writes, or as one of those who read, also beside a writer.

        Taking it removes what a killed writer left, unless others are at work.

        Raises:
            RepositoryLocked: another one writes, after ``wait_seconds``; says who and since when. Readers are
                refused only by one who is ``exclusive``, and wait a moment at least.
        """

    def exclusive(self, waiting: Callable[[], object]) -> AbstractContextManager[None]:
        """As the one who writes, keep readers out while something is taken away, and see all they noted.

        Args:
            waiting: called now and then while readers are waited for; what it raises ends that.

        Raises:
            RepositoryLocked: somebody reads, for longer than the ``wait_seconds`` of the lock.
        """


class Journal(Protocol):
    """What this machine's runs are about to make on one server (see ``model.records``)."""

    def write(self, record: Record) -> None:
        """Keep a record durably; one with the same id is replaced in one step."""

    def remove(self, record_id: str) -> None:
        """Forget a record; fine if there is none."""

    def leftovers(self) -> tuple[Record, ...]:
        """The records of runs that are no longer alive, and those this run took over from them.

        None of those that are quarantined.
        """

    def quarantine(self, found: Quarantined) -> None:
        """Set a leftover aside that can't be cleaned up. It stays a leftover if it is written again."""

    def quarantined(self) -> tuple[Quarantined, ...]:
        """The leftovers that were set aside."""

    def take_over(self, record_id: str) -> Record | None:
        """Make a leftover, quarantined or not, this run's to deal with; None when it is not there to take.

        Of runs that want the same one, one gets it. What it does not remove is a leftover once it has ended.
        """

    def begin(self, course: Course) -> None:
        """Keep durably what this run sets out to do; one at a time, until it is forgotten."""

    def note(self, entry: Entry) -> None:
        """Keep durably how far this run got; before its course is begun, how far the unfinished ones did.

        Where there is no course it is dropped.
        """

    def unfinished(self) -> tuple[Course, ...]:
        """The courses of runs that are no longer alive, the oldest first. Those of long ago are gone."""

    def forget(self, course_id: str) -> None:
        """Drop a course of this run or of a dead one; fine if there is none."""
