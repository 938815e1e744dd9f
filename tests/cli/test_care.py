"""``verify``, ``prune``, ``pin``, ``unpin``, ``undelete``: for a repository alone, no server is about."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Result, Shell, listed
from tests.fake_incus import FakeIncus
from tests.live.terminal import talk

WEB = Path("repository/instances/default/web")
ARCHIVE = "export.tar.zst"


@pytest.fixture
def kept(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three backups of an instance, oldest first; the server they are of is lost."""
    fake = FakeIncus()
    fake.world.add_instance("web", files={"rootfs/data": b"web" * 1000})
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    with monkeypatch.context() as living:
        living.setattr("incusbak.incus.connect", lambda *_, **__: fake)
        for _ in range(3):
            assert shell("backup", "instances", "web", "--images", "none").code == 0
    return listed(shell("list", "instances", "--output", "json"))


def folder(address: str) -> Path:
    return WEB / address.partition("@")[2]


def flip(address: str) -> None:
    archive = folder(address) / ARCHIVE
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)


def there(shell: Shell) -> list[str]:
    return listed(shell("list", "instances", "--output", "json"))


def removed(shell: Shell) -> list[str]:
    return listed(shell("list", "all", "--removed", "--output", "json"))


def data_of(result: Result) -> Any:
    return json.loads(result.out)


# -- verify -------------------------------------------------------------------------------------------


def test_good_backups_are_told_one_by_one(shell: Shell, kept: list[str]) -> None:
    result = shell("verify")
    assert result.code == 0
    assert [line.split() for line in result.out.splitlines()[1:]] == [[each, "good"] for each in kept]
    assert [row["damaged"] for row in data_of(shell("list", "instances", "--output", "json"))] == [False] * 3
    assert "  good " in shell("list", "instances").out


def test_damage_ends_with_six_and_names_backup_and_file(shell: Shell, kept: list[str]) -> None:
    flip(kept[1])
    result = shell("verify", "instances", "web", "--output", "json")
    assert result.code == 6
    problem = f"{kept[1]}: {ARCHIVE} "
    assert problem in result.err
    found = data_of(result)
    assert [(row["address"], row["result"], row["damaged"]) for row in found] == [
        (kept[0], "good", False),
        (kept[1], "damaged", True),
        (kept[2], "good", False),
    ]
    assert found[1]["problem"].startswith(problem)
    [_, row, _] = data_of(shell("list", "instances", "--output", "json"))
    assert (row["damaged"], row["problem"]) == (True, found[1]["problem"])


def test_quiet_verification_tells_only_what_is_not_good(shell: Shell, kept: list[str]) -> None:
    assert (shell("verify", "-q").out, shell("verify", "-q").err) == ("", "")
    flip(kept[1])
    result = shell("verify", "-q")
    assert (result.code, [line.split()[:2] for line in result.out.splitlines()[1:]]) == (
        6,
        [[kept[1], "damaged"]],
    )
    assert [row["result"] for row in data_of(shell("verify", "-q", "--output", "json"))] == ["damaged"]


def test_where_no_note_can_be_kept_the_result_is_the_same(shell: Shell, kept: list[str]) -> None:
    Path("repository/notes").write_text("in the way")
    flip(kept[0])
    result = shell("verify", "--output", "json")
    assert result.code == 6
    assert [row["result"] for row in data_of(result)] == ["damaged", "good", "good"]


@pytest.mark.usefixtures("kept")
def test_what_is_not_there_can_not_be_verified(shell: Shell) -> None:
    assert "did you mean web?" in shell.fails("verify", "instances", "wep", code=1)
    assert "no repository" in shell.fails("verify", "--target", "dir:elsewhere", code=10)
    assert "is not a kind" in shell.fails("verify", "everything")


def test_a_look_finds_what_is_missing_and_calls_nothing_good(shell: Shell, kept: list[str]) -> None:
    (folder(kept[1]) / ARCHIVE).unlink()
    result = shell("verify", "--read-data", "none", "--output", "json")
    assert result.code == 6
    assert [row["result"] for row in data_of(result)] == ["seen", "damaged", "seen"]
    listing = data_of(shell("list", "instances", "--output", "json"))
    assert [row["damaged"] for row in listing] == [False, True, False]
    assert "look at 3 backups" in shell("verify", "--read-data=none", "--dry-run").out


def test_a_part_is_what_was_not_read_for_longest(shell: Shell, kept: list[str]) -> None:
    def read(part: str) -> list[str]:
        return [row["address"] for row in data_of(shell("verify", "--read-data", part, "--output", "json"))]

    assert read("1%") == kept[:1]
    assert read("100%") == kept


@pytest.mark.usefixtures("kept")
def test_verify_can_be_planned_only(shell: Shell) -> None:
    assert "<=" in shell("verify", "--dry-run").out
    assert not Path("repository/notes").exists()


# -- prune --------------------------------------------------------------------------------------------


