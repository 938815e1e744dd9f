"""``ports.Repository``: who may hold it together with whom."""

import threading
import time

import pytest
from attrs import evolve

from incusbak.errors import RepositoryLocked, RepositoryMissing, Stopped
from incusbak.ports import Repository
from tests.contract.conftest import Place, content
from tests.samples import MOMENT, WEB, store


def nothing() -> None:
    """Wait on."""


def test_one_writes_at_a_time(place: Place) -> None:
    with (
        place.open("").lock(writing=True),
        pytest.raises(RepositoryLocked),
        place.open("").lock(writing=True),
    ):
        pass


def test_backups_are_read_while_others_are_made(place: Place) -> None:
    old = store(place.open(""))
    with place.open("").lock(writing=True), place.open("").lock(writing=False):
        new = store(place.open(""))
        assert content(place.open(""), old) == content(place.open(""), new)
    with place.open("").lock(writing=False), place.open("").lock(writing=True):
        store(place.open(""))


def test_nothing_is_taken_away_from_those_who_read(place: Place) -> None:
    backup = store(place.open(""))
    writer = place.open("")
    with writer.lock(writing=True):
        with place.open("").lock(writing=False):
            with pytest.raises(RepositoryLocked, match="is using it"), writer.exclusive(nothing):
                pass
            assert content(place.open(""), backup) == b"archive"
        with writer.exclusive(nothing):
            writer.remove(backup, MOMENT)
    assert place.open("").catalog().of(backup.ref) == ()


def test_what_is_to_be_taken_away_waits_for_readers(place: Place) -> None:
    backup = store(place.open(""))
    held = threading.Event()

    def read_for_a_moment() -> None:
        with place.open("").lock(writing=False):
            held.set()
            time.sleep(0.3)

    reader = threading.Thread(target=read_for_a_moment)
    reader.start()
    held.wait()
    writer = place.open("")
    with writer.lock(writing=True, wait_seconds=30), writer.exclusive(nothing):
        writer.remove(backup, MOMENT)
    reader.join()
    assert place.open("").catalog().of(backup.ref) == ()


def test_readers_wait_while_something_is_taken_away(place: Place) -> None:
    store(place.open(""))
    writer, read = place.open(""), threading.Event()

    def reading() -> None:
        with place.open("").lock(writing=False):
            read.set()

    with writer.lock(writing=True):
        with writer.exclusive(nothing):
            reader = threading.Thread(target=reading)
            reader.start()
            assert not read.wait(0.3)
        reader.join()
    assert read.is_set()


def test_who_waits_for_readers_can_be_stopped(place: Place) -> None:
    store(place.open(""))
    writer = place.open("")

    def stop() -> None:
        raise Stopped("stopped")

    with (
        writer.lock(writing=True, wait_seconds=30),
        place.open("").lock(writing=False),
        pytest.raises(Stopped),
        writer.exclusive(stop),
    ):
        pass


def test_what_is_removed_and_deleted_at_once_gets_done(place: Place) -> None:
    """By two threads: neither waits for what the other holds."""
    first, second = store(place.open("")), store(place.open(""), evolve(WEB, name="db"))
    writer = place.open("")
    with writer.lock(writing=True):
        writer.remove(second, MOMENT)

        def remove() -> None:
            with writer.exclusive(nothing):
                writer.remove(first, MOMENT)

        threads = [threading.Thread(target=remove), threading.Thread(target=writer.purge, args=(second,))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert set(writer.catalog().removed) == {first}


def test_readers_hold_the_repository_together(place: Place) -> None:
    store(place.open(""))
    with place.open("").lock(writing=False), place.open("").lock(writing=False):
        pass


def test_a_refusal_says_who_holds_it_and_since_when(place: Place) -> None:
    with (
        place.open("incus-backup backup all").lock(writing=True),
        pytest.raises(RepositoryLocked, match=r"`incus-backup backup all` \(pid \d+ on .+\).* since 20"),
        place.open("").lock(writing=True),
    ):
        pass


def test_a_lock_is_free_once_it_was_left_even_by_an_error(place: Place) -> None:
    with pytest.raises(ZeroDivisionError), place.open("").lock(writing=True):
        raise ZeroDivisionError
    with place.open("").lock(writing=True):
        pass


def test_waiting_for_a_lock_gets_it_when_it_is_freed(place: Place) -> None:
    held = threading.Event()

    def hold_for_a_moment() -> None:
        with place.open("").lock(writing=True):
            held.set()
            time.sleep(0.3)

    holder = threading.Thread(target=hold_for_a_moment)
    holder.start()
    held.wait()
    with place.open("").lock(writing=True, wait_seconds=30):
        pass
    holder.join()


def test_waiting_for_a_lock_ends(place: Place) -> None:
    begin = time.monotonic()
    with (
        place.open("").lock(writing=True),
        pytest.raises(RepositoryLocked),
        place.open("").lock(writing=True, wait_seconds=0.3),
    ):
        pass

    assert 0.3 <= time.monotonic() - begin < 10


def test_the_lock_of_writers_makes_the_repository(place: Place) -> None:
    with place.open("").lock(writing=True):
        assert place.open("").catalog().repository_id != ""


def test_the_lock_of_readers_makes_nothing(place: Place) -> None:
    with place.open("").lock(writing=False):
        assert place.open("").catalog().repository_id == ""


@pytest.mark.parametrize("writing", [True, False])
def test_a_place_where_no_repository_may_be_is_not_locked(place: Place, writing: bool) -> None:
    with pytest.raises(RepositoryMissing), place.unusable().lock(writing=writing):
        pass


def test_backups_are_made_and_read_under_the_lock_of_writers(repository: Repository) -> None:
    with repository.lock(writing=True):
        assert content(repository, store(repository)) == b"archive"
