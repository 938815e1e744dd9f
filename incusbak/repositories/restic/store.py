"""The snapshots of one repository: listed, added, read, forgotten, each by one call of restic.

A call costs about half a second before it does anything: restic derives the key from the password.
"""

import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from ...durable import CHUNK_BYTES, SMALL_BYTES
from ...errors import (
    Corrupt,
    RepositoryDenied,
    RepositoryError,
    RepositoryLocked,
    RepositoryMissing,
    RepositoryUnavailable,
)
from ..locking import Patience
from .failures import as_damage, is_unreadable
from .gate import Gate
from .holding import Hold
from .places import Place
from .process import Feed, Restic, Stream
from .snapshots import MARK, Shelf, Snapshot, parse_snapshots, tagged

T = TypeVar("T")
Tags = tuple[tuple[str, str], ...]
_RETRY_SECONDS, _UNLOCK_SECONDS = 2.0, 10.0
_REPAIRS = (0, 16)
_PACKS_SEEN = b"check snapshots"
_BROKEN_PROMISE = re.compile(
    r"^pack \w+: (?:does not exist|unexpected file size)|error loading index|index is damaged", re.IGNORECASE
)
_GONE = re.compile(r"no matching ID found|failed to (?:find|load) snapshot")


class Gone(RepositoryError):
    """A snapshot is not there any more."""


class Store:
    """What restic keeps for us at one place.

    Args:
        hold: this machine's locks; its name tells our unfinished snapshots from those of others.
    """

    def __init__(self, place: Place, restic: Restic, hold: Hold) -> None:
        self.place = place
        self.machine = hold.machine
        self._hold = hold
        self._patience = Patience()
        self._restic = restic
        self._host = socket.gethostname()
        self._gate = Gate()

    def be_patient(self, patience: Patience) -> None:
        """Wait so long in all, from now on, for others to let go of the repository."""
        self._patience = patience

    def list(self, *, heed_locks: bool = False) -> Shelf | None:
        """List all snapshots of ours; None while there is no repository, and one may be made.

        Args:
            heed_locks: whether to be refused while somebody holds the repository alone.
        """
        if self.place.is_absent():
            return None
        unlocked = () if heed_locks and self._can_lock() else ("--no-lock",)
        try:
            answer = self._patiently(
                lambda: self._restic.run("snapshots", "--json", "--tag", MARK, *unlocked)
            )
        except RepositoryMissing:
            if self.place.folder:
                raise
            return None
        return Shelf(parse_snapshots(answer))

    def init(self) -> None:
        """Make the repository; fine if somebody else is faster."""
        try:
            self._restic.run("init")
        except RepositoryError as error:
            if "already exists" not in error.message and "already initialized" not in error.message:
                raise

    def config_id(self) -> str:
        """What restic calls the repository; empty if there is none, whosever snapshots it would hold."""
        if self.place.is_absent():
            return ""
        try:
            return str(json.loads(self._restic.run("cat", "config", "--no-lock"))["id"])
        except RepositoryMissing:
            return ""

    def add(self, name: str, data: bytes, tags: Tags) -> Snapshot:
        """Keep a small file."""
        return self.add_pieces(name, lambda: (data,), tags)

    def add_pieces(self, name: str, pieces: Callable[[], Iterable[bytes]], tags: Tags) -> Snapshot:
        """Keep a file that is never whole in memory; it may take several attempts."""

        def keep() -> Snapshot:
            with self.adding(name, tags) as feed:
                for piece in pieces():
                    feed.write(piece)
            return feed.snapshot

        return self._patiently(keep)

    @contextmanager
    def adding(self, name: str, tags: Tags) -> Iterator["Adding"]:
        """Keep what is written; nothing, when the body fails. The snapshot is known after it."""
        arguments = [
            "--stdin",
            f"--stdin-filename={name}",
            f"--host={self._host}",
            *tagged(self._signed(tags)),
        ]
        with self.beside(), self._restic.feed("backup", "--json", "--force", *arguments) as feed:
            adding = Adding(feed, self._signed(tags))
            yield adding

    def read(self, snapshot: Snapshot, name: str, what: str) -> bytes:
        """Read a small file whole; without a lock, which costs as much again, if that will do.

        Raises:
            Corrupt: it can't be read, or is not small.
        """
        try:
            with self.reading(snapshot, name, what, locked=False) as chunks:
                return _joined(chunks, what)
        except (Gone, RepositoryDenied, RepositoryUnavailable):
            raise
        except RepositoryError:  # somebody may be pruning: then it is not what it looks like
            with self.reading(snapshot, name, what) as chunks:
                return _joined(chunks, what)

    @contextmanager
    def reading(
        self, snapshot: Snapshot, name: str, what: str, *, locked: bool = True
    ) -> Iterator[Iterator[bytes]]:
        """Stream a file in chunks.

        Args:
            what: it is, for messages.
            locked: whether to keep others from pruning meanwhile.

        Raises:
            Gone: the snapshot is not there; before the body begins.
            Corrupt: it is, but can't be read.
        """
        unlocked = () if locked and self._can_lock() else ("--no-lock",)
        arguments = ("dump", *unlocked, snapshot.id, f"/{name}")
        with self._while_there(), self.beside(), self._restic.stream(*arguments) as stream:
            first = _read(stream, what)
            yield _chunks(stream, first, what)

    @contextmanager
    def _while_there(self) -> Iterator[None]:
        """Take nothing for damaged that has vanished with all of the repository."""
        try:
            yield
        except Corrupt as error:
            if not self.config_id():
                raise RepositoryMissing(f"the restic repository at {self.place.uri} is gone") from error
            raise

    def beside(self) -> AbstractContextManager[None]:
        """Keep this process from calling what restic does only where nobody else is at work."""
        return self._gate.shared()

    def forget(self, ids: Iterable[str], *, waits: bool) -> None:
        """Remove snapshots; what only they used takes room until ``prune``.

        Args:
            waits: for others to let go of the repository.
        """
        if wanted := sorted(set(ids)):
            self._run_alone("forget", *wanted, waits=waits)

    def prune(self) -> None:
        """Give back the room of what no snapshot uses any more, if nobody is in the way."""
        self._run_alone("prune", waits=False)

    def broken_promises(self) -> frozenset[str]:
        """Compare the index with a listing of the packs; say which are missing or of another size.

        The first part of ``restic check``: to go on, through all trees, would cost time with every backup.

        Raises:
            RepositoryError: they can't be listed.
        """
        said, error = self._restic.until(_PACKS_SEEN, "check", "--no-lock", "--with-cache")
        if found := frozenset(line for line in said if _BROKEN_PROMISE.search(line)):
            return found
        if error:
            raise error
        return frozenset()

    def mend_index(self) -> None:
        """Have the index name what is there, and nothing else."""
        command = ("repair", "index") if self._restic.version >= _REPAIRS else ("rebuild-index",)
        self._run_alone(*command, waits=True)

    def _run_alone(self, *arguments: str, waits: bool) -> None:
        """Run what restic does only where nobody else is at work; nobody is kept out while this waits."""

        def attempt() -> None:
            with self._gate.exclusive(), self._hold.exclusive(waits=False):
                self._restic.run(*arguments)

        self._patiently(attempt, self._patience if waits else Patience())

    def _signed(self, tags: Tags) -> Tags:
        return (*tags, ("machine", self.machine))

    def _patiently(self, call: Callable[[], T], patience: Patience | None = None) -> T:
        """Try again while somebody else's lock is in the way, as long as that was allowed.

        Locks of processes that are dead are removed now and then: restic knows them on their own machine, and
        takes those of others for dead after half an hour.
        """
        patience, next_unlock = self._patience if patience is None else patience, 0.0
        while True:
            try:
                return call()
            except RepositoryLocked:
                if next_unlock and patience.left <= 0:
                    raise
            if time.monotonic() >= next_unlock:
                self._restic.run("unlock")
                next_unlock = time.monotonic() + _UNLOCK_SECONDS
            else:
                with patience.spent() as left:
                    time.sleep(min(_RETRY_SECONDS, left))

    def _can_lock(self) -> bool:
        """One that lies on a read-only disk is read without a lock."""
        return self.place.folder is None or os.access(self.place.folder / "locks", os.W_OK)


