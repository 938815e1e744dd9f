"""Repository and journal in memory. They pass the same suites as the real ones (``tests/contract``)."""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from attrs import Factory, define, evolve

from incusbak.codec import BadDocument, dump, load
from incusbak.durable import CHUNK_BYTES
from incusbak.errors import Corrupt, NoSuchBackup, RepositoryError, RepositoryLocked, RepositoryMissing
from incusbak.model.backups import (
    Catalog,
    Compression,
    LockHolder,
    Manifest,
    StoredFile,
    StoredManifest,
    catalog_of,
)
from incusbak.model.courses import Course, Entry, lasting
from incusbak.model.notes import CLOCK_SKEW, UNKNOWN, BackupHealth, Inspection, Note, Rehearsal, Shrinkage
from incusbak.model.records import Quarantined, Record
from incusbak.model.refs import BackupId, ResourceRef, format_timestamp, impossible_reason
from incusbak.model.results import Phased, Report, RestoreFact, Transferred
from incusbak.ports import BackupWriter, FileWriter, Tell, unheard

_MANIFEST = "manifest.json"


@define(eq=False)
class Disk:
    """What outlives a ``MemoryRepository``; two of them on one disk are two processes.

    ``usable`` false: there is no repository and none may be made. ``full``: every write fails.
    """

    usable: bool = True
    usual_compression: Compression = Compression.ZSTD
    full: bool = False
    repository_id: str = ""
    secret: bytes = Factory(lambda: secrets.token_bytes(32))
    backups: dict[BackupId, dict[str, bytes]] = Factory(dict)
    hashes: dict[BackupId, str] = Factory(dict)
    reserved: set[BackupId] = Factory(set)
    removed: dict[BackupId, tuple[datetime, dict[str, bytes]]] = Factory(dict)
    notes: dict[BackupId, list[Note]] = Factory(dict)
    pinned: set[BackupId] = Factory(set)
    runs: list[tuple[Report, str, tuple[RestoreFact, ...]]] = Factory(list)
    holder: LockHolder | None = None
    readers: int = 0
    is_alone: bool = False
    changing: threading.Condition = Factory(threading.Condition)


