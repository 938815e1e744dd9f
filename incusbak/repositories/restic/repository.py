"""A repository on restic; the contract is ``ports.Repository``."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TypeVar

from attrs import frozen

from ...codec import BadDocument, dump, load
from ...durable import explained
from ...errors import NoSuchBackup, RepositoryError
from ...model.backups import Catalog, Compression, StoredManifest
from ...model.notes import Note
from ...model.refs import BackupId, ResourceRef, format_timestamp
from ...model.results import Phased, Report, RestoreFact, Transferred
from ...ports import BackupWriter, Tell
from ..caller import Caller
from ..layout import folder_of, place_of
from ..locking import Patience, Waiting
from ..notes import REHEARSAL, NoteFile, subject_of
from ..runs import RunReport
from .content import Content, catalog_from
from .holding import Hold
from .identity import Identity
from .index import Index
from .mending import Mender
from .passwords import Passwords
from .places import Place, read_place
from .process import Restic
from .reading import Reader
from .snapshots import NOTE, PINNED, REMOVED, RUN, Snapshot
from .store import Store, Tags
from .tidying import Tidier
from .writing import ResticWriter

T = TypeVar("T")


def open_restic(place: str, caller: Caller) -> "ResticRepository":
    """Take what follows ``restic:`` in a URI: a path, or a place in restic's words."""
    return ResticRepository(read_place(place), caller)


@frozen
class StoredRun:
    """``run.json``: what was done, which instances its restores made, and by which plan."""

    run: RunReport
    plan: str


