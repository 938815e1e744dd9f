"""The present content of a repository, as this process knows it: listed anew, or kept up as it writes."""

import threading
import time
from collections.abc import Iterable
from datetime import datetime

from attrs import evolve

from ...errors import RepositoryError, RepositoryMissing
from ...model.backups import Catalog, catalog_of
from ...model.notes import UNKNOWN, BackupHealth
from ...model.refs import BackupId
from ..metadata import FORMAT_VERSION
from ..notes import VERDICTS, health_of
from .snapshots import MANIFEST, NOTE, PINNED, Shelf, Snapshot
from .store import Store

_FRESH_SECONDS = 10.0


class Content:
    """What was listed last. Between two listings, what this process adds and forgets is followed.

    ``holding`` counts how often it was begun to believe listings.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelf: Shelf | None = None
        self._listed = float("-inf")
        self._held = 0
        self.holding = 0
        self._seen_id = ""
        self._changing = threading.RLock()

    def now(self, *, heed_locks: bool = False) -> Shelf:
        """List it; while this machine's lock is held, a listing is believed for some seconds.

        Raises:
            RepositoryMissing: it was there a moment ago, and is gone or another one.
        """
        with self._changing:
            if self._shelf is None or heed_locks or not (self._held and self._is_fresh()):
                self._shelf = self._checked(self._store.list(heed_locks=heed_locks) or Shelf(()))
                self._listed = time.monotonic()
            return self._shelf

    def known(self) -> Shelf:
        """What was listed some seconds ago: good enough to find what is there, as snapshots never change."""
        with self._changing:
            return self._shelf if self._shelf and self._is_fresh() else self.now()

    def anew(self) -> Shelf:
        """List it, whatever was believed until now."""
        with self._changing:
            self._listed = float("-inf")
            return self.now()

    def forget_id(self) -> None:
        """List it, and take the repository's id for whatever it is now."""
        with self._changing:
            self._seen_id = ""
            self.anew()

    def hold(self) -> None:
        """Begin to believe listings; a new one is made first."""
        with self._changing:
            self._held += 1
            self.holding += 1
            self._listed = float("-inf")

    def release(self) -> None:
        with self._changing:
            self._held -= 1

    @property
    def is_held(self) -> bool:
        return self._held > 0

    def add(self, snapshot: Snapshot) -> None:
        with self._changing:
            if self._shelf is not None:
                self._shelf = self._shelf.with_one(snapshot)

    def drop(self, ids: Iterable[str]) -> None:
        with self._changing:
            if self._shelf is not None:
                self._shelf = self._shelf.without(frozenset(ids))

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._listed < _FRESH_SECONDS

    def _checked(self, shelf: Shelf) -> Shelf:
        metadata = shelf.metadata
        found = metadata.value("repository") if metadata else ""
        if self._seen_id and found != self._seen_id:
            raise RepositoryMissing(
                f"the repository at {self._store.place.uri} is gone, or is another one now"
            )
        if metadata and metadata.number("format") > FORMAT_VERSION:
            raise RepositoryError(
                f"{self._store.place.uri} says format {metadata.value('format')}, this version reads up to "
                f"{FORMAT_VERSION}",
                hint="a newer incus-backup is needed",
            )
        self._seen_id = found
        return shelf


def catalog_from(shelf: Shelf, at: datetime | None = None) -> Catalog:
    """Tell which backups there are; nothing is read for it."""
    if shelf.metadata is None:
        return Catalog()
    named = {backup for each in shelf.of_type(MANIFEST) if (backup := each.backup)}
    return catalog_of(
        shelf.metadata.value("repository"),
        (backup for backup in named if shelf.manifests(backup)),
        healths=dict(_healths(shelf, at)),
        removed={
            b: gone for b in named if (found := shelf.removed(b)) and (gone := shelf.removal(found[-1].token))
        },
        at=at,
    )


def is_distrusted(shelf: Shelf) -> bool:
    """Whether bytes of some backup are known to have changed: what is stored may share them."""
    known = {backup for each in shelf.of_type(NOTE) if (backup := each.backup)}
    return any(health_of(_verdicts(shelf, backup), pinned=False).damaged for backup in known)


def _verdicts(shelf: Shelf, backup: BackupId) -> list[tuple[datetime, str]]:
    return [
        (at, word)
        for note in shelf.about(backup, NOTE)
        if (at := note.moment("at")) and (word := note.value("verdict")) in VERDICTS
    ]


def _healths(shelf: Shelf, at: datetime | None) -> Iterable[tuple[BackupId, BackupHealth]]:
    known = {backup for type_ in (NOTE, PINNED) for each in shelf.of_type(type_) if (backup := each.backup)}
    incomplete = {
        backup for each in shelf.of_type(MANIFEST) if shelf.lacks_files(each) and (backup := each.backup)
    }
    for backup in known | incomplete:
        health = health_of(_verdicts(shelf, backup), pinned=bool(shelf.about(backup, PINNED)), at=at)
        health = evolve(health, damaged=health.damaged or backup in incomplete)
        if health != UNKNOWN:
            yield backup, health
