"""Who of this machine may use a repository now, and whether room is still to be given back.

restic's own locks guard the data against other machines, whose runs do not see ours.
"""

import hashlib
import socket
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from ...durable import explained, make_path
from ..locking import Locks, Patience, Waiting

_FOLDER = "repositories"
_MACHINE_ID = Path("/etc/machine-id")


class Hold:
    """The locks of one repository on this machine, and whether room in the repository is to be given back.

    Args:
        state: this machine's folder for what runs must know of each other.
        name: of the repository, the same however it was written.
    """

    def __init__(self, state: Path, name: str, *, uri: str, command: str) -> None:
        short = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._lock = state / _FOLDER / f"{short}.lock"
        self._owed = state / _FOLDER / f"{short}.prune"
        self._locks = Locks(self._lock, state / _FOLDER / f"{short}.reading", uri, command=command)

    @property
    def machine(self) -> str:
        """A word for all who would take this lock."""
        try:
            identity = _MACHINE_ID.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            identity = ""
        words = f"{identity}\0{socket.gethostname()}\0{self._lock}"
        return hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def writing(self, patience: Patience) -> AbstractContextManager[None]:
        self._make_folder()
        return self._locks.writing(patience)

    def reading(self, patience: Patience) -> AbstractContextManager[None]:
        self._make_folder()
        return self._locks.reading(patience)

    def exclusive(self, *, waits: bool, waiting: Waiting = lambda: None) -> AbstractContextManager[None]:
        self._make_folder()
        return self._locks.exclusive(waits=waits, waiting=waiting)

    @property
    def is_owed(self) -> bool:
        """Whether some run did not get to give back the room of what it removed, or had not finished."""
        return self._owed.exists()

    def owe(self) -> None:
        """Note, for when this run is killed, that there may be something to give back."""
        with explained(self._owed):
            self._make_folder()
            self._owed.touch()

    def settle(self) -> None:
        with explained(self._owed), suppress(FileNotFoundError):
            self._owed.unlink()

    def _make_folder(self) -> None:
        with explained(self._lock.parent):
            make_path(self._lock.parent)
