"""Write one backup into a restic repository: a snapshot for each file, that of the manifest last."""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ...codec import dump
from ...errors import RepositoryError
from ...model.backups import Manifest, StoredFile
from ...model.refs import BackupId
from ...ports import FileWriter
from ..layout import MANIFEST as MANIFEST_NAME
from ..writing import admit, agree
from .snapshots import FILE, MANIFEST, Snapshot
from .store import Adding, Store, Tags

_TOKEN_BYTES = 8


class ResticWriter:
    """A backup in the making; see ``ports.BackupWriter``.

    Args:
        made: is told of every snapshot.
        keep: gets the manifest that was committed, and its SHA-256.
    """

    def __init__(
        self,
        backup: BackupId,
        store: Store,
        *,
        made: Callable[[Snapshot], None],
        keep: Callable[[str, bytes], None],
    ) -> None:
        self._id = backup
        self._store = store
        self._made = made
        self._keep = keep
        self._files: list[StoredFile] = []
        self._parts: list[str] = []
        self._begun = 0
        self.token = secrets.token_hex(_TOKEN_BYTES)
        self.is_committed = False

    @property
    def id(self) -> BackupId:
        return self._id

    @property
    def files(self) -> tuple[StoredFile, ...]:
        return tuple(self._files)

    @contextmanager
    def file(self, name: str) -> Iterator[FileWriter]:
        if self.is_committed:
            raise RepositoryError(f"{self._id} is committed, no file can be added")
        admit(name, self._id, self._files)
        self._begun += 1
        part = str(self._begun)  # tells a file from an earlier attempt at it
        tags = self._tags(FILE, ("part", part), ("file", name))
        with ExitStack() as stack:
            sink = _Sink(lambda: stack.enter_context(self._store.adding(name, tags)))
            yield sink
        if sink.adding:
            self._made(sink.adding.snapshot)
            self._parts.append(part)
        self._files.append(StoredFile(name, sink.size_bytes, sink.sha256))

    def commit(self, manifest: Manifest) -> None:
        if self.is_committed:
            raise RepositoryError(f"{self._id} is committed already")
        agree(manifest, self._id, self._files)
        data = dump(manifest).encode("utf-8", "surrogatepass")
        digest, size = hashlib.sha256(data).hexdigest(), manifest.size_bytes + len(data)
        tags = self._tags(
            MANIFEST,
            *(("part", part) for part in self._parts),
            ("sha256", digest),
            ("bytes", str(size)),
        )
        self._made(self._store.add(MANIFEST_NAME, data, tags))
        self.is_committed = True
        self._keep(digest, data)

    def _tags(self, type_: str, *more: tuple[str, str]) -> Tags:
        return (("type", type_), ("backup", self._id.address), ("token", self.token), *more)


class _Sink:
    """A file that hashes and counts what goes in; restic takes no empty one, so it begins with a byte."""

    def __init__(self, begin: Callable[[], Adding]) -> None:
        self._begin = begin
        self.adding: Adding | None = None
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes, /) -> int:
        if data:
            self.adding = self.adding or self._begin()
            self.adding.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)
        return len(data)
