"""``copy``: backups of one repository, in another one as they are."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from incusbak.errors import RepositoryError
from incusbak.model.notes import Inspection
from incusbak.model.refs import BackupId, ResourceRef, instance_ref
from incusbak.ports import Repository
from incusbak.repositories import open_repository
from tests.cli.command import Shell, listed
from tests.samples import ARCHIVE, MOMENT, WEB, store

DB = instance_ref("shop", "db")
DATA = ResourceRef("volume", project="default", pool="fast", name="data")
COPY = ("copy", "--from", "dir:here", "--to", "dir:there")


@pytest.fixture
def here(shell: Shell) -> Repository:
    return open_repository(f"dir:{shell.home}/here")


@pytest.fixture
def there(shell: Shell) -> Repository:
    return open_repository(f"dir:{shell.home}/there")


@pytest.fixture
def stored(here: Repository) -> list[BackupId]:
    """Two backups of an instance, and one of another and of a volume each."""
    moments = [(WEB, 2), (WEB, 1), (DB, 3), (DATA, 3)]
    return [store(here, ref, at=MOMENT - timedelta(days=age), data=b"%d" % age) for ref, age in moments]


def content(repository: Repository, backup: BackupId) -> bytes:
    with repository.open_file(backup, ARCHIVE) as chunks:
        return b"".join(chunks)


def addresses(repository: Repository) -> set[str]:
    return {str(backup) for backups in repository.catalog().backups.values() for backup in backups}


def test_what_is_copied_is_what_it_was(
    shell: Shell, here: Repository, there: Repository, stored: list[BackupId]
) -> None:
    result = shell(*COPY)
    assert (result.code, result.out) == (0, ""), result.err
    assert addresses(there) == {str(backup) for backup in stored}
    assert [there.manifest(b) for b in stored] == [here.manifest(b) for b in stored]
    assert [content(there, b) for b in stored] == [content(here, b) for b in stored]
    assert there.catalog().repository_id != here.catalog().repository_id
    for backup in stored:
        there.check(backup, lambda _: None)


@pytest.mark.usefixtures("stored")
def test_what_is_there_is_not_copied_again(shell: Shell, here: Repository) -> None:
    assert shell(*COPY).code == 0
    again = shell(*COPY)
    assert (again.code, again.err) == (0, "No changes: everything is as it should be.\n")
    newer = store(here, at=MOMENT)
    plan = shell(*COPY, "--dry-run")
    assert f"+ {WEB}\n      copy 1 backup, about 7 B" in plan.out
    assert "Plan: 1 to copy." in plan.out
    assert shell(*COPY).code == 0
    assert str(newer) in listed(shell("list", "instances", "--target", "dir:there", "--output", "json"))


def test_a_plan_to_copy_can_be_reviewed_and_applied_later(
    shell: Shell, there: Repository, stored: list[BackupId]
) -> None:
    assert shell(*COPY, "--out", "plan.json").code == 0
    assert addresses(there) == set()
    assert shell("apply", "plan.json").code == 0
    assert addresses(there) == {str(backup) for backup in stored}


def test_a_plan_to_copy_what_is_gone_by_now_is_stale(
    shell: Shell, here: Repository, there: Repository, stored: list[BackupId]
) -> None:
    assert shell(*COPY, "--out", "plan.json").code == 0
    here.remove(stored[0], MOMENT)
    assert f"{stored[0]} is not in dir:{shell.home}/here any more" in shell.fails(
        "apply", "plan.json", code=4
    )
    assert addresses(there) == set()


@pytest.mark.usefixtures("stored")
def test_a_plan_to_copy_from_another_repository_is_stale(shell: Shell) -> None:
    assert shell(*COPY, "--out", "plan.json").code == 0
    Path("here").rename("elsewhere")
    store(open_repository(f"dir:{shell.home}/here"))
    assert "is another repository by now" in shell.fails("apply", "plan.json", code=4)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("words", "copied"),
    [
        (("instances",), {WEB}),
        (("instances", "--project", "*"), {WEB, DB}),
        (("instances", "db", "--project", "shop"), {DB}),
        (("volumes", "fast/data"), {DATA}),
        (("all", "--project", "default"), {WEB, DATA}),
    ],
)
def test_only_what_is_named_is_copied(
    shell: Shell, there: Repository, words: tuple[str, ...], copied: set[ResourceRef]
) -> None:
    assert shell(*COPY, *words).code == 0
    assert set(there.catalog().backups) == copied


def test_a_damaged_backup_is_not_copied_and_does_not_keep_the_others_from_it(
    shell: Shell, there: Repository, stored: list[BackupId]
) -> None:
    archive = Path("here/instances/default/web", stored[0].timestamp, ARCHIVE)
    archive.write_bytes(b"x")
    result = shell(*COPY)
    assert result.code == 3
    assert f"{stored[0]}: {ARCHIVE} was changed" in result.err
    assert addresses(there) == {str(backup) for backup in stored[1:]}


def test_what_is_known_to_be_damaged_is_left_out(
    shell: Shell, here: Repository, there: Repository, stored: list[BackupId]
) -> None:
    here.note(Inspection(stored[0], MOMENT, f"{ARCHIVE} was changed"))
    result = shell(*COPY)
    assert (result.code, there.catalog().of(WEB)) == (0, (stored[1],))
    assert f"Warning: {stored[0]} is not copied: it is known to be damaged" in result.err


def test_what_was_removed_there_is_not_copied_again(
    shell: Shell, there: Repository, stored: list[BackupId]
) -> None:
    assert shell(*COPY).code == 0
    there.remove(stored[0], MOMENT)
    result = shell(*COPY)
    assert (result.code, there.catalog().of(WEB)) == (0, (stored[1],))
    assert f"Warning: {stored[0]} is not copied: it was removed there" in result.err


def test_an_interrupted_copy_keeps_what_was_whole(
    shell: Shell, here: Repository, there: Repository, stored: list[BackupId], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the second backup of an instance is copied."""
    kept: Any = type(there).new_backup

    def new_backup(self: Repository, ref: ResourceRef, at: object) -> object:
        if self.catalog().of(ref):
            raise RepositoryError("no space left on the disk")
        return kept(self, ref, at)

    with monkeypatch.context() as full:
        full.setattr(type(there), "new_backup", new_backup)
        assert shell(*COPY, "instances").code == 1
    assert there.catalog().of(WEB) == (stored[0],)
    assert shell(*COPY).code == 0
    assert addresses(there) == addresses(here)


