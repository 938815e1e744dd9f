"""Who may use a repository now: ``flock`` on a file, which the kernel frees when the holder dies."""

import errno
import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ..codec import BadDocument, dump, load
from ..durable import explained, make_private, write_all
from ..errors import RepositoryLocked
from ..model.backups import LockHolder

Waiting = Callable[[], object]
"""Called now and then while others are waited for; what it raises ends that."""

_POLL_SECONDS, _MOMENT_SECONDS = 0.2, 30.0
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Patience:
    """How many seconds to wait for others in all, however often they are in the way."""

    def __init__(self, seconds: float = 0) -> None:
        self.left = seconds

    @contextmanager
    def spent(self) -> Iterator[float]:
        """Wait in the body; get what is left for it."""
        begun = time.monotonic()
        try:
            yield self.left
        finally:
            self.left = max(0.0, self.left - (time.monotonic() - begun))


class Locks:
    """The locks of one repository: readers hold it together, beside one writer at most.

    What readers see is only added to meanwhile: to take something out of sight the writer keeps them out.

    Args:
        writer, readers: lock files.
        what: what the repository is called.
        command: what this process is running, for those who find the repository locked.
    """

    def __init__(self, writer: Path, readers: Path, what: str, *, command: str) -> None:
        self._writer, self._readers, self._what, self._command = writer, readers, what, command
        self._patience = Patience()
        self._one_at_a_time = threading.Lock()

    @contextmanager
    def writing(self, patience: Patience) -> Iterator[None]:
        """Hold it as the one writer; see ``hold_exclusive``."""
        with hold_exclusive(self._writer, self._what, command=self._command, patience=patience):
            self._patience = patience
            yield

    def reading(self, patience: Patience) -> AbstractContextManager[None]:
        """Hold it as one of the readers, see ``hold_shared``; what keeps them out mostly takes a moment."""
        longer = Patience(max(patience.left, _MOMENT_SECONDS))
        return hold_shared(self._readers, self._what, patience=longer)

    @contextmanager
    def exclusive(self, *, waits: bool, waiting: Waiting = lambda: None) -> Iterator[None]:
        """As a writer, keep readers out; wait for them as long as for another writer, or not at all.

        Raises:
            RepositoryLocked: somebody reads.
        """
        patience = self._patience if waits else Patience()
        with (
            self._one_at_a_time,
            hold_exclusive(
                self._readers, self._what, command=self._command, patience=patience, waiting=waiting
            ),
        ):
            yield


@contextmanager
def hold_exclusive(
    path: Path, what: str, *, command: str, patience: Patience, waiting: Waiting = lambda: None
) -> Iterator[None]:
    """Hold a lock alone; say so in its file, for those who find it held.

    Args:
        path: the lock file.
        what: what the repository is called.

    Raises:
        RepositoryLocked: held by another, and patience is at an end.
        RepositoryError: it can't be written to.
    """
    with explained(path.parent):
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        with explained(path.parent):
            make_private(lock)
            _acquire(lock, fcntl.LOCK_EX, what, patience, waiting)
            holder = LockHolder(socket.gethostname(), os.getpid(), command, datetime.now(UTC))
            _overwrite(lock, dump(holder).encode())
        try:
            yield
        finally:
            with suppress(OSError):  # the lock is what the kernel knows; what was done is done all the same
                os.ftruncate(lock, 0)
    finally:
        os.close(lock)


@contextmanager
def hold_shared(path: Path, what: str, *, patience: Patience) -> Iterator[None]:
    """Hold a lock with others; where nobody could write its file, without one.

    Raises:
        RepositoryLocked: held by one alone, and patience is at an end.
    """
    with explained(path.parent):
        lock, writable = _open_shared(path)
    if lock is None:
        yield
        return
    try:
        with explained(path.parent):
            _acquire(lock, fcntl.LOCK_SH, what, patience)
            if writable:
                os.ftruncate(lock, 0)  # what is written there is of one that was killed
        yield
    finally:
        os.close(lock)


def _open_shared(path: Path) -> tuple[int | None, bool]:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        try:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW), False
        except FileNotFoundError:
            return None, False
    make_private(lock)
    return lock, True


def _acquire(lock: int, how: int, what: str, patience: Patience, waiting: Waiting = lambda: None) -> None:
    while True:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if patience.left <= 0:
                raise RepositoryLocked(f"{what} is locked: {_holder(lock)}") from None
        waiting()
        with patience.spent() as left:
            time.sleep(min(_POLL_SECONDS, left))


def _holder(lock: int) -> str:
    try:
        holder = load(os.pread(lock, 65536, 0), LockHolder)
    except (BadDocument, OSError):  # empty while there are only readers
        return "another run is using it"
    since = holder.since.strftime("%Y-%m-%d %H:%M:%S UTC")
    command = f"`{holder.command}`" if holder.command else "another run"
    return f"{command} (pid {holder.pid} on {holder.host}) holds it since {since}"


def _overwrite(lock: int, data: bytes) -> None:
    """Where the disk is full nobody is named: it is no reason not to make room."""
    os.ftruncate(lock, 0)
    os.lseek(lock, 0, os.SEEK_SET)
    try:
        write_all(lock, data)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        os.ftruncate(lock, 0)
