"""``metadata.json``: what makes a folder a repository."""

import errno
import os
import secrets
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from ..codec import BadDocument, dump, load
from ..durable import (
    ASIDE,
    explained,
    make_folder,
    names_in,
    open_folder,
    read_file,
    remove_tree,
    replace_file,
    sync_folder,
    write_file,
)
from ..errors import Corrupt, RepositoryError, RepositoryMissing
from .layout import LOCK, METADATA, READING, STAGING, TRASH

FORMAT_VERSION = 1
_OURS = (LOCK, READING, STAGING, TRASH, ASIDE)
_OF_FILE_SYSTEMS = frozenset({"lost+found"})


@frozen
class Metadata:
    """``secret`` is the key, in hex, for hashes of sensitive values."""

    id: str
    created: datetime
    secret: str
    format_version: int = FORMAT_VERSION


class MetadataFile:
    """``metadata.json`` of one repository, parsed again only where its bytes are other ones."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._parsed: tuple[bytes, Metadata] | None = None

    def read(self) -> Metadata | None:
        """Read what the repository is; see ``read_metadata``."""
        text = _read(self._root)
        if text is None:
            return None
        if self._parsed is None or self._parsed[0] != text:
            self._parsed = text, parse_metadata(str(self._root / METADATA), text)
        return self._parsed[1]


def read_metadata(root: Path) -> Metadata | None:
    """Read what the repository is; None where there is none yet and one may be made.

    Raises:
        RepositoryMissing: there is none, and none may be made there.
        RepositoryError: it is of a newer format, or can't be read.
        Corrupt: ``metadata.json`` is damaged.
    """
    return MetadataFile(root).read()


def _read(root: Path) -> bytes | None:
    with explained(root):
        try:
            with open_folder(root) as folder:
                return read_file(METADATA, folder)
        except NotADirectoryError:
            raise RepositoryMissing(f"{root} is not a folder") from None
        except FileNotFoundError:
            if METADATA in (names := names_in(root)):  # somebody made it just now
                return _read(root)
            _refuse_foreign(root, names)
            return None


def make_metadata(root: Path, secret: bytes) -> Metadata:
    """Make the repository if there is none; of two who try at once, one succeeds and both get its result.

    Raises:
        RepositoryMissing, RepositoryError, Corrupt: see ``read_metadata``.
    """
    if found := read_metadata(root):
        return found
    made = Metadata(id=uuid.uuid4().hex, created=datetime.now(UTC), secret=secret.hex())
    make_root(root)
    with explained(root), open_folder(root) as folder:
        _put_first(dump(made).encode(), folder)
    return read_metadata(root) or made


def renew_metadata(root: Path) -> Metadata:
    """Put another id in the place of the present one, in one step.

    Raises:
        RepositoryMissing: there is no repository.
    """
    found = read_metadata(root)
    if found is None:
        raise RepositoryMissing(f"there is no repository at {root} yet")
    renewed = evolve(found, id=uuid.uuid4().hex)
    with explained(root), open_folder(root) as folder:
        replace_file(METADATA, dump(renewed).encode(), folder)
    return renewed


def make_root(root: Path) -> None:
    """Make the repository's own folder if it is missing; its parent must be there."""
    with explained(root):
        if not root.is_dir():
            with open_folder(root.parent) as parent, suppress(FileExistsError):
                make_folder(root.name, parent)


def _put_first(data: bytes, folder: int) -> None:
    """Put ``metadata.json`` in place whole, unless there is one by now."""
    aside = f"{ASIDE}{secrets.token_hex(8)}"
    try:
        write_file(aside, data, folder)
        try:
            os.link(aside, METADATA, src_dir_fd=folder, dst_dir_fd=folder)
        except FileExistsError:
            return
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
            os.rename(aside, METADATA, src_dir_fd=folder, dst_dir_fd=folder)  # no hard links there
    finally:
        remove_tree(aside, folder)
    sync_folder(folder)


def _refuse_foreign(root: Path, names: frozenset[str]) -> None:
    if not root.exists() and not root.parent.is_dir():
        raise RepositoryMissing(f"there is no repository at {root}: {root.parent} is not there")
    foreign = sorted(name for name in names - _OF_FILE_SYSTEMS if not name.startswith(_OURS))
    if foreign:
        some = ", ".join(repr(name) for name in foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise RepositoryMissing(
            f"there is no repository at {root}: it has no {METADATA} but holds other things ({some})",
            hint="check --target; a new repository needs an empty folder, or one that is not there yet",
        )


def parse_metadata(path: str, text: bytes) -> Metadata:
    """Read ``metadata.json``; see ``read_metadata``."""
    try:
        version = load(text, dict[str, Any]).get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise RepositoryError(
                f"{path} says format {version}, this version reads up to {FORMAT_VERSION}",
                hint="a newer incus-backup is needed",
            )
        found = load(text, Metadata)
        bytes.fromhex(found.secret)
    except (BadDocument, ValueError) as error:
        raise Corrupt(
            f"{path} is damaged: {error}", hint="restore it from a copy of the repository"
        ) from error
    return found