@pytest.mark.usefixtures("stored")
def test_what_can_not_be_is_refused(shell: Shell) -> None:
    assert "Missing option '--from'" in shell.fails("copy", "--to", "dir:there")
    assert "no repository is named" in shell.fails("copy", "--from", "dir:here")
    assert "are the same repository" in shell.fails("copy", "--from", "dir:here", "--to", "here")
    Path("link").symlink_to("here")
    assert "are the same repository" in shell.fails("copy", "--from", "dir:here", "--to", "dir:link")
    assert "there is no repository at" in shell.fails(
        "copy", "--from", "dir:not", "--to", "dir:here", code=10
    )
    assert "no such instance in the repository" in shell.fails(*COPY, "instances", "nobody", code=1)


def test_a_repository_seeded_with_the_files_of_another_is_copied_into_and_can_get_an_id_of_its_own(
    shell: Shell, here: Repository, there: Repository, stored: list[BackupId]
) -> None:
    shutil.copytree(shell.home / "here", shell.home / "there", symlinks=True)
    newer = store(here, at=MOMENT)

    told = shell(*COPY)
    assert told.code == 0
    assert "have the same id: one was made by copying the files of the other" in told.err
    assert f"copy --from {here.uri} --to {there.uri} --new-id" in told.err
    assert addresses(there) == {str(backup) for backup in (*stored, newer)}

    assert "would get an id of its own" in shell(*COPY, "--new-id", "--dry-run").err
    assert there.catalog().repository_id == here.catalog().repository_id
    again = shell(*COPY, "--new-id")
    assert (again.code, "has an id of its own now" in again.err, "same id" in again.err) == (0, True, False)
    seen = open_repository(there.uri)
    assert seen.catalog().repository_id != here.catalog().repository_id
    assert (seen.secret(), addresses(seen)) == (here.secret(), addresses(here))
    assert "Warning" not in shell(*COPY, "--new-id").err


@pytest.mark.usefixtures("stored")
def test_a_plan_for_a_repository_that_got_another_id_since_is_stale(shell: Shell, here: Repository) -> None:
    shutil.copytree(shell.home / "here", shell.home / "there", symlinks=True)
    store(here, at=MOMENT)
    assert shell(*COPY, "--out", "plan.json").code == 0
    assert "can't be saved as a plan" in shell.fails(*COPY, "--new-id", "--out", "other.json")
    assert shell(*COPY, "volumes", "--new-id").code == 0

    assert "is another repository" in shell.fails("apply", "plan.json", code=4)


def test_the_target_of_the_settings_is_copied_into(
    shell: Shell, stored: list[BackupId], there: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCUS_BACKUP_DIR", str(shell.home / "there"))
    assert shell("copy", "--from", "dir:here", "volumes").code == 0
    assert addresses(there) == {str(stored[3])}
    [run] = (shell.home / "there/runs").iterdir()
    assert json.loads((run / "report.json").read_text())["report"]["outcomes"][0]["address"] == DATA.address
