"""What is newer than a backup of the configuration is deleted only where nothing lives in it."""

import pytest

from tests.cli.command import Shell
from tests.fake_incus import FakeIncus

PRUNE = ("restore", "config", "--apply", "--prune-config", "--yes")


@pytest.fixture
def fake(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> FakeIncus:
    """A server with a project that its backup does not know."""
    fake = FakeIncus()
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    assert shell("backup", "config").code == 0
    fake.world.add_project("shop")
    return fake


def test_a_project_that_is_not_empty_is_refused_while_planning(shell: Shell, fake: FakeIncus) -> None:
    fake.world.add_instance("till", project="shop")
    result = shell(*PRUNE)
    assert result.code == 1
    assert "project/shop can't be deleted: it is not empty, it holds instance till" in result.err
    assert "shop" in fake.world.projects


def test_an_empty_one_is_deleted(shell: Shell, fake: FakeIncus) -> None:
    assert shell(*PRUNE).code == 0
    assert "shop" not in fake.world.projects
