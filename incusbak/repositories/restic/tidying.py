"""Remove what killed writers left, and give back the room of what was removed for good."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from ...errors import RepositoryError, RepositoryLocked, RepositoryUnavailable
from .content import Content
from .failures import is_of_lost_data
from .holding import Hold
from .index import Index
from .snapshots import Shelf, Snapshot
from .store import Store

_FOREIGN_AGE = timedelta(days=7)
"""So long another machine may be at work on one backup."""


class Tidier:
    """What is forgotten, and when room is given back: once, at the end of a run that writes."""

    def __init__(self, store: Store, content: Content, hold: Hold, index: Index) -> None:
        self._store, self._content, self._hold, self._index = store, content, hold, index
        self._doomed: set[str] = set()
        self._has_forgotten = False
        self._has_failed = False

    def begin(self) -> None:
        """Note that a backup is being written."""
        self._hold.owe()

    def abandon(self, token: str) -> None:
        """Remove what there is of an attempt that came to nothing; at the end, if others are at work."""
        self._has_failed = True
        self._doomed.add(token)
        if not self._content.is_held:
            with suppress(RepositoryError):  # its own error is the one to tell; the next run removes this
                left = (each for each in self._content.anew().orphans() if each.token == token)
                self.forget(left, waits=False)

    def forget(self, snapshots: Iterable[Snapshot], *, waits: bool) -> None:
        """Remove snapshots at once, or as soon as others let go of the repository."""
        if ids := {snapshot.id for snapshot in snapshots}:
            self._hold.owe()
            self._store.forget(ids, waits=waits)
            self._content.drop(ids)
            self._has_forgotten = True

    def bury(self, manifests: Iterable[Snapshot], more: Iterable[Snapshot]) -> None:
        """Remove backups for good, in an order in which they are there whole or can't be seen."""
        buried = tuple(manifests)
        tokens = {manifest.token for manifest in buried}
        self._doomed |= tokens
        self.forget((*buried, *more), waits=True)
        if not self._content.is_held:
            self._sweep()

    @contextmanager
    def tidied(self) -> Iterator[None]:
        """Sweep before the body, and again after it; renew the index, give back room if there is some."""
        was_owed = self._hold.is_owed
        self.sweep_if_possible()
        try:
            yield
        except BaseException:
            self._has_failed = True
            with suppress(RepositoryError):
                self._sweep()
            raise
        self.sweep_if_possible()
        with suppress(RepositoryError):  # it only saves time
            self._index.renew()
        if was_owed or self._has_forgotten:
            self._give_back()
        elif not self._has_failed:
            self._hold.settle()

    def sweep_if_possible(self) -> None:
        with suppress(RepositoryLocked):  # others are at work; a later run will
            self._sweep()

    def _sweep(self) -> None:
        """Forget by a new listing only: what failed while it was committed may have been committed."""
        if any(self.waste(self._content.known())):
            self.forget(self.waste(self._content.anew()), waits=False)

    def waste(self, shelf: Shelf) -> Iterator[Snapshot]:
        """What is of no use any more: of this machine, or so old that nobody works on it, or overtaken."""
        old = datetime.now(UTC) - _FOREIGN_AGE
        for orphan in shelf.orphans():
            if orphan.token in self._doomed or orphan.machine == self._store.machine or orphan.taken < old:
                yield orphan
        yield from shelf.superseded()

    def _give_back(self) -> None:
        try:
            self._store.prune()
        except (RepositoryLocked, RepositoryUnavailable):
            return  # still owed: a later run will
        except RepositoryError as error:
            if is_of_lost_data(error):
                return  # still owed; what was to be done is done, and `verify` tells what is lost
            raise
        self._has_forgotten = self._has_failed = False
        self._hold.settle()