class Adding:
    """The input of a snapshot in the making."""

    def __init__(self, feed: Feed, tags: Tags) -> None:
        self._feed = feed
        self._tags = tags

    def write(self, data: bytes, /) -> int:
        return self._feed.write(data)

    @property
    def snapshot(self) -> Snapshot:
        """What became of it."""
        for line in reversed(self._feed.said):
            if line.startswith("{") and "snapshot_id" in line:
                return Snapshot(str(json.loads(line)["snapshot_id"]), datetime.now(UTC), self._tags)
        raise RepositoryError("restic does not say which snapshot it has made")


def _joined(chunks: Iterable[bytes], what: str) -> bytes:
    """Put together what is small, and read no more of what is not."""
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > SMALL_BYTES:
            raise Corrupt(f"{what} is larger than {SMALL_BYTES >> 20} MiB, which none is; it was not read")
    return bytes(data)


def _read(stream: Stream, what: str) -> bytes:
    try:
        return stream.read(CHUNK_BYTES)
    except RepositoryError as error:
        if _GONE.search(error.message) and not is_unreadable(error):
            raise Gone(f"{what} can't be read: {error.message}") from error
        raise as_damage(error, what) from error


def _chunks(stream: Stream, chunk: bytes, what: str) -> Iterator[bytes]:
    while chunk:
        yield chunk
        chunk = _read(stream, what) if len(chunk) == CHUNK_BYTES else b""
