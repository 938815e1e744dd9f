"""Read backups, believing nothing that was not checked.

A check reads a backup whole, and what is restored after it is read once more: nothing is kept aside on disk.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from attrs import frozen

from ...errors import Corrupt, NoSuchBackup, RepositoryError
from ...model.backups import StoredFile, StoredManifest
from ...model.refs import BackupId
from ..layout import MANIFEST as MANIFEST_NAME
from ..reading import damaged, parse_manifest, verified
from .content import Content
from .index import Index
from .snapshots import FILE, Shelf, Snapshot
from .store import Gone, Store

T = TypeVar("T")
_KEPT_MANIFESTS = 256


@frozen
class _Found:
    """A manifest; ``is_copy``: it was not read from its own place."""

    stored: StoredManifest
    is_copy: bool


class Reader:
    """The manifests and files of one repository."""

    def __init__(self, store: Store, content: Content, index: Index) -> None:
        self._store = store
        self._content = content
        self._index = index
        self._is_first = True
        self._manifests: OrderedDict[str, _Found] = OrderedDict()

    def manifest(self, backup: BackupId) -> StoredManifest:
        """Read and check a manifest; one that was read is not read again, as snapshots never change.

        Only while the repository is held is it sure that all of it was read from its own place.
        """
        return self._again(lambda shelf: self._manifest(backup, shelf)[1])

    def quick_check(self, backup: BackupId) -> None:
        """See whether the snapshots of all files are listed."""

        def look(shelf: Shelf) -> None:
            if shelf.lacks_files(self._listed(backup, shelf)):
                raise damaged(backup, "a file", "is missing: somebody forgot its snapshot")

        self._again(look)

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
        snapshot = self._listed(backup, shelf)
        found = self._manifests.get(snapshot.id)
        if found is None or (found.is_copy and self._content.is_held):
            found = self._find_manifest(backup, snapshot, shelf)
            self._manifests[snapshot.id] = found
            while len(self._manifests) > _KEPT_MANIFESTS:
                self._manifests.popitem(last=False)
        return snapshot, found.stored

    def _listed(self, backup: BackupId, shelf: Shelf) -> Snapshot:
        snapshot = next(iter(shelf.manifests(backup)), None)
        if snapshot is None:
            raise NoSuchBackup(f"{self._store.place.uri} holds no backup {backup}")
        return snapshot

    def _find_manifest(self, backup: BackupId, snapshot: Snapshot, shelf: Shelf) -> "_Found":
        """Read it, from the index if more than one is only to be shown."""
        digest, is_first = snapshot.value("sha256"), self._is_first
        self._is_first = False
        if not is_first and not self._content.is_held:
            copy = self._index.find(digest, shelf)
            if copy is not None and hashlib.sha256(copy).hexdigest() == digest:
                return _Found(self._parsed(backup, snapshot, copy), is_copy=True)
        data = self._store.read(snapshot, MANIFEST_NAME, f"{backup}: {MANIFEST_NAME}")
        return _Found(self._parsed(backup, snapshot, data), is_copy=False)

    def _parsed(self, backup: BackupId, snapshot: Snapshot, data: bytes) -> StoredManifest:
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
