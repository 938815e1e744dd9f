"""A restic repository as a place for the contract suite of repositories."""

import os
import shutil
from pathlib import Path

import pytest

from incusbak.model.refs import BackupId
from incusbak.repositories import Caller, open_repository
from tests.contract.conftest import Place
from tests.live.support.restic import PASSWORD, Restic, folder_of


def make_place(template: Restic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Copy a repository that holds nothing yet, and have everybody use its version of restic."""
    restic = Restic(tmp_path / "repository", template.version)
    shutil.copytree(template.folder, restic.folder)
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
