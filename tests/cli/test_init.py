"""``init`` as a command: what it writes where, and what it never touches."""

from pathlib import Path

import pytest

from incusbak.policyfile import parse_policy
from tests.cli.command import Shell
from tests.world.test_init import furnished, session_of


@pytest.fixture
def init(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in which the server is one in memory."""
    estate = furnished()

    monkeypatch.setattr("incusbak.cli.init_cmd.Session", lambda settings: session_of(estate, settings))
    return shell


def test_it_writes_policy_yaml_and_says_what_comes_next(init: Shell) -> None:
    result = init("init")
    assert (result.code, result.out) == (0, "")
    assert result.err.splitlines() == [
        "Wrote policy.yaml.",
        "Read it, change what you like, and name your repository in it. Then:",
        "  incus-backup validate -f policy.yaml",
        "  incus-backup plan -f policy.yaml",
        "  incus-backup apply plan.json",
    ]
    assert init("validate", "-f", "policy.yaml").out == "policy.yaml: good, 3 rules\n"


def test_a_target_and_a_remote_that_were_given_are_kept_in_mind(init: Shell) -> None:
    result = init("init", "my policy.yaml", "--target", "dir:backups", "--remote", "far")
    assert "  incus-backup plan -f 'my policy.yaml' --remote far" in result.err.splitlines()
    assert f'target: "dir:{init.home}/backups"\n' in (init.home / "my policy.yaml").read_text()


def test_it_never_overwrites(init: Shell) -> None:
    there = Path(init.file("policy.yaml", "mine"))
    complaint = init.fails("init")
    assert complaint.startswith("policy.yaml is there already; nothing was written\nHint: name another file")
    assert there.read_text() == "mine"
    (init.home / "link.yaml").symlink_to("nowhere.yaml")
    assert "is there already" in init.fails("init", "link.yaml")
    assert "can't be written: No such file or directory" in init.fails("init", "no/folder.yaml")


@pytest.mark.parametrize("arguments", [["-"], ["x.yaml", "--dry-run"]])
def test_it_can_be_looked_at_first(init: Shell, arguments: list[str]) -> None:
    result = init("init", *arguments)
    assert result.code == 0
    assert "  incus-backup plan -f POLICY" in result.err.splitlines()
    assert len(parse_policy(result.out, "p.yaml").protect) == 3
    assert list(init.home.glob("*.yaml")) == []