class MemoryRepository:
    """A repository on a ``Disk``; the contract is ``ports.Repository``."""

    def __init__(self, disk: Disk | None = None, *, command: str = "", uri: str = "memory:") -> None:
        self.disk = disk or Disk()
        self.uri = uri
        self._command = command
        self._patience = 0.0

    @property
    def place(self) -> str:
        return f"disk {id(self.disk)}"

    @property
    def usual_compression(self) -> Compression:
        return self.disk.usual_compression

    def catalog(self, at: datetime | None = None) -> Catalog:
        self._look()
        known = {*self.disk.backups, *self.disk.removed, *self.disk.notes}
        return catalog_of(
            self.disk.repository_id,
            list(self.disk.backups),
            healths={b: found for b in known if (found := self._health(b, at)) != UNKNOWN},
            removed={backup: gone for backup, (gone, _) in self.disk.removed.items()},
            at=at,
        )

    def secret(self) -> bytes:
        self._look()
        return self.disk.secret

    def renew_id(self) -> None:
        self._look()
        if not self.disk.repository_id:
            raise RepositoryMissing(f"there is no repository at {self.uri} yet")
        self.disk.repository_id = secrets.token_hex(16)

    def manifest(self, backup: BackupId) -> StoredManifest:
        self._look()
        if backup not in self.disk.backups:
            raise NoSuchBackup(f"{self.uri} holds no backup {backup}")
        data = self.disk.backups[backup].get(_MANIFEST)
        if data is None or hashlib.sha256(data).hexdigest() != self.disk.hashes[backup]:
            raise Corrupt(f"{backup}: {_MANIFEST} is missing or was changed")
        try:
            manifest = load(data, Manifest)
        except BadDocument as error:
            raise Corrupt(f"{backup}: {_MANIFEST} can't be understood: {error}") from error
        if manifest.id != backup:
            raise Corrupt(f"{backup}: {_MANIFEST} is of another backup")
        return StoredManifest(manifest, self.disk.hashes[backup])

    def quick_check(self, backup: BackupId) -> None:
        for stored in self.manifest(backup).manifest.files:
            if len(self.disk.backups[backup].get(stored.name, b"")) != stored.size_bytes:
                raise Corrupt(f"{backup}: {stored.name} is missing or cut")

    def check(self, backup: BackupId, tell: Tell) -> None:
        files = self.manifest(backup).manifest.files
        tell(Phased(f"checking {backup}"))
        for stored in files:
            for chunk in self._verified(backup, stored):
                tell(Transferred(len(chunk)))

    @contextmanager
    def new_backup(self, ref: ResourceRef, at: datetime) -> Iterator[BackupWriter]:
        if reason := next(filter(None, map(impossible_reason, ref.path)), ""):
            raise RepositoryError(f"{ref}: {reason}")
        self._make()
        backup = self._reserve(ref, at)
        try:
            yield MemoryWriter(backup, self.disk)
        finally:
            self.disk.reserved.discard(backup)

    @contextmanager
    def open_file(self, backup: BackupId, name: str) -> Iterator[Iterator[bytes]]:
        files = {stored.name: stored for stored in self.manifest(backup).manifest.files}
        if name not in files:
            raise RepositoryError(f"{backup} has no file {name!r}")
        yield self._verified(backup, files[name])

    def remove(self, backup: BackupId, at: datetime) -> None:
        self._look()
        if backup in self.disk.backups:
            self.disk.removed[backup] = (at.replace(microsecond=0), self.disk.backups.pop(backup))

    def undelete(self, backup: BackupId) -> None:
        self._look()
        if backup not in self.disk.removed:
            raise NoSuchBackup(f"{backup} is not among the removed backups")
        if backup in self.disk.backups:
            raise RepositoryError(f"{backup} is there already")
        _, self.disk.backups[backup] = self.disk.removed.pop(backup)

    def purge(self, backup: BackupId) -> None:
        self._look()
        self.disk.removed.pop(backup, None)
        if backup not in self.disk.backups:
            found = self.disk.notes.pop(backup, [])
            if lasting := [note for note in found if not isinstance(note, Inspection)]:
                self.disk.notes[backup] = [*lasting]
            self.disk.pinned.discard(backup)

    def note(self, note: Note) -> None:
        self._look()
        self.disk.notes.setdefault(note.backup, []).append(note)

    def notes(self, backup: BackupId) -> tuple[Note, ...]:
        self._look()
        return tuple(sorted(self.disk.notes.get(backup, ()), key=lambda note: note.at))

    def pin(self, backup: BackupId, *, pinned: bool) -> None:
        self.manifest(backup)
        if pinned:
            self.disk.pinned.add(backup)
        else:
            self.disk.pinned.discard(backup)

    def _health(self, backup: BackupId, at: datetime | None) -> BackupHealth:
        found = BackupHealth(pinned=backup in self.disk.pinned)
        latest = at + CLOCK_SKEW if at else None
        for note in sorted(self.notes(backup), key=lambda n: (latest is None or n.at <= latest, n.at)):
            moment: datetime | None = note.at.replace(microsecond=0)
            if latest and note.at > latest:  # older than all others, and never good news
                if note.verdict not in ("damaged", "unfit", "shrunk"):
                    continue
                moment = None
            match note:
                case Inspection(problem=problem):
                    found = evolve(found, inspected=moment, damaged=bool(problem))
                case Rehearsal(problem=problem):
                    found = evolve(found, rehearsed=moment, unfit=bool(problem))
                case Shrinkage(accepted=accepted):
                    found = evolve(found, shrunk=not accepted)
        return found

    def free_bytes(self) -> int | None:
        return None

    def stored_bytes(self) -> int | None:
        self._look()
        folders = [*self.disk.backups.values(), *(files for _, files in self.disk.removed.values())]
        return sum(len(data) for files in folders for data in files.values())

    def record(self, report: Report, plan_json: str, facts: Iterable[RestoreFact]) -> None:
        self._make()
        self.disk.runs.append((report, plan_json, tuple(facts)))

    def reports(self, after: datetime) -> Iterator[Report]:
        self._look()
        return iter([report for report, *_ in reversed(self.disk.runs) if report.finished > after])

    def restore_fact(self, address: str) -> RestoreFact | None:
        self._look()
        newest_first = (fact for *_, facts in reversed(self.disk.runs) for fact in reversed(facts))
        return next((fact for fact in newest_first if fact.address == address), None)

    @contextmanager
    def lock(self, *, writing: bool, wait_seconds: float = 0) -> Iterator[None]:
        self._look()
        disk = self.disk
        with disk.changing:
            if writing:
                self._wait(lambda: disk.holder is None, wait_seconds)
                self._patience = wait_seconds
                disk.holder = LockHolder("here", 1, self._command, datetime.now(UTC))
                self._make()
            else:
                self._wait(lambda: not disk.is_alone, 30)
                disk.readers += 1
        try:
            yield
        finally:
            with disk.changing:
                if writing:
                    disk.holder = None
                else:
                    disk.readers -= 1
                disk.changing.notify_all()

    @contextmanager
    def exclusive(self, waiting: Callable[[], object]) -> Iterator[None]:
        disk = self.disk
        with disk.changing:
            self._wait(lambda: not (disk.readers or disk.is_alone), self._patience, waiting)
            disk.is_alone = True
        try:
            yield
        finally:
            with disk.changing:
                disk.is_alone = False
                disk.changing.notify_all()

    def _wait(
        self, is_free: Callable[[], bool], seconds: float, waiting: Callable[[], object] = lambda: None
    ) -> None:
        deadline = time.monotonic() + seconds
        while not is_free():
            if time.monotonic() >= deadline:
                raise RepositoryLocked(f"{self.uri} is locked: {_who(self.disk)}")
            waiting()
            self.disk.changing.wait(0.05)

    def damage(self, backup: BackupId, name: str, data: bytes | None) -> None:
        """Change a stored file behind the repository's back; None removes it."""
        if data is None:
            del self.disk.backups[backup][name]
        else:
            self.disk.backups[backup][name] = data

    def _look(self) -> None:
        if not self.disk.usable:
            raise RepositoryMissing(f"there is no repository at {self.uri}")

    def _make(self) -> None:
        self._look()
        self.disk.repository_id = self.disk.repository_id or secrets.token_hex(16)

    def _reserve(self, ref: ResourceRef, at: datetime) -> BackupId:
        with self.disk.changing:
            while (backup := BackupId(ref, format_timestamp(at))) in self.disk.reserved | set(
                self.disk.backups
            ):
                at += timedelta(seconds=1)
            self.disk.reserved.add(backup)
            return backup

    def _verified(self, backup: BackupId, stored: StoredFile) -> Iterator[bytes]:
        data = self.disk.backups[backup].get(stored.name, b"")
        if hashlib.sha256(data).hexdigest() != stored.sha256:
            raise Corrupt(f"{backup}: {stored.name} is missing, cut or changed")
        for start in range(0, len(data), CHUNK_BYTES):
            yield data[start : start + CHUNK_BYTES]


