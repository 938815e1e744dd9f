"""Read one backup of a directory repository, believing nothing that was not checked."""

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..codec import BadDocument, from_data, load
from ..durable import CHUNK_BYTES, SMALL_BYTES, explained, open_folder, open_regular, read_file
from ..errors import Corrupt, NoSuchBackup, RepositoryError
from ..model import forms
from ..model.backups import Manifest, StoredFile, StoredManifest
from ..model.refs import BackupId, unsafe_reason
from .layout import CHECKSUMS, MANIFEST, place_of

FORMAT_VERSION = 1
_CHECKSUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_DAMAGE = {
    errno.ENOENT: "is missing",
    errno.ELOOP: "is a symbolic link",
    errno.EINVAL: "is not a regular file",
    errno.EISDIR: "is not a regular file",
    errno.EFBIG: f"is larger than {SMALL_BYTES >> 20} MiB, which none is; it was not read",
}
"""What says that something else is there than was stored. That a disk can't be read says nothing of it."""
_NOT_A_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@contextmanager
def open_backup(root: Path, backup: BackupId) -> Iterator[int]:
    """Open a backup's folder.

    Raises:
        NoSuchBackup: there is none; a symbolic link is none.
    """
    parts = place_of(backup)
    with ExitStack() as stack:
        with explained(root.joinpath(*parts)):
            try:
                folder = stack.enter_context(open_folder(root, parts))
            except OSError as error:
                if error.errno in _NOT_A_FOLDER:
                    raise NoSuchBackup(f"{root} holds no backup {backup}") from error
                raise
        yield folder


def read_manifest(backup: BackupId, folder: int) -> StoredManifest:
    """Read and check ``manifest.json`` and ``checksums.txt``."""
    hashes = _parse_checksums(backup, _read(backup, CHECKSUMS, folder))
    data = _read(backup, MANIFEST, folder)
    digest = hashlib.sha256(data).hexdigest()
    if MANIFEST not in hashes:
        raise damaged(backup, CHECKSUMS, f"does not list {MANIFEST}")
    if hashes[MANIFEST] != digest:
        raise damaged(backup, MANIFEST, f"was changed: its SHA-256 is not the one in {CHECKSUMS}")
    manifest = parse_manifest(backup, data)
    _compare(backup, manifest, hashes)
    return StoredManifest(manifest, digest)


def check_sizes(backup: BackupId, files: tuple[StoredFile, ...], folder: int) -> None:
    """Compare the sizes of all files; cheap, so done before any is hashed."""
    for stored in files:
        with open_stored(backup, stored.name, folder) as descriptor:
            _check_size(backup, stored, os.fstat(descriptor).st_size)


