"""Folders that belong to a living process.

A crashed run cannot tidy up after itself, and a process id may be taken by
somebody else by the time anyone looks.  A lock cannot: the kernel drops it
with its holder.  So each folder has a lock file beside it, and a folder
whose lock is free is waste.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO


class Claim:
    """A new folder `path` in `base`, marked as in use until `release`."""

    def __init__(self, base: Path) -> None:
        base.mkdir(parents=True, exist_ok=True)
        base.chmod(0o711)  # the users of unprivileged containers pass through here
        with _guard(base):
            self.path = base / f"p{secrets.token_hex(4)}"
            self._lock = _try_lock(_lock_file(self.path))
            self.path.mkdir(mode=0o711)

    def release(self) -> None:
        """Give up the folder, which the caller has removed."""
        _lock_file(self.path).unlink(missing_ok=True)
        if self._lock:
            self._lock.close()


def reap(base: Path, remove: Callable[[Path], None]) -> list[str]:
    """Call `remove` for each folder whose owner is dead; say which they were."""
    gone: list[str] = []
    if not base.is_dir():
        return gone
    with _guard(base):
        for file in sorted(base.glob(".p*.lock")):
            lock = _try_lock(file)
            if lock is None:
                continue
            folder = file.with_name(file.stem[1:])
            if folder.is_dir():
                remove(folder)
                gone.append(folder.name)
            file.unlink()
            lock.close()
    return gone


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def _try_lock(path: Path) -> IO[str] | None:
    """Lock a file, or return None if somebody has it.  Children do not inherit it."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@contextlib.contextmanager
def _guard(base: Path) -> Iterator[None]:
    """Keep a reaper away from a folder that is being made."""
    handle = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