def _who(disk: Disk) -> str:
    holder = disk.holder
    if holder is None or disk.readers:
        return "another run is using it"
    return f"`{holder.command}` (pid {holder.pid} on {holder.host}) holds it since {holder.since}"


class MemoryWriter:
    """A backup in the making; the contract is ``ports.BackupWriter``."""

    def __init__(self, backup: BackupId, disk: Disk) -> None:
        self.id = backup
        self._disk = disk
        self._content: dict[str, bytes] = {}
        self.remark = ""

    @property
    def files(self) -> tuple[StoredFile, ...]:
        return tuple(
            StoredFile(name, len(data), hashlib.sha256(data).hexdigest())
            for name, data in self._content.items()
        )

    @contextmanager
    def file(self, name: str) -> Iterator[FileWriter]:
        if name in self._content or name == _MANIFEST or "/" in name or name.startswith("."):
            raise RepositoryError(f"can't add a file {name!r} to {self.id}")
        sink = _Sink(self._disk)
        yield sink
        self._content[name] = bytes(sink.data)

    def commit(self, manifest: Manifest, _: Tell = unheard) -> None:
        if self.id in self._disk.backups:
            raise RepositoryError(f"{self.id} is committed already")
        if manifest.id != self.id or set(manifest.files) != set(self.files):
            raise RepositoryError(f"the manifest is not of what was written for {self.id}")
        if self._disk.full:
            raise RepositoryError("no space left on the disk in memory")
        data = dump(manifest).encode()
        self._disk.hashes[self.id] = hashlib.sha256(data).hexdigest()
        self._disk.backups[self.id] = {**self._content, _MANIFEST: data}


