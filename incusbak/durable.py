"""Files that survive a power cut: written aside, flushed, renamed; private by default, whatever the umask.

All names are taken relative to an open folder, and no symbolic link below the root is followed.
The functions raise ``OSError``; ``explained`` turns that into a ``RepositoryError`` with path and reason.
"""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import RepositoryError

CHUNK_BYTES = 256 * 1024
SMALL_BYTES = 16 << 20
"""What is read whole is no larger."""
ASIDE = ".new-"
"""How the names of files begin that are not in place yet; a killed process may leave one."""
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_GONE = (
    errno.EIO,
    errno.ENXIO,
    errno.ENODEV,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.EHOSTDOWN,
    errno.ETIMEDOUT,
    errno.EUCLEAN,
    errno.EBADMSG,
)
"""What a disk answers that fails, or is not there any more."""
_REASONS = {
    errno.ENOSPC: ("no space left on {path}", "make room there, then run the command again"),
    errno.EDQUOT: ("the disk quota is used up on {path}", "make room there, then run the command again"),
    errno.EROFS: ("{path} is read-only", "mount it writable, or use another --target"),
    errno.EACCES: ("{path}: not permitted", "run as the user who owns it"),
    errno.EPERM: ("{path}: not permitted", "run as the user who owns it"),
    **dict.fromkeys(
        _GONE,
        (
            "{path} can't be read or written: {reason}",
            "see what the disk is about (the kernel's log, the mount), then run the command again",
        ),
    ),
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the body into a ``RepositoryError`` that names the path, or what is below it."""
    try:
        yield
    except OSError as error:
        known, hint = _REASONS.get(error.errno or 0, ("{path}: {reason}", ""))
        reason = error.strerror or str(error)
        below = isinstance(error.filename, str) and error.filename.startswith(f"{path}/")
        place = error.filename if below else path
        raise RepositoryError(known.format(path=place, reason=reason), hint=hint) from error


# -- folders ----------------------------------------------------------------------------------------


@contextmanager
def open_folder(root: Path, parts: Sequence[str] = ()) -> Iterator[int]:
    """Open a folder below ``root``; a symbolic link on the way is an error (ELOOP or ENOTDIR)."""
    descriptor = os.open(root, _AS_FOLDER)
    try:
        for part in parts:
            inner = os.open(part, _AS_FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def make_folder(name: str, folder: int) -> None:
    """Make one private folder durably.

    Raises:
        FileExistsError: there is something of that name.
    """
    os.mkdir(name, _FOLDER_MODE, dir_fd=folder)
    if os.stat(name, dir_fd=folder).st_mode & 0o777 != _FOLDER_MODE:
        with suppress(PermissionError):  # vfat and some network mounts have no modes
            os.chmod(name, _FOLDER_MODE, dir_fd=folder)
    sync_folder(folder)


def make_folders(root: Path, parts: Sequence[str]) -> int:
    """Make the folders of a path below ``root`` where missing.

    Returns:
        How many of ``parts`` were there before; on failure none of the others remains.
    """
    there = len(parts)
    try:
        for depth, part in enumerate(parts):
            with open_folder(root, parts[:depth]) as folder, suppress(FileExistsError):
                make_folder(part, folder)
                there = min(there, depth)
    except BaseException:
        remove_empty_folders(root, parts, keep=there)
        raise
    return there


def make_path(path: Path) -> None:
    """Make a folder and what is missing above it, all private."""
    missing = [step for step in (path, *path.parents) if not step.exists()]
    for step in reversed(missing):
        with open_folder(step.parent) as folder, suppress(FileExistsError):
            make_folder(step.name, folder)


def remove_empty_folders(root: Path, parts: Sequence[str], *, keep: int) -> None:
    """Remove the folders of a path, deepest first, as far as they are empty and deeper than ``keep``."""
    with suppress(OSError):
        for depth in range(len(parts), keep, -1):
            with open_folder(root, parts[: depth - 1]) as folder:
                os.rmdir(parts[depth - 1], dir_fd=folder)


def names_in(root: Path, parts: Sequence[str] = ()) -> frozenset[str]:
    """List a folder; one that is not there (any more) holds nothing."""
    try:
        with open_folder(root, parts) as folder:
            return entries_of(folder)
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return frozenset()
        raise


def entries_of(folder: int) -> frozenset[str]:
    """List an open folder."""
    with os.scandir(folder) as entries:
        return frozenset(entry.name for entry in entries)


def remove_tree(name: str, folder: int) -> None:
    """Remove a file or a folder with all it holds; fine if there is none."""
    try:
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def sync_folder(folder: int) -> None:
    """Flush a folder's entries to the disk."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EROFS):  # some network mounts can't flush a folder
            raise


# -- files ------------------------------------------------------------------------------------------


def create_file(name: str, folder: int, *, mode: int = _FILE_MODE) -> int:
    """Create a file for writing, private unless told otherwise; the caller closes the descriptor."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(name, flags, mode, dir_fd=folder)
    _give_mode(descriptor, mode)
    return descriptor


def make_private(descriptor: int) -> None:
    """Give an open file the mode 0600 where an older version left another."""
    _give_mode(descriptor, _FILE_MODE)


def _give_mode(descriptor: int, mode: int) -> None:
    """Give an open file its mode where the umask left another."""
    if os.fstat(descriptor).st_mode & 0o777 != mode:
        with suppress(PermissionError):  # see make_folder
            os.fchmod(descriptor, mode)


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, in as many calls as the kernel wants."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_file(name: str, data: bytes, folder: int, *, mode: int = _FILE_MODE) -> None:
    """Write a new file and flush it."""
    descriptor = create_file(name, folder, mode=mode)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(
    name: str, data: bytes, folder: int, *, mode: int = _FILE_MODE, by_way_of: int | None = None
) -> None:
    """Put a file in place in one step: readers see the old content or the new.

    Args:
        by_way_of: the folder of the same disk in which it is written first, if that is another one.
    """
    aside, at = f"{ASIDE}{secrets.token_hex(8)}", folder if by_way_of is None else by_way_of
    try:
        write_file(aside, data, at, mode=mode)
        os.rename(aside, name, src_dir_fd=at, dst_dir_fd=folder)
    except BaseException:
        remove_tree(aside, at)
        raise
    sync_folder(folder)


def open_regular(name: str, folder: int) -> int:
    """Open a file for reading; the caller closes the descriptor.

    Raises:
        OSError: ELOOP for a symbolic link, EINVAL for anything else that is not a regular file.
    """
    if stat.S_ISSOCK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", name)  # ENXIO, as if the disk were gone
    # O_NONBLOCK: opening a named pipe would wait for its writer
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", name)
    return descriptor


def read_file(name: str, folder: int) -> bytes:
    """Read a small file whole.

    Raises:
        OSError: see ``open_regular``; EFBIG for one that is not small.
    """
    with open(open_regular(name, folder), "rb") as file:
        if os.fstat(file.fileno()).st_size > SMALL_BYTES:
            raise OSError(errno.EFBIG, f"larger than {SMALL_BYTES >> 20} MiB", name)
        return file.read(SMALL_BYTES)
