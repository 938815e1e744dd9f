"""What a person, a plan or a server calls something is shown escaped: it forges no line."""

import json

import pytest

from incusbak.model.refs import BackupId, instance_ref
from tests.cli.command import Shell
from tests.fake_incus import FakeIncus

ODD = "we\nError: all is lost\x1b[2J"
ADDRESS = f"instance/default/{ODD}"
LINES = [
    ("explain", ADDRESS, "-f", "policy.yaml"),
    ("explain", f"image/{ODD}", "-f", "policy.yaml"),
    ("explain", ODD, "-f", "policy.yaml"),
    ("restore", "instance", ODD),
    ("restore", "instances", f"{ODD}*"),
    ("restore", "instances", "web", "--target-name", ODD),
    ("restore", "instances", "--project", ODD),
    ("restore", "instances", "--pool-map", f"{ODD}={ODD}", "--skip-existing"),
    ("restore", "instances", "--pool-map", ODD),
    ("restore", "instances", "--without-device", ODD, "--replace"),
    ("restore", "config", ODD),
    ("restore", "instances", "--at", ODD),
    ("restore", "instances", "--timezone", ODD, "--at", "2d"),
    ("backup", "instances", ODD),
    ("backup", "instances", "--project", ODD),
    ("backup", ODD),
    ("rehearse", "instance", ODD),
    ("pin", f"{ADDRESS}@20260101T000000Z"),
    ("undelete", f"{ADDRESS}@20260101T000000Z"),
    ("unpin", ODD),
    ("plan", "-f", "policy.yaml", "--only", ODD),
    ("plan", "-f", ODD),
    ("plan", "-f", "policy.yaml", "--target", f"dir:{ODD}"),
    ("apply", ODD),
    ("show", ODD),
    ("list", ODD),
    ("list", "instances", "--target", f"dir:{ODD}"),
    ("list", "instances", "--target", f"{ODD}:x"),
    ("prune", "--policy", ODD),
    ("copy", "--from", f"dir:{ODD}", "--to", "dir:x"),
    ("list", "instances", "--config", ODD),
    (f"--{ODD}",),
    (ODD,),
]


@pytest.fixture
def there(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    fake = FakeIncus()
    fake.world.add_instance("web")
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    with monkeypatch.context() as within:
        within.setattr("incusbak.incus.connect", lambda *_, **__: fake)
        assert shell("backup", "instances", "--images", "none").code == 0
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    shell.file("policy.yaml", "version: 1\nprotect: [{name: all, select: {kind: instance}}]\n")
    return shell


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line).encode("unicode_escape").decode())
def test_words_of_a_command_line_are_shown_and_not_obeyed(there: Shell, line: tuple[str, ...]) -> None:
    result = there(*line)
    check(result.err + result.out)


def test_so_are_settings_of_the_environment(there: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCUS_BACKUP_DIR", ODD)
    result = there("list", "instances")
    assert result.code == 10
    check(result.err)


def test_so_are_those_of_a_plan(there: Shell) -> None:
    assert there("plan", "-f", "policy.yaml", "--out", "plan.json").code == 0
    data = json.loads((there.home / "plan.json").read_text()) if (there.home / "plan.json").exists() else None
    assert data is not None
    data["plan"]["repository"]["uri"] = f"{ODD}:{ODD}"
    data["plan"]["server"]["remote"] = ODD
    for name in ("show", "apply"):
        there.file("plan.json", json.dumps(data))
        check(there(name, "plan.json").err)


def test_an_address_is_told_as_it_can_be_shown() -> None:
    ref = instance_ref("default", ODD)
    assert str(ref) == "instance/default/we\\nError: all is lost\\x1b[2J"
    assert str(BackupId(ref, "20260101T000000Z")) == f"{ref}@20260101T000000Z"
    assert ref.address == ADDRESS


def check(text: str) -> None:
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("Error: all")], text
