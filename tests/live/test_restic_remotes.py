"""restic's own remote forms: what is kept on SFTP, S3 and rclone comes back, and is cared for there."""

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from incusbak.errors import RepositoryUnavailable
from incusbak.model.backups import Catalog
from incusbak.ports import Repository
from incusbak.repositories import Caller, open_repository
from tests.contract.conftest import content
from tests.live.support import remotes
from tests.live.support.restic import PASSWORD, VERSIONS, Restic, folder_of
from tests.live.thinning import some
from tests.samples import MOMENT, WEB, store

Open = Callable[[str], Repository]


@pytest.fixture(params=some(VERSIONS[::-1], 2))
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a place anew, with this version of restic."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder_of(version)), os.environ["PATH"]]))
    monkeypatch.setenv("RESTIC_PASSWORD", PASSWORD)
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(tmp_path / "cache"))
    return lambda place: open_repository(f"restic:{place}", Caller("", tmp_path / "state"))


@pytest.fixture
def empty(version: str, tmp_path: Path, restic_template: Callable[[str], Restic]) -> Path:
    """A folder in which a repository waits that holds nothing yet."""
    folder = tmp_path / "served"
    shutil.copytree(restic_template(version).folder, folder / "repository")
    return folder


def keep_and_care(opened: Open, place: str) -> None:
    """Store, read, mark and remove for good, each time seen by another who opens the same place."""
    assert opened(place).catalog().backups == {}
    backup = store(opened(place))
    assert content(opened(place), backup) == b"archive"
    opened(place).pin(backup, pinned=True)
    newer = store(opened(place), at=MOMENT + timedelta(days=1))
    repository = opened(place)
    with repository.lock(writing=True):
        repository.remove(newer, MOMENT)
        repository.purge(newer)
    catalog = opened(place).catalog()
    assert (catalog.of(WEB), catalog.health(backup).pinned, catalog.removed) == ((backup,), True, {})


def test_a_remote_of_rclone_keeps_backups(opened: Open, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in remotes.rclone_remote("shelf", empty).items():
        monkeypatch.setenv(name, value)
    keep_and_care(opened, "rclone:shelf:repository")


def test_a_host_with_sftp_keeps_backups_and_is_missed_when_it_is_away(
    opened: Open, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remotes.sftp(empty, tmp_path) as ssh:
        monkeypatch.setenv("PATH", os.pathsep.join([ssh, os.environ["PATH"]]))
        keep_and_care(opened, "sftp:backups:/repository")
    with pytest.raises(RepositoryUnavailable, match=r"sftp:backups:/repository can't be reached"):
        opened("sftp:backups:/repository").catalog()


def test_a_bucket_keeps_backups_and_one_that_is_not_there_is_made(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """restic itself would try for a quarter of an hour whether the bucket is there yet."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with remotes.s3() as address:
        place = f"s3:{address}/backups/incus"
        assert opened(place).catalog() == Catalog()
        keep_and_care(opened, place)
