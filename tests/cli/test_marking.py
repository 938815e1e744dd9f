"""``pin``, ``unpin``, ``accept`` and ``undelete`` of several backups at once, by name and by glob."""

import json
from datetime import timedelta

import pytest

from incusbak.model.refs import BackupId, instance_ref
from incusbak.ports import Repository
from incusbak.repositories import open_repository
from tests.cli.command import Shell, listed
from tests.samples import MOMENT, store

AT = ("--target", "dir:repository")
DATA = ("--output", "json")


@pytest.fixture
def repository(shell: Shell) -> Repository:
    return open_repository(f"dir:{shell.home}/repository")


@pytest.fixture
def kept(repository: Repository) -> list[BackupId]:
    """Two backups each of db and of web, on the first and second of March."""
    refs = (instance_ref("default", name) for name in ("db", "web"))
    return [store(repository, ref, at=MOMENT + timedelta(days=day)) for ref in refs for day in (0, 1)]


def pinned(shell: Shell) -> list[str]:
    return [row["address"] for row in json.loads(shell("list", *AT, *DATA).out) if row["pinned"]]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["*@*"], [0, 1, 2, 3]),
        (["instance/default/web@*"], [2, 3]),
        (["*@20260301*"], [0, 2]),
        (["instance/default/w*@20260302T123000Z", "instance/default/db@20260301T123000Z"], [0, 3]),
        (["*/db@*", "instance/default/db@20260301T123000Z"], [0, 1]),
    ],
)
def test_globs_mean_all_that_they_match(
    shell: Shell, kept: list[BackupId], words: list[str], meant: list[int]
) -> None:
    result = shell("pin", *words, *AT)
    assert result.code == 0, result.err
    assert pinned(shell) == [kept[each].address for each in meant]
    assert result.err.count(": pinned ") == len(meant)
    assert shell("unpin", *words, *AT).err.count(": unpinned ") == len(meant)
    assert pinned(shell) == []


def test_several_removals_are_taken_back(shell: Shell, repository: Repository, kept: list[BackupId]) -> None:
    for backup in kept:
        repository.remove(backup, MOMENT + timedelta(days=2))
    assert shell("undelete", "*/db@*", kept[2].address, *AT).err.count(" is there again") == 3
    assert listed(shell("list", *AT, *DATA)) == [each.address for each in kept[:3]]
    told = shell.fails("undelete", "*/db@*", *AT, code=1)
    assert "no such backup: */db@*" in told


def test_if_one_means_nothing_nothing_is_done_and_each_is_told(shell: Shell, kept: list[BackupId]) -> None:
    lost = "instance/default/web@20010101T000000Z"
    told = shell.fails("pin", kept[0].address, lost, "*/wbe@*", *AT, code=1)
    assert f"there is no backup {lost}" in told
    assert "no such backup: */wbe@*" in told
    assert str(kept[3]) in told
    assert pinned(shell) == []


def test_what_is_so_already_is_no_fault(shell: Shell, kept: list[BackupId]) -> None:
    assert shell("pin", kept[0].address, *AT).code == 0
    assert shell("pin", "*/db@*", *AT).err.count(": pinned ") == 1
    assert "No changes" in shell("pin", "*/db@*", *AT).err
    assert "No changes" in shell("accept", "*/db@*", *AT).err


def test_what_has_no_timestamp_is_refused(shell: Shell) -> None:
    assert "is not of the form ADDRESS@TIMESTAMP" in shell.fails("pin", "*/db", *AT)
    assert "Missing argument" in shell.fails("pin", *AT)
