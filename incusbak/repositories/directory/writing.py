"""Write one backup as files in a folder aside, which is put in place whole."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...durable import create_file, explained, open_folder, remove_tree, write_all, write_file
from ...model.backups import Manifest
from ...model.refs import BackupId
from ...ports import Tell
from ..layout import CHECKSUMS, MANIFEST
from ..writing import Sink, Writer
from .staging import Staged


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