@contextmanager
def open_stored(backup: BackupId, name: str, folder: int) -> Iterator[int]:
    """Open a file that must be there.

    Raises:
        Corrupt: it is not, or is not a regular file.
    """
    with _readable(backup, name):
        descriptor = open_regular(name, folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def verified_chunks(backup: BackupId, stored: StoredFile, descriptor: int) -> Iterator[bytes]:
    """Stream a file; the last chunk is handed out only if all of them were what was stored.

    Raises:
        Corrupt: they were not.
    """
    _check_size(backup, stored, os.fstat(descriptor).st_size)
    yield from verified(backup, stored, iter(lambda: _read_chunk(backup, stored.name, descriptor), b""))


def verified(backup: BackupId, stored: StoredFile, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on the chunks of a file, the last one only if all of them were what was stored.

    Raises:
        Corrupt: they were not.
    """
    digest = hashlib.sha256()
    size = 0
    held = b""
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if held:
            yield held
        held = chunk
    _check_size(backup, stored, size)
    if digest.hexdigest() != stored.sha256:
        raise damaged(backup, stored.name, "was changed: its SHA-256 is not the one it was stored with")
    if held:
        yield held


def damaged(backup: BackupId, name: str, what: str) -> Corrupt:
    return Corrupt(f"{backup}: {name} {what}")


def _check_size(backup: BackupId, stored: StoredFile, size_bytes: int) -> None:
    if size_bytes != stored.size_bytes:
        what = f"has {size_bytes} bytes, {stored.size_bytes} were stored"
        raise damaged(backup, stored.name, what)


def _read(backup: BackupId, name: str, folder: int) -> bytes:
    with _readable(backup, name):
        return read_file(name, folder)


def _read_chunk(backup: BackupId, name: str, descriptor: int) -> bytes:
    with explained(Path(backup.address, name)):
        return os.read(descriptor, CHUNK_BYTES)


@contextmanager
def _readable(backup: BackupId, name: str) -> Iterator[None]:
    with explained(Path(backup.address, name)):
        try:
            yield
        except OSError as error:
            if error.errno in _DAMAGE:
                raise damaged(backup, name, _DAMAGE[error.errno]) from error
            raise


def _parse_checksums(backup: BackupId, data: bytes) -> dict[str, str]:
    hashes: dict[str, str] = {}
    lines = data.decode("utf-8", "replace").split("\n")
    if lines.pop():
        raise damaged(backup, CHECKSUMS, "is cut: its last line has no end")
    for number, line in enumerate(lines, start=1):
        matched = _CHECKSUM_LINE.fullmatch(line)
        if not matched or unsafe_reason(matched[2]) or matched[2] in hashes:
            raise damaged(backup, CHECKSUMS, f"line {number} is not the hash and name of one more file")
        hashes[matched[2]] = matched[1]
    if not hashes:
        raise damaged(backup, CHECKSUMS, "is empty")
    return hashes


def parse_manifest(backup: BackupId, data: bytes) -> Manifest:
    """Read a manifest of a format this version knows, whosever it is."""
    try:
        parsed = load(data, dict[str, Any])
        version = parsed.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise RepositoryError(
                f"{backup}: {MANIFEST} says format {version}, this version reads up to {FORMAT_VERSION}",
                hint="a newer incus-backup is needed",
            )
        forms.no_halves(parsed, "$")
        manifest = from_data(parsed, Manifest)
        _check_captured(manifest)
    except BadDocument as error:
        raise damaged(backup, MANIFEST, f"can't be understood: {error}") from error
    return manifest


def _check_captured(manifest: Manifest) -> None:
    """See that what a server said of the resource is of the form that commands rely on.

    Raises:
        BadDocument: it is not.
    """
    captured, kind = manifest.captured, manifest.id.ref.kind
    if kind not in forms.CAPTURED:
        raise BadDocument(f"$.id: there are no backups of {manifest.id.ref}")
    sizes = (captured.content_bytes, captured.data_bytes, captured.own_bytes, *captured.elsewhere.values())
    if any(size is not None and size < 0 for size in (*sizes, *(each.size_bytes for each in manifest.files))):
        raise BadDocument("$: a size is below nothing")
    forms.CAPTURED[kind](captured.resource, "$.captured.resource")
    forms.list_of(forms.document_with("name"))(captured.snapshots, "$.captured.snapshots")
    forms.map_of(forms.document_with("name"))(captured.volumes, "$.captured.volumes")


def _compare(backup: BackupId, manifest: Manifest, hashes: Mapping[str, str]) -> None:
    if manifest.id != backup:
        raise damaged(backup, MANIFEST, f"is of another backup, {manifest.id}")
    names = [stored.name for stored in manifest.files]
    if sorted((*names, MANIFEST)) != sorted(hashes):
        raise damaged(backup, CHECKSUMS, f"does not list the files that {MANIFEST} does")
    for stored in manifest.files:
        if hashes[stored.name] != stored.sha256:
            raise damaged(backup, CHECKSUMS, f"has another SHA-256 for {stored.name} than {MANIFEST}")
