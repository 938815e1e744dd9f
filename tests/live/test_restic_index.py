"""Many backups of a restic repository are shown by a few calls of restic."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from incusbak.errors import Corrupt
from incusbak.ports import Repository
from incusbak.repositories.restic import process
from tests.contract.conftest import Place
from tests.live.restic_place import make_place
from tests.live.support.restic import NEWER, Restic
from tests.samples import MOMENT, WEB, store

COUNT = 16


@pytest.fixture
def place(restic_template: Callable[[str], Restic], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return make_place(restic_template(NEWER), tmp_path, monkeypatch)


def fill(repository: Repository) -> None:
    with repository.lock(writing=True):
        for number in range(COUNT):
            store(repository, at=MOMENT + timedelta(days=number))


def calls_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every restic that is run from now on, by what it is to do."""
    calls: list[str] = []
    start = process.Restic._started

    def noting(self: process.Restic, arguments: tuple[str, ...], *, feeding: bool = False) -> object:
        calls.append(arguments[0])
        return start(self, arguments, feeding=feeding)

    monkeypatch.setattr(process.Restic, "_started", noting)
    return calls


def test_many_manifests_cost_three_calls(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(place.open(""))
    backups = place.open("").catalog().of(WEB)
    expected = [place.open("").manifest(backup) for backup in backups]
    calls = calls_of(monkeypatch)
    shown = place.open("")

    assert [shown.manifest(backup) for backup in backups] == expected
    assert calls == ["snapshots", "dump", "dump"]


def test_who_holds_the_repository_reads_manifests_themselves(place: Place) -> None:
    fill(place.open(""))
    repository = place.open("")
    first, second, *_ = repository.catalog().of(WEB)
    place.damage(second, "manifest.json", b"garbage")
    reopened = place.open("")
    for backup in (first, second):
        reopened.manifest(backup)

    with reopened.lock(writing=False), pytest.raises(Corrupt, match=r"manifest\.json"):
        reopened.manifest(second)


def test_the_index_is_written_anew_only_when_it_lacks_many(place: Place, tmp_path: Path) -> None:
    restic = Restic(tmp_path / "repository", NEWER)

    def indexes() -> list[str]:
        return [each["id"] for each in restic.snapshots() if "type=index" in each["tags"]]

    fill(place.open(""))
    [first] = indexes()
    with place.open("").lock(writing=True):
        store(place.open(""))
    assert indexes() == [first]
    fill(place.open(""))
    [second] = indexes()
    assert second != first
