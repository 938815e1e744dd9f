"""``restic:`` keeps the contract of repositories, with Debian 12's restic and with a newer one."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from incusbak.model.refs import BackupId
from incusbak.ports import Repository
from incusbak.repositories import Caller, open_repository
from tests.contract.conftest import Place
from tests.contract.test_repository import *  # noqa: F403  the suite itself: pytest finds it by these names
from tests.contract.test_repository_care import *  # noqa: F403  as above
from tests.contract.test_repository_locks import *  # noqa: F403  as above
from tests.contract.test_repository_writing import *  # noqa: F403  as above
from tests.live.support.restic import PASSWORD, VERSIONS, Restic, folder_of

Template = Callable[[str], Path]


@pytest.fixture(scope="session")
def template(_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Repositories of restic that hold nothing yet, one of each version: making one costs seconds."""
    made: dict[str, Path] = {}

    def find(version: str) -> Path:
        if version not in made:
            restic = Restic(tmp_path_factory.mktemp(f"restic-{version}") / "repository", version)
            restic.init()
            restic.cheapen()
            made[version] = restic.folder
        return made[version]

    return find


@pytest.fixture(params=VERSIONS)
def place(
    request: pytest.FixtureRequest, template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    restic = Restic(tmp_path / "repository", request.param)
    shutil.copytree(template(restic.version), restic.folder)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder_of(restic.version)), os.environ["PATH"]]))
    monkeypatch.setenv("RESTIC_PASSWORD", PASSWORD)
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(tmp_path / "cache"))

    def damage(backup: BackupId, name: str, data: bytes | None) -> None:
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)  # restic itself believes what it holds
        is_manifest = name == "manifest.json"
        mark = "type=manifest" if is_manifest else f"file={name}"
        of_backup = (s for s in restic.snapshots() if f"backup={backup}" in s["tags"])
        (snapshot,) = (s for s in of_backup if mark in s["tags"])
        if data == b"" or (is_manifest and data is None):  # restic keeps no empty file, and
            restic.replace(snapshot, b"x", name="other")  # without its snapshot there would be no backup
        else:
            restic.replace(snapshot, data, name=name)

    state = tmp_path / "state"
    return Place(
        open=lambda command: open_repository(f"restic:{restic.folder}", Caller(command, state)),
        unusable=lambda: open_repository(f"restic:{tmp_path}/not/mounted", Caller("", state)),
        damage=damage,
    )


@pytest.fixture
def repository(place: Place) -> Repository:
    return place.open("")
