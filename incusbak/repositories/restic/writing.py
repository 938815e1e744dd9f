"""Write one backup into a restic repository: a snapshot for each file, that of the manifest last."""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ...model.backups import Manifest
from ...model.refs import BackupId
from ...ports import Tell
from ..layout import MANIFEST as MANIFEST_NAME
from ..writing import Sink, Writer
from .mending import Mender
from .snapshots import FILE, MANIFEST, Snapshot
from .store import Adding, Store, Tags

_TOKEN_BYTES = 8
_READ_AGAIN = "read again before it counted, as other backups here are damaged"


class ResticWriter(Writer):
    """Snapshots that nobody sees before that of the manifest is there.

    Args:
        made: is told of every snapshot.
        mender: keeps what was lost from being relied on.
        keep: gets the SHA-256 of the manifest that was committed, and the manifest.
    """

    def __init__(
        self,
        backup: BackupId,
        store: Store,
        *,
        made: Callable[[Snapshot], None],
        keep: Callable[[str, bytes], None],
        mender: Mender,
    ) -> None:
        super().__init__(backup)
        self._mender = mender
        self.remark = mender.look()
        self._store = store
        self._made = made
        self._keep = keep
        self._parts: list[str] = []
        self._snapshots: dict[str, Snapshot] = {}
        self._begun = 0
        self.token = secrets.token_hex(_TOKEN_BYTES)

    @contextmanager
    def _opened(self, name: str) -> Iterator[Sink]:
        self._begun += 1
        part = str(self._begun)  # tells a file from an earlier attempt at it
        tags = self._tags(FILE, ("part", part), ("file", name))
        with ExitStack() as stack:
            sink = _SnapshotSink(lambda: stack.enter_context(self._store.adding(name, tags)))
            yield sink
        if sink.adding:
            snapshot = self._snapshots[name] = sink.adding.snapshot
            self._made(snapshot)
            self._parts.append(part)

    def _commit(self, manifest: Manifest, data: bytes, tell: Tell) -> None:
        kept = {stored: self._snapshots[stored.name] for stored in self.files if stored.size_bytes}
        if self._mender.proved(self._id, kept, tell):
            self.remark = "; ".join(filter(None, (self.remark, _READ_AGAIN)))
        digest, size = hashlib.sha256(data).hexdigest(), manifest.size_bytes + len(data)
        parts = (("part", part) for part in self._parts)
        tags = self._tags(MANIFEST, *parts, ("sha256", digest), ("bytes", str(size)))
        self._made(self._store.add(MANIFEST_NAME, data, tags))
        self._keep(digest, data)

    def _tags(self, type_: str, *more: tuple[str, str]) -> Tags:
        return (("type", type_), ("backup", self._id.address), ("token", self.token), *more)


class _SnapshotSink(Sink):
    """restic takes no empty file, so the snapshot begins with the first byte."""

    def __init__(self, begin: Callable[[], Adding]) -> None:
        super().__init__()
        self._begin = begin
        self.adding: Adding | None = None

    def _put(self, data: bytes) -> None:
        if data:
            self.adding = self.adding or self._begin()
            self.adding.write(data)
