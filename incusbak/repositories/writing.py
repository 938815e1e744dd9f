"""Write one backup: what is the same wherever it is kept."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from ..codec import dump
from ..durable import SMALL_BYTES
from ..errors import RepositoryError
from ..model.backups import Manifest, StoredFile
from ..model.refs import BackupId, unsafe_reason
from ..ports import FileWriter, Tell, unheard
from .layout import CHECKSUMS, MANIFEST


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
