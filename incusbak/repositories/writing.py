"""Write one backup: what is the same wherever it is kept, and how it is done in a folder."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ..codec import dump
from ..durable import SMALL_BYTES, create_file, explained, open_folder, remove_tree, write_all, write_file
from ..errors import RepositoryError
from ..model.backups import Manifest, StoredFile
from ..model.refs import BackupId, unsafe_reason
from ..ports import FileWriter, Tell, unheard
from .layout import CHECKSUMS, MANIFEST
from .staging import Staged


class Sink(ABC):
    """A file that hashes and counts what goes in."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes, /) -> int:
        self._put(data)
        self._digest.update(data)
        self.size_bytes += len(data)
        return len(data)

    @abstractmethod
    def _put(self, data: bytes) -> None:
        """Keep more of it."""


class Writer(ABC):
    """A backup in the making; see ``ports.BackupWriter``."""

    def __init__(self, backup: BackupId) -> None:
        self._id = backup
        self._files: list[StoredFile] = []
        self.is_committed = False
        self.remark = ""

    @property
    def id(self) -> BackupId:
        return self._id

    @property
    def files(self) -> tuple[StoredFile, ...]:
        return tuple(self._files)

    @contextmanager
    def file(self, name: str) -> Iterator[FileWriter]:
        self._admit(name)
        with self._opened(name) as sink:
            yield sink
        self._files.append(StoredFile(name, sink.size_bytes, sink.sha256))

    def commit(self, manifest: Manifest, tell: Tell = unheard) -> None:
        if self.is_committed:
            raise RepositoryError(f"{self._id} is committed already")
        if manifest.id != self._id or _by_name(manifest.files) != _by_name(self._files):
            raise RepositoryError(f"the manifest of {manifest.id} is not of what was written for {self._id}")
        data = dump(manifest).encode("utf-8", "surrogatepass")
        if len(data) > SMALL_BYTES:
            raise RepositoryError(
                f"{self._id}: its manifest has {len(data) >> 20} MiB, "
                f"and no more than {SMALL_BYTES >> 20} MiB are read again",
                hint="fewer snapshots, or shorter texts in the configuration, make it smaller",
            )
        self._commit(manifest, data, tell)
        self.is_committed = True

    @abstractmethod
    def _opened(self, name: str) -> AbstractContextManager[Sink]:
        """Keep what is written to a file; nothing, if the body fails."""

    @abstractmethod
    def _commit(self, manifest: Manifest, data: bytes, tell: Tell) -> None:
        """Make the backup visible, with its manifest written as ``data``."""

    def _admit(self, name: str) -> None:
        if self.is_committed:
            raise RepositoryError(f"{self._id} is committed, no file can be added")
        reason = unsafe_reason(name)
        if not reason and ("\\" in name or name in (MANIFEST, CHECKSUMS)):  # sha256sum escapes backslashes
            reason = f"the name {name!r} is reserved"
        if not reason and name in {stored.name for stored in self._files}:
            reason = f"there is a file {name!r} already"
        if reason:
            raise RepositoryError(f"can't add a file to {self._id}: {reason}")


def _by_name(files: Iterable[StoredFile]) -> list[StoredFile]:
    return sorted(files, key=lambda stored: stored.name)


class DirectoryWriter(Writer):
    """Files in a folder aside, which is put in place whole."""

    def __init__(self, backup: BackupId, staged: Staged) -> None:
        super().__init__(backup)
        self._staged = staged

    @contextmanager
    def _opened(self, name: str) -> Iterator[Sink]:
        path = self._staged.path / name
        with explained(path), open_folder(self._staged.root, self._staged.parts) as folder:
            descriptor = create_file(name, folder)
        try:
            yield _FileSink(descriptor, path)
            with explained(path):
                os.fsync(descriptor)
        except BaseException:
            self._drop(name)
            raise
        finally:
            os.close(descriptor)

    def _commit(self, manifest: Manifest, data: bytes, _: Tell) -> None:
        hashes = {stored.name: stored.sha256 for stored in manifest.files}
        hashes[MANIFEST] = hashlib.sha256(data).hexdigest()
        staged = self._staged
        with explained(staged.path), open_folder(staged.root, staged.parts) as folder:
            write_file(MANIFEST, data, folder)
            write_file(CHECKSUMS, format_checksums(hashes), folder)
        staged.place(self._id.timestamp)

    def _drop(self, name: str) -> None:
        with explained(self._staged.path), open_folder(self._staged.root, self._staged.parts) as folder:
            remove_tree(name, folder)


class _FileSink(Sink):
    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._path = path

    def _put(self, data: bytes) -> None:
        with explained(self._path):
            write_all(self._descriptor, data)


def format_checksums(hashes: Mapping[str, str]) -> bytes:
    """Write what ``sha256sum -c`` reads."""
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)).encode()
