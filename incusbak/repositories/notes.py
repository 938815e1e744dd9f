"""``notes/``: what was found out about backups, a small file each; the names alone tell most of it."""

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from attrs import frozen

from ..codec import BadDocument, dump, load
from ..durable import (
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
from ..model.notes import Note, Repute
from ..model.refs import BackupId, format_timestamp, parse_timestamp
from .layout import NOTES, folder_of, is_timestamp, place_of, resource_folders

_PINNED = "pinned"
_OF_REHEARSALS = ("rehearsed", "unfit")
VERDICTS = {"good": 0, "rehearsed": 0, "damaged": 1, "unfit": 1}
"""The words for what was found; of one second, the higher number counts."""
_NOTE = re.compile(rf"(\d{{8}}T\d{{6}}Z)-({'|'.join(VERDICTS)})-[0-9a-f]{{8}}\.json")


@frozen
class NoteFile:
    """One file of ``notes/``."""

    note: Note
    format_version: int = 1


class Notes:
    """The notes of one repository."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, note: Note) -> None:
        """Keep a note durably, under the time it is of."""
        name = f"{format_timestamp(note.at)}-{note.verdict}-{secrets.token_hex(4)}.json"
        self._put(note.backup, name, dump(NoteFile(note)).encode("utf-8", "surrogatepass"))

    def pin(self, backup: BackupId) -> None:
        self._put(backup, _PINNED, b"")

    def unpin(self, backup: BackupId) -> None:
        self._remove(backup, _PINNED)

    def forget(self, backup: BackupId) -> None:
        """Remove what is known of a backup that is gone for good, but how its rehearsals went."""
        parts = _parts(backup)
        with explained(self._root.joinpath(*parts)):
            if parts[-1] in names_in(self._root, parts[:-1]):
                names = [name for name in names_in(self._root, parts) if not _is_of_rehearsal(name)]
                with open_folder(self._root, parts) as folder:
                    for name in names:
                        remove_tree(name, folder)
                remove_empty_folders(self._root, parts, keep=0)

    def read(self, backup: BackupId) -> tuple[Note, ...]:
        """All notes of a backup, oldest first; one that can't be read says nothing."""
        parts = _parts(backup)
        with explained(self._root.joinpath(*parts)):
            names = sorted(filter(_NOTE.fullmatch, names_in(self._root, parts)))
            found = (self._read_one(parts, name) for name in names)
            return tuple(note for note in found if note is not None and note.backup == backup)

    def reputes(self) -> Mapping[BackupId, Repute]:
        """What the names of notes tell of the backups that have any."""
        with explained(self._root / NOTES):
            return dict(self._found())

    def _found(self) -> Iterator[tuple[BackupId, Repute]]:
        for ref, timestamps in resource_folders(self._root / NOTES):
            place = self._root.joinpath(NOTES, *folder_of(ref))
            for timestamp in filter(is_timestamp, timestamps):
                if names := _names(f"{place}/{timestamp}"):
                    yield BackupId(ref, timestamp), _repute(names)

    def _read_one(self, parts: tuple[str, ...], name: str) -> Note | None:
        try:
            with open_folder(self._root, parts) as folder:
                return load(read_file(name, folder), NoteFile).note
        except (OSError, BadDocument):
            return None

    def _put(self, backup: BackupId, name: str, data: bytes) -> None:
        parts = _parts(backup)
        with explained(self._root.joinpath(*parts, name)):
            make_folders(self._root, parts)
            with open_folder(self._root, parts) as folder:
                replace_file(name, data, folder)

    def _remove(self, backup: BackupId, name: str) -> None:
        parts = _parts(backup)
        with explained(self._root.joinpath(*parts, name)):
            if name in names_in(self._root, parts):
                with open_folder(self._root, parts) as folder:
                    os.unlink(name, dir_fd=folder)
                    sync_folder(folder)
                remove_empty_folders(self._root, parts, keep=0)


def _is_of_rehearsal(name: str) -> bool:
    return any(verdict in _OF_REHEARSALS for _, verdict in _verdicts([name]))


def _names(folder: str) -> list[str]:
    """List a folder by its path: many are looked at, and nothing is believed but what a name can tell."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - the quickest way
    except FileNotFoundError:  # the last note was removed just now
        return []


def _parts(backup: BackupId) -> tuple[str, ...]:
    return (NOTES, *place_of(backup))


def _repute(names: Iterable[str]) -> Repute:
    return repute_of(_verdicts(names), pinned=_PINNED in names)


def _verdicts(names: Iterable[str]) -> Iterator[tuple[datetime, str]]:
    matched = (match.groups() for name in names if (match := _NOTE.fullmatch(name)))
    return ((parse_timestamp(stamp), verdict) for stamp, verdict in matched)


def repute_of(verdicts: Iterable[tuple[datetime, str]], *, pinned: bool) -> Repute:
    """Sum up what was found out when; of one second, what is bad counts."""
    newest: dict[bool, tuple[datetime | None, str]] = {True: (None, ""), False: (None, "")}
    for moment, verdict in sorted(verdicts, key=lambda pair: (pair[0], VERDICTS[pair[1]])):
        newest[verdict in _OF_REHEARSALS] = moment, verdict
    (inspected, reading), (rehearsed, rehearsal) = newest[False], newest[True]
    return Repute(pinned, inspected, reading == "damaged", rehearsed, rehearsal == "unfit")
