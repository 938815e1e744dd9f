"""A command says each warning once: with the plan that somebody has to agree to, or by itself."""

from pathlib import Path

import pytest

from incusbak.cli.options import Settings
from incusbak.cli.session import Session
from tests.cli.command import Shell
from tests.fake_incus import FakeIncus

SAID = "is known to be damaged"


@pytest.fixture
def damaged(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """An instance with two backups, the newer of which is damaged."""
    fake = FakeIncus()
    fake.world.add_instance("web")
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    for _ in range(2):
        assert shell("backup", "instances", "--images", "none").code == 0
    newest = max(Path("repository/instances/default/web").iterdir())
    (newest / "manifest.json").write_text("{")
    assert shell("verify", "instances").code == 6
    fake.world.instance("web").config["user.note"] = "changed"
    return shell


@pytest.mark.parametrize(("more", "code"), [((), 5), (("--yes",), 0)], ids=["nobody agrees", "--yes"])
def test_a_command_warns_once(damaged: Shell, more: tuple[str, ...], code: int) -> None:
    done = damaged("restore", "instance", "web", "--replace", *more)
    assert (done.code, " ".join(done.err.split()).count(SAID)) == (code, 1 + bool(more)), done.err


def test_a_warning_names_what_it_is_about_once(damaged: Shell) -> None:
    newest = max(Path("repository/instances/default/web").iterdir()).name
    (told,) = [line for line in damaged("list", "instances").err.splitlines() if "manifest.json" in line]
    assert told.count(newest) == 1, told


def test_what_is_come_across_again_is_not_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A manifest that can't be read is met each time that a choice is made."""
    session = Session(Settings())
    for line in ("one", "two", "one"):
        session.warn(line)
    assert capsys.readouterr().err.splitlines() == ["Warning: one", "Warning: two"]
