"""Write one backup into a directory repository."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..codec import dump
from ..durable import create_file, explained, open_folder, remove_tree, write_all, write_file
from ..errors import RepositoryError
from ..model.backups import Manifest, StoredFile
from ..model.refs import BackupId, unsafe_reason
from ..ports import FileWriter
from .layout import CHECKSUMS, MANIFEST
from .staging import Staged


class DirectoryWriter:
    """A backup in the making; see ``ports.BackupWriter``."""

    def __init__(self, backup: BackupId, staged: Staged) -> None:
        self._id = backup
        self._staged = staged
        self._files: list[StoredFile] = []
        self._committed = False

    @property
    def id(self) -> BackupId:
        return self._id

    @property
    def files(self) -> tuple[StoredFile, ...]:
        return tuple(self._files)

    @contextmanager
    def file(self, name: str) -> Iterator[FileWriter]:
        if self._committed:
            raise RepositoryError(f"{self._id} is committed, no file can be added")
        admit(name, self._id, self._files)
        path = self._staged.path / name
        with explained(path), open_folder(self._staged.root, self._staged.parts) as folder:
            descriptor = create_file(name, folder)
        sink = _Sink(descriptor, path)
        try:
            yield sink
            sink.flush()
        except BaseException:
            self._drop(name)
            raise
        finally:
            os.close(descriptor)
        self._files.append(StoredFile(name, sink.size_bytes, sink.sha256))

    def commit(self, manifest: Manifest) -> None:
        if self._committed:
            raise RepositoryError(f"{self._id} is committed already")
        agree(manifest, self._id, self._files)
        data = dump(manifest).encode("utf-8", "surrogatepass")
        hashes = {stored.name: stored.sha256 for stored in self._files}
        hashes[MANIFEST] = hashlib.sha256(data).hexdigest()
        staged = self._staged
        with explained(staged.path), open_folder(staged.root, staged.parts) as folder:
            write_file(MANIFEST, data, folder)
            write_file(CHECKSUMS, format_checksums(hashes), folder)
        staged.place(self._id.timestamp)
        self._committed = True

    def _drop(self, name: str) -> None:
        with explained(self._staged.path), open_folder(self._staged.root, self._staged.parts) as folder:
            remove_tree(name, folder)


class _Sink:
    """A file that hashes and counts what goes in."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes, /) -> int:
        with explained(self._path):
            write_all(self._descriptor, data)
        self._digest.update(data)
        self.size_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        with explained(self._path):
            os.fsync(self._descriptor)


def admit(name: str, backup: BackupId, files: Iterable[StoredFile]) -> None:
    """See that a file of that name may be added to a backup that has these."""
    reason = unsafe_reason(name)
    if not reason and ("\\" in name or name in (MANIFEST, CHECKSUMS)):  # sha256sum escapes backslashes
        reason = f"the name {name!r} is reserved"
    if not reason and name in {stored.name for stored in files}:
        reason = f"there is a file {name!r} already"
    if reason:
        raise RepositoryError(f"can't add a file to {backup}: {reason}")


def agree(manifest: Manifest, backup: BackupId, files: Iterable[StoredFile]) -> None:
    """See that a manifest is of a backup that has these files."""
    if manifest.id != backup or _by_name(manifest.files) != _by_name(files):
        raise RepositoryError(f"the manifest of {manifest.id} is not of what was written for {backup}")


def _by_name(files: Iterable[StoredFile]) -> list[StoredFile]:
    return sorted(files, key=lambda stored: stored.name)


def format_checksums(hashes: Mapping[str, str]) -> bytes:
    """Write what ``sha256sum -c`` reads."""
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)).encode()
