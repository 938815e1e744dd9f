"""Backups as plain files in a folder: with ``tar``, ``sha256sum`` and ``incus`` alone all can be restored."""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from ...durable import explained, names_in
from ...errors import Corrupt, NoSuchBackup, RepositoryError, RepositoryLocked, RepositoryMissing
from ...model.backups import Catalog, Compression, StoredManifest, catalog_of
from ...model.notes import Note
from ...model.refs import BackupId, ResourceRef
from ...model.results import Phased, Report, RestoreFact, Transferred
from ...ports import BackupWriter, Tell
from ..caller import Caller, absolute, place_word
from ..layout import LOCK, READING, folder_of, place_of, size_below, stored_backups
from ..locking import Locks, Patience, Waiting
from ..metadata import Metadata, MetadataFile, make_metadata, make_root, renew_metadata
from ..reading import check_sizes, open_backup, open_stored, read_manifest, verified_chunks
from .notes import Notes
from .runs import RunLog
from .staging import has_unfinished, reserve, sweep
from .trash import Trash
from .writing import DirectoryWriter

_SECRET_BYTES = 32


def open_directory(place: str, caller: Caller) -> "DirectoryRepository":
    """Take a path as written by the user."""
    return DirectoryRepository(absolute(place), command=caller.command)


class DirectoryRepository:
    """A repository in a folder; the contract is ``ports.Repository``, the layout SPEC 5.

    Who writes or reads holds the lock; nothing here takes it by itself.

    Args:
        root: absolute.
        command: what this process is running, for those who find the repository locked.
    """

    def __init__(self, root: Path, *, command: str = "") -> None:
        self._root = root
        self._file = MetadataFile(root)
        self._locks = Locks(root / LOCK, root / READING, str(root), command=command)
        self._runs = RunLog(root)
        self._notes = Notes(root)
        self._trash = Trash(root)
        self._new_secret = secrets.token_bytes(_SECRET_BYTES)
        self._seen_id = ""

    @property
    def uri(self) -> str:
        return f"dir:{self._root}"

    @property
    def place(self) -> str:
        return place_word(self._root)

    @property
    def usual_compression(self) -> Compression:
        return Compression.ZSTD

    def catalog(self, at: datetime | None = None) -> Catalog:
        metadata = self._metadata()
        if metadata is None:
            return Catalog()
        with explained(self._root):
            found = list(stored_backups(self._root))
        healths, removed = self._notes.healths(at), self._trash.content()
        return catalog_of(metadata.id, found, healths=healths, removed=removed, at=at)

    def secret(self) -> bytes:
        metadata = self._metadata()
        return bytes.fromhex(metadata.secret) if metadata else self._new_secret

    def renew_id(self) -> None:
        self._metadata()
        self._seen_id = renew_metadata(self._root).id

    def manifest(self, backup: BackupId) -> StoredManifest:
        with self._while_there(), open_backup(self._root, backup) as folder:
            return read_manifest(backup, folder)

    def quick_check(self, backup: BackupId) -> None:
        with self._while_there(), open_backup(self._root, backup) as folder:
            check_sizes(backup, read_manifest(backup, folder).manifest.files, folder)

    def check(self, backup: BackupId, tell: Tell) -> None:
        with self._while_there(), open_backup(self._root, backup) as folder:
            files = read_manifest(backup, folder).manifest.files
            tell(Phased(f"checking {backup}"))
            check_sizes(backup, files, folder)
            for stored in files:
                with open_stored(backup, stored.name, folder) as descriptor:
                    for chunk in verified_chunks(backup, stored, descriptor):
                        tell(Transferred(len(chunk)))

    @contextmanager
    def new_backup(self, ref: ResourceRef, at: datetime) -> Iterator[BackupWriter]:
        parents = folder_of(ref)
        self._make()
        staged = reserve(self._root, parents, at)
        try:
            yield DirectoryWriter(BackupId(ref, staged.timestamp), staged)
        finally:
            staged.discard()

    @contextmanager
    def open_file(self, backup: BackupId, name: str) -> Iterator[Iterator[bytes]]:
        with self._while_there(), open_backup(self._root, backup) as folder:
            files = {stored.name: stored for stored in read_manifest(backup, folder).manifest.files}
            if name not in files:
                raise RepositoryError(f"{backup} has no file {name!r}")
            with open_stored(backup, name, folder) as descriptor:
                yield verified_chunks(backup, files[name], descriptor)

    def remove(self, backup: BackupId, at: datetime) -> None:
        place_of(backup)  # refuses a name that is none, whether there is a repository or not
        if self._metadata() is not None:
            self._trash.put(backup, at)

    def undelete(self, backup: BackupId) -> None:
        self._metadata()
        self._trash.take_back(backup)

    def purge(self, backup: BackupId) -> None:
        place_of(backup)
        if self._metadata() is not None:
            self._trash.purge(backup)
            if backup.timestamp not in names_in(self._root, folder_of(backup.ref)):
                self._notes.forget(backup)

    def note(self, note: Note) -> None:
        self._metadata()
        self._notes.add(note)

    def notes(self, backup: BackupId) -> tuple[Note, ...]:
        self._metadata()
        return self._notes.read(backup)

    def pin(self, backup: BackupId, *, pinned: bool) -> None:
        self.manifest(backup)
        if pinned:
            self._notes.pin(backup)
        else:
            self._notes.unpin(backup)

    def free_bytes(self) -> int | None:
        """What the disk has left for this user; of the folder above while there is no repository yet."""
        there = next(folder for folder in (self._root, *self._root.parents) if folder.is_dir())
        with explained(there):
            space = os.statvfs(there)
        return space.f_bavail * space.f_frsize

    def stored_bytes(self) -> int | None:
        with explained(self._root):
            return size_below(self._root)

    def record(self, report: Report, plan_json: str, facts: Iterable[RestoreFact]) -> None:
        self._make()
        self._runs.add(report, plan_json, facts)

    def reports(self, after: datetime) -> Iterator[Report]:
        self._metadata()
        return self._runs.reports(after)

    def restore_fact(self, address: str) -> RestoreFact | None:
        self._metadata()
        return self._runs.restore_fact(address)

    @contextmanager
    def lock(self, *, writing: bool, wait_seconds: float = 0) -> Iterator[None]:
        there = self._metadata() is not None
        patience = Patience(wait_seconds)
        if writing:
            make_root(self._root)
            with self._locks.writing(patience):
                self._make()
                self._sweep()
                yield
        elif there:
            self._sweep_if_alone()
            with self._locks.reading(patience):
                yield
        else:
            yield  # there is nothing to hold yet

    def exclusive(self, waiting: Waiting) -> AbstractContextManager[None]:
        return self._locks.exclusive(waits=True, waiting=waiting)

    def _sweep_if_alone(self) -> None:
        """Remove what killed runs left, unless somebody is at work, or nothing can be removed here."""
        if has_unfinished(self._root):
            with (
                suppress(RepositoryError),
                self._locks.exclusive(waits=False),
                self._locks.writing(Patience()),
            ):
                sweep(self._root, of_readers=True)

    def _sweep(self) -> None:
        """Remove what killed runs left, but for what may be a living reader's."""
        sweep(self._root, of_readers=False)
        with suppress(RepositoryLocked), self._locks.exclusive(waits=False):
            sweep(self._root, of_readers=True)

    def _metadata(self) -> Metadata | None:
        """Read it again each time, to notice a disk that was unmounted or changed in the middle of a run."""
        seen_id = self._seen_id
        found = self._file.read()
        if seen_id and (found is None or found.id != seen_id):
            raise RepositoryMissing(f"the repository at {self._root} is gone, or is another one now")
        if found:
            self._seen_id = found.id
        return found

    @contextmanager
    def _while_there(self) -> Iterator[None]:
        """Take nothing for damaged that has vanished with the disk it lies on.

        Raises:
            RepositoryMissing: it has.
        """
        self._metadata()
        try:
            yield
        except (Corrupt, NoSuchBackup):
            self._metadata()
            raise

    def _make(self) -> None:
        if self._metadata() is None:
            self._seen_id = make_metadata(self._root, self._new_secret).id
