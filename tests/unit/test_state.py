"""The journal as it lies on this machine."""

import json
import os
from pathlib import Path

import pytest

from incusbak.errors import RepositoryError
from incusbak.state import StateJournal, default_root
from tests.killing import killed_at_each_touch
from tests.samples import export_record

SERVER = "0123456789abcdef" * 4


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "state" / "incus-backup"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"INCUS_BACKUP_STATE_DIR": "/a", "XDG_STATE_HOME": "/b"}, Path("/a")),
        ({"XDG_STATE_HOME": "/b"}, Path("/b/incus-backup")),
        ({"XDG_STATE_HOME": "relative"}, Path.home() / ".local/state/incus-backup"),
        ({}, Path.home() / ".local/state/incus-backup"),
    ],
)
def test_the_journal_has_its_usual_place(environ: dict[str, str], expected: Path) -> None:
    assert default_root(environ) == expected


def test_nothing_is_made_before_the_first_record(root: Path) -> None:
    with StateJournal(root, SERVER) as journal:
        journal.leftovers()
        journal.remove("e1")

    assert not root.exists()


def test_a_run_without_records_leaves_no_folder(root: Path) -> None:
    with StateJournal(root, SERVER) as journal:
        journal.write(export_record("e1"))
        journal.remove("e1")

    assert list((root / SERVER[:16]).iterdir()) == []


def test_the_run_that_removes_the_last_leftover_tidies_up(root: Path) -> None:
    with StateJournal(root, SERVER) as dead:
        dead.write(export_record("e1"))
    with StateJournal(root, SERVER) as journal:
        journal.remove("e1")

    assert list((root / SERVER[:16]).iterdir()) == []


def test_servers_have_a_journal_each(root: Path) -> None:
    with StateJournal(root, SERVER) as dead:
        dead.write(export_record("e1"))

    assert StateJournal(root, "f" * 64).leftovers() == ()


def test_records_are_private_whatever_the_umask(root: Path) -> None:
    before = os.umask(0o777)
    journal = StateJournal(root, SERVER)
    journal.write(export_record("e1"))
    os.umask(before)

    modes = {(path.is_dir(), path.stat().st_mode & 0o7777) for path in (root.parent, *root.parent.rglob("*"))}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_a_record_lies_with_its_kind_and_who_wrote_it(root: Path) -> None:
    with StateJournal(root, SERVER) as journal:
        journal.write(export_record("e1"))

    (path,) = root.glob(f"{SERVER[:16]}/*/e1.json")
    entry = json.loads(path.read_text())
    assert (entry["record"]["type"], entry["pid"]) == ("scratch-export", os.getpid())


def test_a_record_that_cannot_be_read_is_named_and_kept(root: Path) -> None:
    with StateJournal(root, SERVER) as dead:
        dead.write(export_record("e1"))
    (path,) = root.glob(f"{SERVER[:16]}/*/e1.json")
    path.write_text("garbage")

    with pytest.raises(RepositoryError, match=str(path)) as caught:
        StateJournal(root, SERVER).leftovers()
    assert "by hand" in caught.value.hint
    assert path.exists()


def test_a_run_killed_anywhere_leaves_whole_records_only(root: Path) -> None:
    def work(_: int) -> None:
        journal = StateJournal(root, SERVER)
        journal.write(export_record("e1"))
        journal.write(export_record("e1", name="incus-backup-2"))
        journal.remove("e1")
        journal.close()

    allowed = {export_record("e1"), export_record("e1", name="incus-backup-2")}
    for _ in killed_at_each_touch(work):
        journal = StateJournal(root, SERVER)
        left = journal.leftovers()
        assert len(left) <= 1
        assert set(left) <= allowed
        journal.remove("e1")
        assert journal.leftovers() == ()


def test_the_next_run_tidies_what_a_killed_one_left_empty(root: Path) -> None:
    def work(_: int) -> None:
        with StateJournal(root, SERVER) as journal:
            journal.write(export_record("e1"))
            journal.remove("e1")

    for _ in killed_at_each_touch(work):
        with StateJournal(root, SERVER) as journal:
            journal.remove("e1")
            journal.write(export_record("e2"))
            journal.remove("e2")
        assert list((root / SERVER[:16]).glob("[!.]*")) == []


def test_a_record_once_written_outlives_a_kill(root: Path) -> None:
    def work(number: int) -> None:
        journal = StateJournal(root / str(number), SERVER)
        journal.write(export_record("e1"))
        journal.write(export_record("e2"))
        journal.write(export_record("e3"))

    seen = []
    for number in killed_at_each_touch(work):
        left = [record.id for record in StateJournal(root / str(number), SERVER).leftovers()]
        assert left == ["e1", "e2", "e3"][: len(left)]
        seen.append(len(left))

    assert seen == sorted(seen)


def test_two_who_ask_at_once_see_the_same_leftovers(root: Path) -> None:
    with StateJournal(root, SERVER) as dead:
        dead.write(export_record("e1"))
    first, second = StateJournal(root, SERVER), StateJournal(root, SERVER)

    assert first.leftovers() == second.leftovers() == (export_record("e1"),)


def test_a_fingerprint_must_not_be_a_way_out(root: Path) -> None:
    with pytest.raises(RepositoryError):
        StateJournal(root, "../../etc")


def test_a_journal_that_cannot_be_written_says_where_it_should_be(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    root = tmp_path / "state" / "incus-backup"

    with pytest.raises(RepositoryError, match=str(root)):
        StateJournal(root, SERVER).write(export_record("e1"))


def test_taking_a_leftover_over_tidies_up_after_the_dead_run(root: Path) -> None:
    with StateJournal(root, SERVER) as dead:
        dead.write(export_record("e1"))
    journal = StateJournal(root, SERVER)
    journal.take_over("e1")

    assert len(list((root / SERVER[:16]).iterdir())) == 1
    journal.remove("e1")
    journal.close()
    assert list((root / SERVER[:16]).iterdir()) == []


def test_a_run_killed_while_it_takes_a_leftover_over_loses_nothing(root: Path) -> None:
    def work(_: int) -> None:
        journal = StateJournal(root, SERVER)
        journal.take_over("e1")
        journal.close()

    with StateJournal(root, SERVER) as dead:
        dead.write(export_record("e1"))
    for _ in killed_at_each_touch(work):
        assert StateJournal(root, SERVER).leftovers() == (export_record("e1"),)
