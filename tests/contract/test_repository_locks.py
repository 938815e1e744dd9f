"""``ports.Repository``: who may hold it together with whom."""

import threading
import time

import pytest

from incusbak.errors import RepositoryLocked, RepositoryMissing
from incusbak.ports import Repository
from tests.contract.conftest import Place, content
from tests.samples import store


@pytest.mark.parametrize("exclusive", [True, False])
def test_an_exclusive_lock_refuses_every_other(place: Place, exclusive: bool) -> None:
    with (
        place.open("").lock(exclusive=True),
        pytest.raises(RepositoryLocked),
        place.open("").lock(exclusive=exclusive),
    ):
        pass


def test_an_exclusive_lock_is_refused_beside_a_reader(place: Place) -> None:
    store(place.open(""))
    with (
        place.open("").lock(exclusive=False),
        pytest.raises(RepositoryLocked),
        place.open("").lock(exclusive=True),
    ):
        pass


def test_readers_hold_the_repository_together(place: Place) -> None:
    store(place.open(""))
    with place.open("").lock(exclusive=False), place.open("").lock(exclusive=False):
        pass


def test_a_refusal_says_who_holds_it_and_since_when(place: Place) -> None:
    with (
        place.open("incus-backup backup all").lock(exclusive=True),
        pytest.raises(RepositoryLocked, match=r"`incus-backup backup all` \(pid \d+ on .+\).* since 20"),
        place.open("").lock(exclusive=True),
    ):
        pass


def test_a_lock_is_free_once_it_was_left_even_by_an_error(place: Place) -> None:
    with pytest.raises(ZeroDivisionError), place.open("").lock(exclusive=True):
        raise ZeroDivisionError
    with place.open("").lock(exclusive=True):
        pass


@pytest.mark.parametrize("exclusive", [True, False])
def test_waiting_for_a_lock_gets_it_when_it_is_freed(place: Place, exclusive: bool) -> None:
    held = threading.Event()

    def hold_for_a_moment() -> None:
        with place.open("").lock(exclusive=True):
            held.set()
            time.sleep(0.3)

    holder = threading.Thread(target=hold_for_a_moment)
    holder.start()
    held.wait()
    with place.open("").lock(exclusive=exclusive, wait_seconds=30):
        pass
    holder.join()


def test_waiting_for_a_lock_ends(place: Place) -> None:
    begin = time.monotonic()
    with (
        place.open("").lock(exclusive=True),
        pytest.raises(RepositoryLocked),
        place.open("").lock(exclusive=True, wait_seconds=0.3),
    ):
        pass

    assert 0.3 <= time.monotonic() - begin < 10


def test_the_exclusive_lock_makes_the_repository(place: Place) -> None:
    with place.open("").lock(exclusive=True):
        assert place.open("").catalog().repository_id != ""


def test_a_shared_lock_makes_nothing(place: Place) -> None:
    with place.open("").lock(exclusive=False):
        assert place.open("").catalog().repository_id == ""


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_place_where_no_repository_may_be_is_not_locked(place: Place, exclusive: bool) -> None:
    with pytest.raises(RepositoryMissing), place.unusable().lock(exclusive=exclusive):
        pass


def test_backups_are_made_and_read_under_the_exclusive_lock(repository: Repository) -> None:
    with repository.lock(exclusive=True):
        assert content(repository, store(repository)) == b"archive"
