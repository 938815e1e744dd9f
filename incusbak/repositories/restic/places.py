"""Where a restic repository is, in our words and in restic's."""

import os
import re
from pathlib import Path

from attrs import frozen

from ...durable import explained, names_in
from ...errors import RepositoryMissing, UsageError
from ..caller import absolute, place_word

_REMOTE = re.compile(r"(sftp|rest|s3|b2|azure|gs|swift|rclone):")
_WITH_PASSWORD = re.compile(r"://[^/@]*:[^/@]*@")
_OF_FILE_SYSTEMS = frozenset({"lost+found"})
_MADE_BY_INIT = frozenset({"keys", "data", "index", "locks", "snapshots"})


@frozen
class Place:
    """``name`` is what restic calls it; ``folder`` is where it is on this machine, if it is here."""

    name: str
    folder: Path | None = None

    @property
    def uri(self) -> str:
        return f"restic:{self.name}"

    @property
    def lock_name(self) -> str:
        """The same for all ways to write the same place."""
        return os.path.realpath(self.folder) if self.folder else self.name

    @property
    def word(self) -> str:
        """See ``ports.Repository.place``."""
        return place_word(self.folder) if self.folder else self.name.rstrip("/")

    def is_absent(self) -> bool:
        """Whether it is sure, without asking restic, that there is no repository yet and one may be made.

        Raises:
            RepositoryMissing: there is none, and none may be made there.
        """
        if self.folder is None:
            return False
        with explained(self.folder):
            if (self.folder / "config").is_file():
                return False
            _refuse_foreign(self.folder)
        return True


def read_place(text: str) -> Place:
    """Take what follows ``restic:`` in a URI.

    Raises:
        UsageError: it holds a password.
    """
    if _WITH_PASSWORD.search(text):
        raise UsageError(
            "the target holds a password; it would stand in plans, and those are kept",
            hint="leave it out and set RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD",
        )
    if _REMOTE.match(text):
        return Place(text)
    folder = absolute(text.removeprefix("local:"))
    return Place(str(folder), folder)


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        if not folder.parent.is_dir():
            raise RepositoryMissing(f"there is no repository at {folder}: {folder.parent} is not there")
        return
    if not folder.is_dir():
        raise RepositoryMissing(f"{folder} is not a folder")
    if names_in(folder, ("keys",)):
        raise RepositoryMissing(
            f"the restic repository at {folder} has keys but no config: never finished, or that is lost",
            hint="if nothing was ever stored there, remove the folder; else put its config back from a copy",
        )
    foreign = sorted(names_in(folder) - _OF_FILE_SYSTEMS - _MADE_BY_INIT)
    if foreign:
        some = ", ".join(repr(name) for name in foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise RepositoryMissing(
            f"there is no restic repository at {folder}: it holds other things ({some})",
            hint="check --target; a new repository needs an empty folder, or one that is not there yet",
        )
