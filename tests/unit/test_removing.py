"""Backups are removed only while what stays can be believed in, whatever others find out meanwhile."""

import threading
from datetime import timedelta
from typing import cast

import pytest
from attrs import frozen

from incusbak.engine.execution.remove import remove
from incusbak.errors import Blocked, RepositoryLocked, StalePlan, Stopped
from incusbak.model.actions import Kept, Prune
from incusbak.model.notes import Inspection
from incusbak.model.results import StepEvent, Transferred
from incusbak.ports import KindContext
from tests.fakes import Disk, MemoryRepository
from tests.samples import MOMENT, WEB, store


@frozen
class Listener:
    """Stands for ``KindContext``: a clock, and somebody who is told and may stop it."""

    stopped: threading.Event

    def clock(self) -> object:
        return MOMENT + timedelta(days=1)

    def tell(self, event: StepEvent) -> None:
        if isinstance(event, Transferred):
            self.checkpoint()

    def checkpoint(self) -> None:
        if self.stopped.is_set():
            raise Stopped


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def action(disk: Disk) -> Prune:
    """Two backups: the old one goes, the new one stays."""
    old = store(MemoryRepository(disk))
    new = store(MemoryRepository(disk), at=MOMENT + timedelta(days=1))
    return Prune(WEB, (old,), (Kept(new, ("last 1",)),))


def removal(disk: Disk, action: Prune, *, wait: float, stopped: threading.Event | None = None) -> None:
    writer = MemoryRepository(disk)
    with writer.lock(writing=True, wait_seconds=wait):
        remove(action, cast(KindContext, Listener(stopped or threading.Event())), writer)


def test_what_was_pinned_since_is_not_removed(disk: Disk, action: Prune) -> None:
    """Whoever pinned it may have done so after the plan was checked as a whole."""
    [old] = action.backups
    MemoryRepository(disk).pin(old, pinned=True)
    with pytest.raises(StalePlan, match=f"{old} is pinned by now"):
        removal(disk, action, wait=0)
    assert old in MemoryRepository(disk).catalog().of(WEB)


def test_what_a_reader_found_out_meanwhile_counts(disk: Disk, action: Prune) -> None:
    """What was to be kept turns out to be damaged while the removal waits for who reads it."""
    [kept] = action.keep
    failed: list[Exception] = []

    def run() -> None:
        try:
            removal(disk, action, wait=30)
        except Blocked as error:
            failed.append(error)

    reader, writer = MemoryRepository(disk), threading.Thread(target=run)
    with reader.lock(writing=False):
        writer.start()
        writer.join(0.2)
        reader.note(Inspection(kept.backup, MOMENT, "archive: cut"))
    writer.join()
    assert [str(error) for error in failed] == [
        f"{action.backups[0]} is the last good backup of {WEB}; it is not removed"
    ]
    assert set(disk.backups) == {*action.backups, kept.backup}


def test_nothing_goes_while_somebody_reads(disk: Disk, action: Prune) -> None:
    with MemoryRepository(disk).lock(writing=False), pytest.raises(RepositoryLocked):
        removal(disk, action, wait=0)
    assert disk.removed == {}
    removal(disk, action, wait=0)
    assert set(disk.removed) == set(action.backups)


def test_a_removal_that_waits_can_be_stopped(disk: Disk, action: Prune) -> None:
    stopped = threading.Event()
    stopped.set()
    with MemoryRepository(disk).lock(writing=False), pytest.raises(Stopped):
        removal(disk, action, wait=30, stopped=stopped)
    assert disk.removed == {}