class ResticRepository:
    """Snapshots of one file each; those of manifests, written last, are what makes backups exist.

    A call of restic costs about half a second: listing is one; a backup costs one for each of its files; to
    read, one for each file; a run that makes backups costs one more, to see what they may rely on.
    ``snapshots`` tells what their tags mean.
    """

    def __init__(self, place: Place, caller: Caller, *, passwords: Passwords | None = None) -> None:
        self._place = place
        passwords = passwords or Passwords()
        self._hold = Hold(caller.state, place.lock_name, uri=place.uri, command=caller.command)
        patience = caller.patience_seconds
        restic = Restic(place.name, passwords.environment, patience_seconds=patience)
        self._store = Store(place, restic, self._hold)
        self._content = Content(self._store)
        self._index = Index(self._store, self._content)
        self._reader = Reader(self._store, self._content, self._index)
        self._identity = Identity(self._store, self._content, self._reader, passwords)
        self._tidier = Tidier(self._store, self._content, self._hold, self._index)
        self._mender = Mender(self._store, self._content)
        self._facts: dict[str, tuple[RestoreFact, ...]] = {}
        self._reserved: set[BackupId] = set()
        self._making = threading.RLock()

    @property
    def uri(self) -> str:
        return self._place.uri

    @property
    def place(self) -> str:
        return self._place.word

    @property
    def usual_compression(self) -> Compression:
        return Compression.NONE

    def catalog(self, at: datetime | None = None) -> Catalog:
        return catalog_from(self._content.now(), at)

    def secret(self) -> bytes:
        return self._identity.secret()

    def renew_id(self) -> None:
        self._identity.renew()

    def manifest(self, backup: BackupId) -> StoredManifest:
        place_of(backup)
        return self._reader.manifest(backup)

    def quick_check(self, backup: BackupId) -> None:
        """By the listing alone: snapshots don't change, and to open one takes as long as a small backup."""
        place_of(backup)
        self._reader.quick_check(backup)

    def check(self, backup: BackupId, tell: Tell) -> None:
        files = self.manifest(backup).manifest.files
        tell(Phased(f"checking {backup}"))
        for stored in files:
            with self._reader.open(backup, stored.name) as chunks:
                for chunk in chunks:
                    tell(Transferred(len(chunk)))

    @contextmanager
    def new_backup(self, ref: ResourceRef, at: datetime) -> Iterator[BackupWriter]:
        folder_of(ref)
        self._identity.make()
        backup = self._reserve(ref, at)
        self._tidier.begin()
        try:
            with self._writing(backup) as writer:
                yield writer
        finally:
            self._reserved.discard(backup)

    @contextmanager
    def _writing(self, backup: BackupId) -> Iterator[ResticWriter]:
        added, keep = self._content.add, self._index.keep
        writer = ResticWriter(backup, self._store, made=added, keep=keep, mender=self._mender)
        try:
            yield writer
        finally:
            if not writer.is_committed:
                self._tidier.abandon(writer.token)

    @contextmanager
    def open_file(self, backup: BackupId, name: str) -> Iterator[Iterator[bytes]]:
        place_of(backup)
        with self._reader.open(backup, name) as chunks:
            yield chunks

    def remove(self, backup: BackupId, at: datetime) -> None:
        place_of(backup)
        for manifest in self._content.now().manifests(backup):
            tags = (("token", manifest.token), ("at", format_timestamp(at)))
            self._mark(REMOVED, backup, *tags)

    def undelete(self, backup: BackupId) -> None:
        place_of(backup)
        shelf = self._content.now()
        removed = shelf.removed(backup)
        if not removed:
            raise NoSuchBackup(
                f"{backup} is not among the removed backups",
                hint="`incus-backup list all --removed` shows what can be taken back",
            )
        if shelf.manifests(backup):
            raise RepositoryError(f"{backup} is there already")
        marks = (s for s in shelf.of_token(removed[-1].token) if s.type == REMOVED)
        self._tidier.forget(marks, waits=True)

    def purge(self, backup: BackupId) -> None:
        place_of(backup)
        shelf = self._content.now()
        more: list[Snapshot] = []
        if not shelf.manifests(backup):
            notes = (s for s in shelf.about(backup, NOTE) if subject_of(s.value("verdict")) != REHEARSAL)
            more = [*notes, *shelf.about(backup, PINNED)]
        self._tidier.bury(shelf.removed(backup), more)

    def note(self, note: Note) -> None:
        place_of(note.backup)
        tags = (("verdict", note.verdict), ("at", format_timestamp(note.at)))
        self._mark(NOTE, note.backup, *tags, data=_encode(dump(NoteFile(note))))

    def notes(self, backup: BackupId) -> tuple[Note, ...]:
        place_of(backup)
        kept = sorted(self._content.now().about(backup, NOTE), key=lambda s: (s.value("at"), s.taken))
        found = (self._parsed(snapshot, NOTE, NoteFile) for snapshot in kept)
        return tuple(each.note for each in found if each and each.note.backup == backup)

    def pin(self, backup: BackupId, *, pinned: bool) -> None:
        self.manifest(backup)
        pins = self._content.now().about(backup, PINNED)
        if pinned and not pins:
            self._mark(PINNED, backup)
        elif not pinned:
            self._tidier.forget(pins, waits=True)

    def free_bytes(self) -> int | None:
        """What the disk has left for this user, if the repository is on this machine."""
        folder = self._place.folder
        if folder is None:
            return None
        there = next(each for each in (folder, *folder.parents) if each.is_dir())
        with explained(there):
            space = os.statvfs(there)
        return space.f_bavail * space.f_frsize

    def stored_bytes(self) -> int | None:
        """Before restic stores what files have in common only once, and compresses it."""
        return sum(manifest.number("bytes") for manifest in self._content.now().of_type("manifest"))

    def record(self, report: Report, plan_json: str, facts: Iterable[RestoreFact]) -> None:
        self._identity.make()
        run = StoredRun(RunReport(report, tuple(facts)), plan_json)
        restored = dict.fromkeys(("restored", fact.address) for fact in run.run.facts)
        tags = (("type", RUN), ("finished", format_timestamp(report.finished)), *restored)
        self._content.add(self._store.add("run.json", _encode(dump(run)), tags))

    def reports(self, after: datetime) -> Iterator[Report]:
        earliest = format_timestamp(after)
        for snapshot in self._runs():
            if snapshot.value("finished") < earliest:
                return
            if (read := self._parsed(snapshot, RUN, StoredRun)) and read.run.report.finished > after:
                yield read.run.report

    def _runs(self) -> list[Snapshot]:
        """Newest first."""
        runs = self._content.now().of_type(RUN)
        return sorted(runs, key=lambda s: (s.value("finished"), s.taken), reverse=True)

    def restore_fact(self, address: str) -> RestoreFact | None:
        """Read the newest run that restored it."""
        for snapshot in self._runs():
            if address not in snapshot.values("restored"):
                continue
            if snapshot.id not in self._facts:
                read = self._parsed(snapshot, RUN, StoredRun)
                self._facts[snapshot.id] = read.run.facts if read else ()
            for fact in reversed(self._facts[snapshot.id]):
                if fact.address == address:
                    return fact
        return None

    @contextmanager
    def lock(self, *, writing: bool, wait_seconds: float = 0) -> Iterator[None]:
        self._place.is_absent()
        patience = Patience(wait_seconds)
        if writing:
            with self._hold.writing(patience), self._held(patience):
                self._identity.make()
                with self._tidier.tidied():
                    yield
        elif self._content.now().metadata is None:
            yield  # there is nothing to hold yet
        else:
            self._sweep_if_alone()
            with self._hold.reading(patience), self._held(patience):
                yield

    @contextmanager
    def exclusive(self, waiting: Waiting) -> Iterator[None]:
        with self._store.beside(), self._hold.exclusive(waits=True, waiting=waiting):
            self._content.anew()
            yield

    @contextmanager
    def _held(self, patience: Patience) -> Iterator[None]:
        self._store.be_patient(patience)
        self._content.hold()
        try:
            self._content.now(heed_locks=True)
            yield
        finally:
            self._content.release()

    def _sweep_if_alone(self) -> None:
        if any(self._tidier.waste(self._content.known())):
            with suppress(RepositoryError):
                with self._hold.exclusive(waits=False):
                    pass  # nobody reads, so that no writer is refused in vain
                with self._hold.writing(Patience()):
                    self._tidier.sweep_if_possible()

    def _reserve(self, ref: ResourceRef, at: datetime) -> BackupId:
        with self._making:
            shelf = self._content.now()
            while (backup := BackupId(ref, format_timestamp(at))) in self._reserved or shelf.manifests(
                backup
            ):
                at += timedelta(seconds=1)
            self._reserved.add(backup)
            return backup

    def _mark(self, type_: str, backup: BackupId, *tags: tuple[str, str], data: bytes = b"{}\n") -> None:
        """Keep a small snapshot about a backup."""
        about: Tags = (("type", type_), ("backup", backup.address), *tags)
        self._content.add(self._store.add(f"{type_}.json", data, about))

    def _parsed(self, snapshot: Snapshot, type_: str, shape: type[T]) -> T | None:
        """Read a small document; one that can't be read says nothing."""
        try:
            return load(self._reader.read(snapshot, f"{type_}.json"), shape)
        except (RepositoryError, BadDocument):
            return None


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
