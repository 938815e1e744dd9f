"""Hints name what helps: a restore of what is in a backup, and --force only where it changes anything."""

import pytest

from incusbak.errors import Blocked, Corrupt, IncusbakError, NoSuchBackup
from tests.cli.command import Shell
from tests.fake_incus import FakeIncus


@pytest.mark.parametrize(
    ("first", "hint"),
    [
        ("config", "bring it back with `incus-backup restore config --apply`, or create project/shop"),
        ("images", "Hint: create project/shop, or use another"),
    ],
)
def test_what_is_missing_is_brought_back_only_from_a_backup_that_has_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, first: str, hint: str
) -> None:
    fake = FakeIncus()
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    fake.world.add_project("shop")
    root = {"root": {"type": "disk", "path": "/", "pool": "default"}}
    fake.world.add_instance("till", project="shop", devices=root)
    assert shell("backup", first).code == 0
    assert shell("backup", "instances", "--project", "shop", "--images", "none").code == 0
    fake.world.instances.clear()
    fake.world.remove_project("shop")
    result = shell("restore", "instances", "--project", "shop")
    assert (result.code, hint in " ".join(result.err.split())) == (1, True), result.err


def test_what_no_force_changes_names_none() -> None:
    assert Blocked("it is the last good backup").hint == ""


@pytest.mark.parametrize("error", [Corrupt, NoSuchBackup])
def test_what_any_kind_of_backup_may_be_hints_at_all_of_them(error: type[IncusbakError]) -> None:
    assert "`incus-backup list`" in error.default_hint
