"""Neighbours tidy up what they find empty; what one was about to use is then made again."""

import os
from pathlib import Path

import pytest

from incusbak.model.refs import instance_ref
from incusbak.repositories.directory import DirectoryRepository
from tests.samples import MOMENT, WEB, store

MADE_ON_THE_WAY = (".staging", "instances", "default", "web")


@pytest.mark.parametrize("name", MADE_ON_THE_WAY)
def test_a_folder_that_is_removed_in_the_moment_it_was_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make = os.mkdir
    lost: list[str] = []

    def make_and_lose(made: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        make(made, mode, dir_fd=dir_fd)
        if made == name and not lost:
            lost.append(made)
            os.rmdir(made, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", make_and_lose)
    repository = DirectoryRepository(tmp_path / "repository")
    backup = store(repository, WEB)
    assert (lost, repository.catalog().of(WEB)) == ([name], (backup,))


@pytest.mark.parametrize("name", ["removed", "instances", "default", "web"])
@pytest.mark.parametrize("takes_back", [False, True])
def test_removing_beside_a_neighbour_who_purges_makes_its_folders_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, takes_back: bool
) -> None:
    repository = DirectoryRepository(tmp_path / "repository")
    backup, _ = store(repository, WEB), store(repository, instance_ref("other", "x"))
    if takes_back:
        repository.remove(backup, MOMENT)
        if name == "removed":
            return  # it is never empty then
    make, lost = os.mkdir, list[str]()

    def make_and_lose(made: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        make(made, mode, dir_fd=dir_fd)
        if made == name and not lost:
            lost.append(made)
            os.rmdir(made, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", make_and_lose)
    if takes_back:
        repository.undelete(backup)
        assert repository.catalog().of(WEB) == (backup,)
    else:
        repository.remove(backup, MOMENT)
        assert repository.catalog().removed.keys() == {backup}
