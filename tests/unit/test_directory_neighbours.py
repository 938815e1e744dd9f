"""Neighbours tidy up what they find empty; what one was about to use is then made again."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from incusbak.durable import names_in
from incusbak.model.refs import instance_ref
from incusbak.repositories.directory.notes import Notes
from incusbak.repositories.directory.repository import DirectoryRepository
from tests.samples import MOMENT, WEB, store

LOOK = "incusbak.repositories.directory.notes.names_in"
MADE_ON_THE_WAY = (".staging", "instances", "default", "web")


def losing_once(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """Have a neighbour remove the first folder of that name once it is made; return what was removed."""
    make, lost = os.mkdir, list[str]()

    def make_and_lose(made: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        make(made, mode, dir_fd=dir_fd)
        if made == name and not lost:
            lost.append(made)
            os.rmdir(made, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", make_and_lose)
    return lost


@pytest.mark.parametrize("name", MADE_ON_THE_WAY)
def test_a_folder_that_is_removed_in_the_moment_it_was_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    lost = losing_once(monkeypatch, name)
    repository = DirectoryRepository(tmp_path / "repository")
    backup = store(repository, WEB)
    assert (lost, repository.catalog().of(WEB)) == ([name], (backup,))


@pytest.mark.parametrize("name", ["removed", "instances", "default", "web"])
def test_removing_beside_a_neighbour_who_purges_makes_its_folders_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    repository = DirectoryRepository(tmp_path / "repository")
    backup, _ = store(repository, WEB), store(repository, instance_ref("other", "x"))
    lost = losing_once(monkeypatch, name)
    repository.remove(backup, MOMENT)
    assert (lost, set(repository.catalog().removed)) == ([name], {backup})


@pytest.mark.parametrize("name", ["default", "web"])
def test_taking_back_beside_a_neighbour_who_removes_makes_its_folders_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    repository = DirectoryRepository(tmp_path / "repository")
    backup, _ = store(repository, WEB), store(repository, instance_ref("other", "x"))
    repository.remove(backup, MOMENT)
    lost = losing_once(monkeypatch, name)
    repository.undelete(backup)
    assert (lost, repository.catalog().of(WEB)) == ([name], (backup,))


def test_what_a_neighbour_purges_may_be_the_last_in_the_folder_that_another_is_removed_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, neighbour = (DirectoryRepository(tmp_path / "repository") for _ in range(2))
    old, new = store(repository, WEB), store(repository, WEB)
    repository.remove(old, MOMENT)
    make, purged = os.mkdir, list[str]()

    def purge_once_seen(made: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        try:
            make(made, mode, dir_fd=dir_fd)
        except FileExistsError:
            if made == "web" and not purged:
                purged.append(made)
                neighbour.purge(old)
            raise

    monkeypatch.setattr(os, "mkdir", purge_once_seen)
    repository.remove(new, MOMENT)
    assert (purged, set(repository.catalog().removed)) == (["web"], {new})


def test_what_a_neighbour_forgot_meanwhile_is_unpinned_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = DirectoryRepository(tmp_path / "repository")
    backup = store(repository, WEB)
    repository.pin(backup, pinned=True)

    def look_and_lose(root: Path, parts: Sequence[str] = ()) -> frozenset[str]:
        found = names_in(root, parts)
        monkeypatch.setattr(LOOK, names_in)
        Notes(root).forget(backup)
        return found

    monkeypatch.setattr(LOOK, look_and_lose)
    repository.pin(backup, pinned=False)
    assert not repository.catalog().health(backup).pinned


@pytest.mark.parametrize("name", ["notes", "instances", "default", "web"])
def test_a_note_finds_its_folder_again_that_a_neighbour_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    repository = DirectoryRepository(tmp_path / "repository")
    backup = store(repository, WEB)
    lost = losing_once(monkeypatch, name)
    repository.pin(backup, pinned=True)
    assert (lost, repository.catalog().health(backup).pinned) == ([name], True)
