"""Who opens a repository, and how a path is meant."""

import os
from pathlib import Path

from attrs import frozen


@frozen
class Caller:
    """The process that opens a repository.

    ``command``: what it is running, for those who find the repository locked. ``state``: this machine's
    folder for what runs must know of each other, for repositories that can't keep a lock with the backups.
    ``patience_seconds``: how long a connection that broke is tried again.
    """

    command: str = ""
    state: Path = Path()
    patience_seconds: float = 60.0


def place_word(folder: Path) -> str:
    """A word for a folder: the same by whatever links and mounts it is reached; a path if it is not there."""
    try:
        found = folder.stat()
    except OSError:
        return f"path {os.path.realpath(folder)}"
    return f"folder {found.st_dev}:{found.st_ino}"


def absolute(place: str) -> Path:
    """Take a path as written by the user; relative ones are to the present folder."""
    path = os.path.normpath(Path.cwd() / Path(place).expanduser())  # links stay: they may move with the disk
    return Path("/" + path.lstrip("/"))
