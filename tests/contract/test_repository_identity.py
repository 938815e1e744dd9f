"""``ports.Repository``: which one it is, and where."""

from contextlib import suppress

import pytest

from incusbak.errors import RepositoryMissing
from incusbak.ports import Repository
from tests.contract.conftest import Place, content
from tests.samples import WEB, store


def renew(repository: Repository) -> None:
    with repository.lock(writing=True), repository.exclusive(lambda: None):
        repository.renew_id()


def test_place_is_the_same_for_all_who_open_it(place: Place) -> None:
    store(place.open(""))
    assert place.open("a").place == place.open("b").place


def test_another_id_changes_nothing_else(place: Place, repository: Repository) -> None:
    backup = store(repository)
    old, secret = repository.catalog(), repository.secret()

    renew(place.open(""))

    new = place.open("").catalog()
    assert (new.repository_id != old.repository_id, new.backups) == (True, old.backups)
    assert place.open("").secret() == secret
    assert content(place.open(""), backup) == b"archive"


def test_who_gave_it_another_id_goes_on_with_it(place: Place) -> None:
    repository = place.open("")
    store(repository)
    ids = [repository.catalog().repository_id]
    for _ in range(3):
        renew(repository)
        ids.append(repository.catalog().repository_id)

    store(repository)
    assert len(set(ids)) == 4
    assert place.open("").catalog().repository_id == ids[-1]
    assert len(place.open("").catalog().of(WEB)) == 2


def test_who_knew_it_by_the_old_id_notices(place: Place) -> None:
    other = place.open("")
    store(other)
    before = other.catalog().repository_id

    renew(place.open(""))

    with suppress(RepositoryMissing):  # or, at least, takes it for another one
        assert other.catalog().repository_id != before


def test_where_there_is_none_it_has_no_id(repository: Repository) -> None:
    with pytest.raises(RepositoryMissing):
        repository.renew_id()
