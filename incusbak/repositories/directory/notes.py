"""``notes/``: what was found out about backups, a small file each; the names alone tell most of it.

Those of all backups of a resource lie in one folder, each under the timestamp of its backup.
"""

import os
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ...codec import BadDocument, dump, load
from ...durable import (
    explained,
    make_folders,
    names_in,
    open_folder,
    read_file,
    remove_empty_folders,
    remove_tree,
    replace_file,
    sync_folder,
)
from ...model.notes import BackupHealth, Note
from ...model.refs import BackupId, format_timestamp, parse_timestamp
from ..layout import NOTES, is_timestamp, place_of, resource_folders
from ..notes import REHEARSAL, VERDICTS, NoteFile, health_of, subject_of

_ATTEMPTS = 20
_PINNED = "pinned"
_NOTE = re.compile(rf"(\d{{8}}T\d{{6}}Z)-({'|'.join(VERDICTS)})-[0-9a-f]{{8}}\.json")


class Notes:
    """The notes of one repository."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, note: Note) -> None:
        """Keep a note durably, under the time it is of."""
        about = f"{format_timestamp(note.at)}-{note.verdict}-{secrets.token_hex(4)}.json"
        self._put(note.backup, about, dump(NoteFile(note)).encode("utf-8", "surrogatepass"))

    def pin(self, backup: BackupId) -> None:
        self._put(backup, _PINNED, b"")

    def unpin(self, backup: BackupId) -> None:
        self._remove(backup, lambda about: about == _PINNED)

    def forget(self, backup: BackupId) -> None:
        """Remove what is known of a backup that is gone for good, but how its rehearsals went."""
        self._remove(backup, lambda about: not _is_of_rehearsal(about))

    def read(self, backup: BackupId) -> tuple[Note, ...]:
        """All notes of a backup, oldest first; one that can't be read says nothing."""
        *parts, timestamp = _parts(backup)
        with explained(self._root.joinpath(*parts)):
            names = sorted(filter(_NOTE.fullmatch, _by_backup(names_in(self._root, parts))[timestamp]))
            found = (self._read_one(parts, f"{timestamp}-{name}") for name in names)
            return tuple(note for note in found if note is not None and note.backup == backup)

    def healths(self, at: datetime | None) -> Mapping[BackupId, BackupHealth]:
        """What the names of notes tell of the backups that have any, see ``Repository.catalog``."""
        with explained(self._root / NOTES):
            return dict(self._found(at))

    def _found(self, at: datetime | None) -> Iterator[tuple[BackupId, BackupHealth]]:
        for ref, place in resource_folders(self._root / NOTES):
            for timestamp, abouts in _by_backup(_names(place)).items():
                if is_timestamp(timestamp):
                    health = health_of(_verdicts(abouts), pinned=_PINNED in abouts, at=at)
                    yield BackupId(ref, timestamp), health

    def _read_one(self, parts: Sequence[str], name: str) -> Note | None:
        try:
            with open_folder(self._root, parts) as folder:
                return load(read_file(name, folder), NoteFile).note
        except (OSError, BadDocument):
            return None

    def _put(self, backup: BackupId, about: str, data: bytes) -> None:
        *parts, timestamp = _parts(backup)
        name = f"{timestamp}-{about}"
        with explained(self._root.joinpath(*parts, name)):
            for attempt in range(_ATTEMPTS):
                try:
                    self._write(parts, name, data)
                    return
                except FileNotFoundError:  # a neighbour removed the folder, which it found empty
                    if attempt == _ATTEMPTS - 1 or not self._root.is_dir():
                        raise

    def _write(self, parts: Sequence[str], name: str, data: bytes) -> None:
        """By way of the root, where what a killed run leaves is swept away."""
        make_folders(self._root, parts)
        with open_folder(self._root) as root, open_folder(self._root, parts) as folder:
            replace_file(name, data, folder, by_way_of=root)

    def _remove(self, backup: BackupId, is_meant: Callable[[str], bool]) -> None:
        *parts, timestamp = _parts(backup)
        with explained(self._root.joinpath(*parts)), suppress(FileNotFoundError):  # a neighbour removed all
            if abouts := list(filter(is_meant, _by_backup(names_in(self._root, parts))[timestamp])):
                with open_folder(self._root, parts) as folder:
                    for about in abouts:
                        remove_tree(f"{timestamp}-{about}", folder)
                    sync_folder(folder)
                remove_empty_folders(self._root, parts, keep=0)


def _by_backup(names: Iterable[str]) -> Mapping[str, list[str]]:
    """Sort names by the timestamp they begin with; what follows tells what the note is about."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        timestamp, _, about = name.partition("-")
        found[timestamp].append(about)
    return found


def _is_of_rehearsal(about: str) -> bool:
    return any(subject_of(verdict) == REHEARSAL for _, verdict in _verdicts([about]))


def _names(folder: str) -> list[str]:
    """List a folder by its path: many are looked at, and nothing is believed but what a name can tell."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - the quickest way
    except FileNotFoundError:  # the last note was removed just now
        return []


def _parts(backup: BackupId) -> tuple[str, ...]:
    return (NOTES, *place_of(backup))


def _verdicts(abouts: Iterable[str]) -> Iterator[tuple[datetime, str]]:
    matched = (match.groups() for about in abouts if (match := _NOTE.fullmatch(about)))
    return ((parse_timestamp(stamp), verdict) for stamp, verdict in matched)