class _Sink:
    def __init__(self, disk: Disk) -> None:
        self.data = bytearray()
        self._disk = disk

    def write(self, data: bytes, /) -> int:
        if self._disk.full:
            raise RepositoryError("no space left on the disk in memory")
        self.data += data
        return len(data)


@define(eq=False)
class Shelf:
    """What outlives a ``MemoryJournal``: one pile of records per run, and which runs are alive."""

    runs: dict[int, dict[str, Record]] = Factory(dict)
    alive: set[int] = Factory(set)
    quarantined: dict[str, Quarantined] = Factory(dict)
    courses: dict[int, Course] = Factory(dict)


class MemoryJournal:
    """The journal of one run; the contract is ``ports.Journal``. Closing it is the end of the run."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self.shelf = shelf or Shelf()
        self._run = len(self.shelf.runs)
        self.shelf.runs[self._run] = {}
        self._taken: set[str] = set()
        self.shelf.alive.add(self._run)

    def write(self, record: Record) -> None:
        self._pile(record.id)[record.id] = record
        self.shelf.quarantined.pop(record.id, None)

    def remove(self, record_id: str) -> None:
        self._pile(record_id).pop(record_id, None)

    def leftovers(self) -> tuple[Record, ...]:
        return tuple(record for record in self._left() if record.id not in self.shelf.quarantined)

    def quarantine(self, found: Quarantined) -> None:
        self.write(found.record)
        self.shelf.quarantined[found.record.id] = found

    def quarantined(self) -> tuple[Quarantined, ...]:
        return tuple(held for record in self._left() if (held := self.shelf.quarantined.get(record.id)))

    def _left(self) -> tuple[Record, ...]:
        dead = [
            r for run, pile in self.shelf.runs.items() if run not in self.shelf.alive for r in pile.values()
        ]
        taken = [record for record in self.shelf.runs[self._run].values() if record.id in self._taken]
        return tuple(sorted([*dead, *taken], key=lambda record: record.id))

    def take_over(self, record_id: str) -> Record | None:
        for run, pile in self.shelf.runs.items():
            if run not in self.shelf.alive and record_id in pile:
                self.shelf.runs[self._run][record_id] = pile.pop(record_id)
                self._taken.add(record_id)
        return next((record for record in self._left() if record.id == record_id), None)

    def begin(self, course: Course) -> None:
        self.shelf.courses[self._run] = course

    def note(self, entry: Entry) -> None:
        courses = self.shelf.courses
        dead = [
            run for run in courses if run not in self.shelf.alive and [*lasting([courses[run]], entry.at)]
        ]
        for run in [self._run] if self._run in courses else dead:
            courses[run] = evolve(courses[run], entries=(*courses[run].entries, entry))

    def unfinished(self) -> tuple[Course, ...]:
        dead = [course for run, course in self.shelf.courses.items() if run not in self.shelf.alive]
        return tuple(sorted(dead, key=lambda course: (course.started, course.id)))

    def forget(self, course_id: str) -> None:
        for run, course in [*self.shelf.courses.items()]:
            if course.id == course_id and (run == self._run or run not in self.shelf.alive):
                del self.shelf.courses[run]

    def close(self) -> None:
        self.shelf.alive.discard(self._run)

    def _pile(self, record_id: str) -> dict[str, Record]:
        for run, pile in self.shelf.runs.items():
            if record_id in pile and (run == self._run or run not in self.shelf.alive):
                return pile
        return self.shelf.runs[self._run]
