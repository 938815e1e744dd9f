"""Read backups, believing nothing that was not checked.

A check reads a backup whole, and what is restored after it is read once more: nothing is kept aside on disk.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from ...errors import Corrupt, NoSuchBackup, RepositoryError
from ...model.backups import StoredFile, StoredManifest
from ...model.refs import BackupId
from ..layout import MANIFEST as MANIFEST_NAME
from ..reading import damaged, parse_manifest, verified
from .content import Content
from .snapshots import FILE, Shelf, Snapshot
from .store import Gone, Store

T = TypeVar("T")
_KEPT_MANIFESTS = 256


class Reader:
    """The manifests and files of one repository."""

    def __init__(self, store: Store, content: Content) -> None:
        self._store = store
        self._content = content
        self._manifests: OrderedDict[str, StoredManifest] = OrderedDict()

    def manifest(self, backup: BackupId) -> StoredManifest:
        """Read and check a manifest; one that was read is not read again, as snapshots never change."""
        return self._again(lambda shelf: self._manifest(backup, shelf)[1])

    @contextmanager
    def open(self, backup: BackupId, name: str) -> Iterator[Iterator[bytes]]:
        """Stream a file of a backup; see ``reading.verified``."""
        with ExitStack() as stack:

            def begin(shelf: Shelf) -> tuple[StoredFile, Iterator[bytes]]:
                manifest, read = self._manifest(backup, shelf)
                files = {stored.name: stored for stored in read.manifest.files}
                if name not in files:
                    raise RepositoryError(f"{backup} has no file {name!r}")
                if not files[name].size_bytes:
                    return files[name], iter(())
                snapshot = _file_of(backup, name, manifest, shelf)
                what = f"{backup}: {name}"
                return files[name], stack.enter_context(self._store.reading(snapshot, name, what))

            stored, chunks = self._again(begin)
            yield verified(backup, stored, chunks)

    def read(self, snapshot: Snapshot, name: str) -> bytes:
        """Read a small file that is of no backup."""
        return self._store.read(snapshot, name, name)

    def _again(self, look: Callable[[Shelf], T]) -> T:
        """Look by what was listed last; if that does not hold any more, by a new listing."""
        try:
            return look(self._content.known())
        except (Gone, NoSuchBackup):
            shelf = self._content.anew()
        try:
            return look(shelf)
        except Gone as error:  # it is listed, and can't be read
            raise Corrupt(error.message) from error

    def _manifest(self, backup: BackupId, shelf: Shelf) -> tuple[Snapshot, StoredManifest]:
        snapshot = next(iter(shelf.manifests(backup)), None)
        if snapshot is None:
            raise NoSuchBackup(f"{self._store.place.uri} holds no backup {backup}")
        stored = self._manifests.get(snapshot.id)
        if stored is None:
            stored = self._read_manifest(backup, snapshot)
            self._manifests[snapshot.id] = stored
            while len(self._manifests) > _KEPT_MANIFESTS:
                self._manifests.popitem(last=False)
        return snapshot, stored

    def _read_manifest(self, backup: BackupId, snapshot: Snapshot) -> StoredManifest:
        data = self._store.read(snapshot, MANIFEST_NAME, f"{backup}: {MANIFEST_NAME}")
        digest = hashlib.sha256(data).hexdigest()
        if digest != snapshot.value("sha256"):
            raise damaged(backup, MANIFEST_NAME, "was changed: its SHA-256 is not the one it was stored with")
        manifest = parse_manifest(backup, data)
        if manifest.id != backup:
            raise damaged(backup, MANIFEST_NAME, f"is of another backup, {manifest.id}")
        return StoredManifest(manifest, digest)


def _file_of(backup: BackupId, name: str, manifest: Snapshot, shelf: Shelf) -> Snapshot:
    parts = manifest.values("part")
    for snapshot in shelf.of_token(manifest.token):
        if (snapshot.type, snapshot.value("file")) == (FILE, name) and snapshot.value("part") in parts:
            return snapshot
    raise damaged(backup, name, "is missing")
