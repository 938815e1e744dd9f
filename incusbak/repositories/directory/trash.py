"""``removed/``: backups that were removed, for as long as that can be taken back.

A folder keeps its place below and its name, followed by the time of its removal.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from ...durable import explained, make_folders, names_in, open_folder, remove_empty_folders, sync_folder
from ...errors import NoSuchBackup, RepositoryError
from ...model.refs import BackupId, format_timestamp, parse_timestamp
from ..layout import REMOVED, is_folder, is_timestamp, place_of, resource_folders, subfolders
from .staging import retire

_ATTEMPTS = 20


class Trash:
    """The removed backups of one repository. Only for the writer, who keeps readers out for ``put``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, backup: BackupId, at: datetime) -> None:
        """Move a backup out of sight, in one step. Fine if there is none."""
        *parents, name = place_of(backup)
        with explained(self._root.joinpath(*parents, name)):
            if name in names_in(self._root, parents):
                self._move(tuple(parents), name, (REMOVED, *parents), self._free_name(backup, at))
                remove_empty_folders(self._root, parents, keep=1)

    def take_back(self, backup: BackupId) -> None:
        """Make a removed backup visible again, the one removed last.

        Raises:
            NoSuchBackup: none was removed, or it is gone for good.
            RepositoryError: there is one by that name.
        """
        *parents, name = place_of(backup)
        removed = self._names(backup)
        if not removed:
            raise NoSuchBackup(
                f"{backup} is not among the removed backups",
                hint="`incus-backup list all --removed` shows what can be taken back",
            )
        with explained(self._root.joinpath(*parents, name)):
            if name in names_in(self._root, parents):
                raise RepositoryError(f"{backup} is there already")
            self._move((REMOVED, *parents), removed[-1], tuple(parents), name)
            remove_empty_folders(self._root, (REMOVED, *parents), keep=0)

    def purge(self, backup: BackupId) -> None:
        """Remove for good what was removed. Fine if there is none."""
        *parents, _ = place_of(backup)
        for name in self._names(backup):
            retire(self._root, (REMOVED, *parents), name)
        remove_empty_folders(self._root, (REMOVED, *parents), keep=0)

    def content(self) -> Mapping[BackupId, datetime]:
        """What was removed, and when."""
        with explained(self._root / REMOVED):
            return dict(self._found())

    def _found(self) -> Iterator[tuple[BackupId, datetime]]:
        for ref, place in resource_folders(self._root / REMOVED):
            for name in sorted(subfolders(place)):
                timestamp, dash, at = name.partition("-")
                if dash and is_timestamp(timestamp) and is_timestamp(at):
                    yield BackupId(ref, timestamp), parse_timestamp(at)

    def _free_name(self, backup: BackupId, at: datetime) -> str:
        """One that no earlier removal of the same backup has."""
        while (name := f"{backup.timestamp}-{format_timestamp(at)}") in self._names(backup):
            at += timedelta(seconds=1)
        return name

    def _names(self, backup: BackupId) -> list[str]:
        *parents, timestamp = place_of(backup)
        names = names_in(self._root, (REMOVED, *parents))
        return sorted(name for name in names if name.startswith(f"{timestamp}-"))

    def _move(self, source: tuple[str, ...], name: str, target: tuple[str, ...], new: str) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                self._move_once(source, name, target, new)
                return
            except FileNotFoundError:  # a neighbour removed the folder, which it found empty
                if attempt == _ATTEMPTS - 1 or name not in names_in(self._root, source):
                    raise

    def _move_once(self, source: tuple[str, ...], name: str, target: tuple[str, ...], new: str) -> None:
        make_folders(self._root, target)
        with open_folder(self._root, source) as old, open_folder(self._root, target) as there:
            if not is_folder(name, old):
                raise RepositoryError(f"{self._root.joinpath(*source, name)} is not a folder")
            os.rename(name, new, src_dir_fd=old, dst_dir_fd=there)
            sync_folder(there)
            sync_folder(old)
