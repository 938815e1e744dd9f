"""What the snapshots of a repository are, by their tags alone.

Each snapshot holds one file. Its tags, ``key=value``, tell all that a catalog needs; the value is
percent-encoded where restic or a person could misread it. Other people's snapshots are none of ours.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from attrs import field, frozen

from ...errors import RepositoryError
from ...model.refs import BackupId, BadAddress, parse_backup_id, parse_timestamp
from ..notes import subject_of

MARK = "incus-backup"
METADATA, MANIFEST, FILE = "metadata", "manifest", "file"
REMOVED, PINNED, NOTE, RUN, INDEX = "removed", "pinned", "note", "run", "index"
_SAFE = "/@:.+-_"
_KEPT_NOTES, _MANY_NOTES = 3, 12
_KEPT_RUNS, _MANY_RUNS = 500, 1000
_FRACTION = re.compile(r"\.(\d{1,6})\d*")


@frozen
class Snapshot:
    """One snapshot of ours.

    ``type``: metadata, manifest, file, removed, pinned, note, run or index. ``token``: a random word that all
    of one attempt at a backup have in common. ``machine``: who made it.
    """

    id: str
    taken: datetime
    tags: tuple[tuple[str, str], ...]

    def value(self, key: str) -> str:
        """The first value of a tag, empty if there is none."""
        return next((value for name, value in self.tags if name == key), "")

    def values(self, key: str) -> tuple[str, ...]:
        return tuple(value for name, value in self.tags if name == key)

    @property
    def type(self) -> str:
        return self.value("type")

    @property
    def token(self) -> str:
        return self.value("token")

    @property
    def machine(self) -> str:
        return self.value("machine")

    @property
    def backup(self) -> BackupId | None:
        """What it belongs to; None for what is of no backup, or names none that could be."""
        try:
            return parse_backup_id(self.value("backup"))
        except BadAddress:
            return None

    def number(self, key: str) -> int:
        """A value that is a number, 0 if it is none."""
        value = self.value(key)
        return int(value) if value.isascii() and value.isdigit() else 0

    def moment(self, key: str) -> datetime | None:
        try:
            return parse_timestamp(self.value(key))
        except BadAddress:
            return None


def tagged(tags: Iterable[tuple[str, str]]) -> list[str]:
    """Write tags as arguments of ``restic backup``."""
    return [f"--tag={word}" for word in (MARK, *(f"{key}={quote(value, safe=_SAFE)}" for key, value in tags))]


def parse_snapshots(answer: bytes) -> tuple[Snapshot, ...]:
    """Read what ``restic snapshots --json`` says, oldest first; what is not ours is left out."""
    try:
        found = json.loads(answer or b"null") or []
        ours = [_snapshot(each) for each in found if MARK in (each.get("tags") or ())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RepositoryError(f"restic's list of snapshots can't be understood: {error}") from error
    return tuple(sorted(ours, key=lambda snapshot: (snapshot.taken, snapshot.id)))


def _snapshot(each: dict[str, Any]) -> Snapshot:
    pairs = (str(tag).partition("=") for tag in each["tags"])
    taken = datetime.fromisoformat(_FRACTION.sub(r".\1", each["time"])).astimezone(UTC)
    return Snapshot(each["id"], taken, tuple((key, unquote(value)) for key, eq, value in pairs if eq))


@frozen
class Shelf:
    """The snapshots of one repository that are ours, oldest first, looked at in several ways."""

    all: tuple[Snapshot, ...]
    _by_type: dict[str, list[Snapshot]] = field(init=False, factory=dict)
    _by_token: dict[str, list[Snapshot]] = field(init=False, factory=dict)
    _by_backup: dict[tuple[str, str], list[Snapshot]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        for snapshot in self.all:
            self._by_type.setdefault(snapshot.type, []).append(snapshot)
            self._by_backup.setdefault((snapshot.type, snapshot.value("backup")), []).append(snapshot)
            if snapshot.token:
                self._by_token.setdefault(snapshot.token, []).append(snapshot)

    def of_type(self, type_: str) -> tuple[Snapshot, ...]:
        return tuple(self._by_type.get(type_, ()))

    def of_token(self, token: str) -> tuple[Snapshot, ...]:
        return tuple(self._by_token.get(token, ()))

    @property
    def metadata(self) -> Snapshot | None:
        """What made it a repository of ours; the first, should two machines have made it at once.

        If it was given another id since, what says so.
        """
        made = [each for each in self.of_type(METADATA) if not each.value("supersedes")]
        later = {each.value("supersedes"): each for each in reversed(self.of_type(METADATA))}
        found = next(iter(made), None)
        while found and (renewed := later.pop(found.value("repository"), None)):
            found = renewed
        return found

    def manifests(self, backup: BackupId) -> tuple[Snapshot, ...]:
        """The manifests of a backup that is in sight; more than one only if two machines made it at once."""
        return tuple(m for m in self._of(backup, MANIFEST) if self.removal(m.token) is None)

    def removed(self, backup: BackupId) -> tuple[Snapshot, ...]:
        """The manifests of backups of that name that were removed, the one removed last at the end."""
        found = [(at, m) for m in self._of(backup, MANIFEST) if (at := self.removal(m.token)) is not None]
        return tuple(manifest for _, manifest in sorted(found, key=lambda pair: pair[0]))

    def lacks_files(self, manifest: Snapshot) -> bool:
        """Whether files of a backup are gone: somebody forgot their snapshots."""
        there = {
            snapshot.value("part") for snapshot in self.of_token(manifest.token) if snapshot.type == FILE
        }
        return not there.issuperset(manifest.values("part"))

    def removal(self, token: str) -> datetime | None:
        """When what has this token was removed."""
        moments = (s.moment("at") for s in self.of_token(token) if s.type == REMOVED)
        return max((moment for moment in moments if moment), default=None)

    def about(self, backup: BackupId, type_: str) -> tuple[Snapshot, ...]:
        """The notes, or pins, of a backup."""
        return tuple(self._of(backup, type_))

    def orphans(self) -> Iterator[Snapshot]:
        """What belongs to a backup that has no manifest: it was never finished, or is gone for good."""
        whole = {snapshot.token for snapshot in self.of_type(MANIFEST)}
        for type_ in (FILE, REMOVED):
            yield from (snapshot for snapshot in self.of_type(type_) if snapshot.token not in whole)

    def superseded(self) -> Iterator[Snapshot]:
        """What has long been overtaken by later findings and runs, which all cost time to list.

        Of each backup that was inspected or rehearsed many times, the last findings stay; of runs that
        restored nothing, the last hundreds.
        """
        groups: dict[tuple[str, str], list[Snapshot]] = {}
        for note in self.of_type(NOTE):
            subject = subject_of(note.value("verdict"))
            groups.setdefault((note.value("backup"), subject), []).append(note)
        for notes in groups.values():
            if len(notes) > _MANY_NOTES:
                yield from sorted(notes, key=lambda note: (note.value("at"), note.taken))[:-_KEPT_NOTES]
        runs = [run for run in self.of_type(RUN) if not run.value("restored")]
        if len(runs) > _MANY_RUNS:
            yield from runs[:-_KEPT_RUNS]

    def with_one(self, snapshot: Snapshot) -> "Shelf":
        return Shelf((*self.all, snapshot))

    def without(self, ids: frozenset[str]) -> "Shelf":
        return Shelf(tuple(snapshot for snapshot in self.all if snapshot.id not in ids))

    def _of(self, backup: BackupId, type_: str) -> Iterator[Snapshot]:
        yield from self._by_backup.get((type_, backup.address), ())
