"""``--out`` puts a plan in place durably and replaces nothing but files; ``-`` prints it."""

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import Shell
from tests.fake_incus import FakeIncus

POLICY = """
version: 1
name: p
protect:
  - name: web
    select: {kind: instance}
    backup: {}
"""
BACK_UP = ("backup", "instances", "web", "--images", "none")


@pytest.fixture
def plan(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    fake = FakeIncus()
    fake.world.add_instance("web", files={"rootfs/data": b"web"})
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    return ("plan", "-f", shell.file("p.yaml", POLICY))


@pytest.mark.parametrize("out", ["-", "/dev/stdout"])
def test_a_plan_goes_to_stdout_alone(shell: Shell, plan: tuple[str, ...], out: str) -> None:
    shown = shell(*plan, "--out", out)
    assert (shown.code, json.loads(shown.out)["format_version"]) == (0, 1)
    assert "instance/default/web" in shown.err
    assert "Saved as" not in shown.err
    assert json.loads(shell(*BACK_UP, "--out", out).out)["format_version"] == 1


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_stays_what_it_is(
    shell: Shell, plan: tuple[str, ...], make: Callable[[str], None]
) -> None:
    make("there")
    before = Path("there").stat().st_mode
    for command in (plan, BACK_UP):
        assert "there is not a regular file" in shell.fails(*command, "--out", "there")
        assert "/dev/null is not a regular file" in shell.fails(*command, "--out", "/dev/null")
    assert Path("there").stat().st_mode == before
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_link_stays_one_and_its_file_is_replaced(shell: Shell, plan: tuple[str, ...]) -> None:
    Path("real.json").write_text("old")
    Path("link.json").symlink_to("real.json")
    assert shell(*plan, "--out", "link.json").code == 0
    assert Path("link.json").is_symlink()
    assert json.loads(Path("real.json").read_text())["format_version"] == 1


@pytest.mark.usefixtures("plan")
def test_a_lock_file_that_can_not_be_emptied_does_not_spoil_what_was_done(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell(*BACK_UP).code == 0
    truncate, calls = os.ftruncate, list[int]()

    def fail(descriptor: int, length: int) -> None:
        calls.append(descriptor)
        if os.fstat(descriptor).st_size:
            raise OSError(errno.EIO, "Input/output error")
        truncate(descriptor, length)

    monkeypatch.setattr(os, "ftruncate", fail)
    result = shell(*BACK_UP)
    assert (result.code, bool(calls)) == (0, True), result.err
    refused = shell(*BACK_UP)  # the holder's name can't be written either: told before anything is begun
    assert (refused.code, "can't be read or written: Input/output error" in refused.err) == (1, True)
    assert len(list(Path("repository").glob("instances/*/*/*"))) == 2


@pytest.mark.usefixtures("plan")
def test_what_is_pinned_after_the_plan_makes_it_stale(shell: Shell) -> None:
    assert [shell(*BACK_UP).code for _ in range(3)] == [0, 0, 0]
    assert shell("prune", "--keep", "1", "--out", "prune.json").code == 0
    oldest = min(Path("repository").glob("instances/*/*/*")).name
    assert shell("pin", f"instance/default/web@{oldest}").code == 0
    result = shell("apply", "prune.json", "--yes")
    assert result.code == 4, result.err
    assert f"instance/default/web@{oldest} is pinned by now" in " ".join(result.err.split())
    assert len(list(Path("repository").glob("instances/*/*/*"))) == 3
