"""The command line after a run that was killed: what is the same command, and what is told of it."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cli.command import Shell, listed
from tests.fake_incus import FakeIncus

FEW = 3
ALL = ("backup", "instances", "--images", "none")


@pytest.fixture
def killed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A backup of three instances was killed before the third."""
    fake = FakeIncus()
    for name in ("app", "db", "web"):
        fake.world.add_instance(name)
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    child = os.fork()
    if child == 0:
        fake.before(lambda _, path: die() if path == "instances/web" and len(stored()) == FEW - 1 else None)
        shell(*ALL, "--parallel", "1")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert len(stored()) == FEW - 1
    return shell


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stored() -> list[Path]:
    return [*Path("repository").rglob("manifest.json")]


def test_the_same_command_makes_what_is_missing_and_the_next_one_all(killed: Shell) -> None:
    result = killed(*ALL)
    assert (result.code, len(stored())) == (0, FEW)
    assert "`backup instances` of " in result.err
    assert "was interrupted, with 2 of 3 steps done; what it finished counts as done (--again: all anew)" in (
        result.err
    )
    again = killed(*ALL)
    assert (again.code, len(stored())) == (0, 2 * FEW)
    assert "interrupted" not in again.err


def test_how_it_is_shown_and_how_many_steps_there_are_at_a_time_does_not_matter(killed: Shell) -> None:
    assert killed(*ALL, "--parallel=1", "-q").code == 0
    assert len(stored()) == FEW


@pytest.mark.parametrize(
    "line",
    [(*ALL, "--again"), (*ALL, "--no-snapshot"), (*ALL, "--compression=none"), (*ALL, "app", "db", "web")],
)
def test_another_command_makes_all_of_its_own(killed: Shell, line: tuple[str, ...]) -> None:
    assert killed(*line).code == 0
    assert len(stored()) == 2 * FEW - 1


def test_another_command_tells_of_it_once(killed: Shell) -> None:
    first, second = (killed("backup", "instances", "app", "--images", "none") for _ in range(2))
    assert "`backup instances` of " in first.err
    assert "; the same command goes on with it" in first.err
    assert "interrupted" not in second.err
    assert killed(*ALL).code == 0
    assert len(stored()) == FEW + 2


def test_a_dry_run_shows_what_is_missing_and_changes_nothing(killed: Shell) -> None:
    for _ in range(2):
        shown = killed(*ALL, "--dry-run")
        assert (shown.code, shown.out.count("instance/default/")) == (0, 1)
        assert "what it finished counts as done" in shown.err


def test_a_plan_by_a_policy_tells_of_it_and_makes_what_is_due(killed: Shell) -> None:
    policy = killed.file("p.yaml", "version: 1\nprotect: [{name: all, select: {kind: instance}}]\n")
    result = killed("plan", "-f", policy)
    assert "was interrupted, with 2 of 3 steps done" in result.err
    plan = json.loads(Path("plan.json").read_text())["plan"]
    assert [step["address"] for step in plan["steps"]] == ["instance/default/web"]


def test_in_another_repository_nothing_is_made_yet(killed: Shell) -> None:
    assert killed(*ALL, "--target=dir:other").code == 0
    assert len(listed(killed("list", "instances", "--target=dir:other", "--output=json"))) == FEW