def test_without_a_terminal_a_removal_needs_consent(shell: Shell, kept: list[str]) -> None:
    refused = shell("prune", "--keep", "1")
    assert refused.code == 5
    assert "Hazards\n  ! instance/default/web: deletes a backup" in refused.err
    assert "without a terminal: add --yes" in refused.err
    assert there(shell) == kept
    assert shell("prune", "--keep", "1", "--yes").code == 0
    assert (there(shell), removed(shell)) == (kept[2:], kept[:2])
    assert "No changes" in shell("prune", "--keep", "1").err


@pytest.mark.parametrize(("answer", "code"), [("no", 5), ("y", 5), ("", 5), ("yes", 0)])
def test_on_a_terminal_only_yes_is_consent(shell: Shell, kept: list[str], answer: str, code: int) -> None:
    command = [sys.executable, "-m", "incusbak", "prune", "--keep", "1"]
    talked = talk(command, [("Answer", answer)], env=os.environ, cwd=shell.home)
    assert (talked.code, "deletes a backup" in talked.seen) == (code, True), talked.seen
    assert ("nobody agreed, so it was not carried out" in talked.seen) == (code == 5)
    assert there(shell) == (kept if code else kept[2:])
    question = talked.seen[talked.seen.index("Do you want") : talked.seen.index("Answer")]
    assert max(map(len, question.splitlines())) < 40  # no terminal breaks it in the middle of a word


def test_a_dry_run_removes_nothing(shell: Shell, kept: list[str]) -> None:
    result = shell("prune", "--keep", "1", "--dry-run")
    assert (result.code, "2 backups" in result.out or kept[0][-16:] in result.out) == (0, True)
    assert (there(shell), removed(shell)) == (kept, [])


def test_a_removal_is_taken_back(shell: Shell, kept: list[str]) -> None:
    assert shell("prune", "instances", "--keep", "1", "--yes").code == 0
    assert shell("undelete", kept[0]).code == 0
    assert (there(shell), removed(shell)) == ([kept[0], kept[2]], [kept[1]])
    assert "No changes" in shell("undelete", kept[0]).err
    assert shell("verify").code == 0


def test_what_is_purged_at_once_is_gone_for_good(shell: Shell, kept: list[str]) -> None:
    assert shell("prune", "--keep", "2", "--yes").code == 0
    assert shell("prune", "--keep", "1", "--purge-now", "--yes").code == 0
    assert (there(shell), removed(shell)) == (kept[2:], [])
    assert "not among the removed" in shell.fails("undelete", kept[0], code=1)


def test_rules_of_the_calendar_keep_what_they_want(shell: Shell, kept: list[str]) -> None:
    assert shell("prune", "--policy", "yearly=1", "--timezone", "Europe/Berlin", "--yes").code == 0
    assert there(shell) == kept[2:]


def test_a_pinned_backup_stays_until_it_is_unpinned(shell: Shell, kept: list[str]) -> None:
    assert shell("pin", kept[0]).code == 0
    assert [row["pinned"] for row in data_of(shell("list", "all", "--output", "json"))] == [
        True,
        False,
        False,
    ]
    assert shell("prune", "--keep", "1", "--yes").code == 0
    assert there(shell) == [kept[0], kept[2]]
    assert shell("unpin", kept[0]).code == 0
    assert shell("prune", "--keep", "1", "--yes").code == 0
    assert there(shell) == kept[2:]


def test_a_damaged_one_is_never_the_only_one_kept(shell: Shell, kept: list[str]) -> None:
    flip(kept[2])
    assert shell("verify").code == 6
    assert shell("prune", "--keep", "1", "--yes").code == 0
    assert there(shell) == kept[1:]


def test_one_that_was_not_verified_is_at_least_looked_at(shell: Shell, kept: list[str]) -> None:
    (folder(kept[2]) / ARCHIVE).unlink()
    result = shell("prune", "--keep", "1", "--yes")
    assert result.code == 6
    assert f"{kept[2]}: {ARCHIVE} is missing" in result.err
    assert there(shell) == kept
    assert shell("prune", "--keep", "1", "--yes").code == 0
    assert there(shell) == kept[1:]


def test_a_saved_removal_is_applied_as_it_was_reviewed(shell: Shell, kept: list[str]) -> None:
    assert shell("prune", "--keep", "1", "--out", "plan.json").code == 0
    digest = json.loads(Path("plan.json").read_text())["digest"]
    assert shell("apply", "plan.json", "--approve", digest[:12]).code == 0
    assert there(shell) == kept[2:]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("prune", "nothing says what to keep"),
        ("prune --keep 0", "0 is not in the range"),
        ("prune --keep 1 --policy daily=7", "contradict"),
        ("prune --policy fortnightly=7", "fortnightly"),
        ("prune --keep 1 --timezone Moon/Base", "unknown time zone"),
        ("pin web", "web"),
        ("pin instance/default/web", "instance/default/web"),
    ],
)
def test_a_wrong_command_line_is_refused(shell: Shell, line: str, complaint: str) -> None:
    assert complaint in shell.fails(*line.split())


def test_a_backup_that_is_not_there_is_named_with_those_that_are(shell: Shell, kept: list[str]) -> None:
    complaint = shell.fails("pin", "instance/default/web@20010101T000000Z", code=1)
    assert kept[2].partition("@")[2] in complaint
