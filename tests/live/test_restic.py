"""``--target restic:``: deduplicated and encrypted backups, with all that a folder of backups can do."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

from tests.live.restic_tool import ResticTool
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.support.restic import DEBIANS, NEWER, PASSWORD, Restic, folder_of
from tests.live.terminal import talk
from tests.live.tool import Tool

MIB = 1 << 20
PEAK_MIB = 80
RESTIC = {"6.0": DEBIANS, "7.0": NEWER}
"""Which restic goes with which Incus, so that each runs once."""


@pytest.fixture
def restic_tool(tool: Tool, project: Project, restic_template: Callable[[str], Restic]) -> ResticTool:
    version = RESTIC[project.server.version]
    shutil.copytree(restic_template(version).folder, tool.repository)
    return ResticTool(tool.socket, tool.folder, version=version)


def backup_of(project: Project, *names: str) -> tuple[str, ...]:
    return "backup", "instances", *names, "--images", "none", "--project", project.name


def restore_of(project: Project, name: str, *more: str) -> tuple[str, ...]:
    return "restore", "instance", name, "--project", project.name, *more


@pytest.fixture
def web(project: Project) -> bytes:
    """An instance with some data; returns that."""
    data = os.urandom(8 * MIB)
    project.launch("web", start=False)
    project.put_file("web", "/root/bulk", data)
    return data


# -- what it is for -----------------------------------------------------------------------------------


@pytest.mark.once
def test_what_the_repository_lost_is_told_stored_anew_and_comes_back(
    restic_tool: ResticTool, project: Project, web: bytes
) -> None:
    """restic itself would take the lost data for stored, whatever `verify` has found."""
    restic_tool.do(*backup_of(project, "web"))
    restic_tool.largest_pack().unlink()
    assert restic_tool.run("verify", "instances", "--project", project.name).code == 6

    told = restic_tool.do(*backup_of(project, "web")).err
    project.incus("delete", "web")
    restic_tool.do(*restore_of(project, "web"))

    assert ("had lost data" in told, "read again before it counted" in told) == (True, True)
    assert project.get_file("web", "/root/bulk") == web


@pytest.mark.once
def test_the_second_backup_adds_only_what_changed_and_both_come_back(
    restic_tool: ResticTool, project: Project
) -> None:
    tool, bulk = restic_tool, os.urandom(96 * MIB)
    project.launch("web", start=False)
    project.put_file("web", "/root/bulk", bulk)
    tool.do(*backup_of(project, "web"))
    first = tool.bytes_on_disk()
    changed = bulk[: 40 * MIB] + os.urandom(100_000) + bulk[40 * MIB + 100_000 :]
    project.put_file("web", "/root/bulk", changed)
    tool.do(*backup_of(project, "web"))
    added = tool.bytes_on_disk() - first

    assert first > len(bulk)
    assert added < first * 0.1, f"{added / first:.1%}"
    older, newer = sorted(each["timestamp"] for each in tool.backups(project.name))
    for timestamp, data in ((older, bulk), (newer, changed)):
        tool.do(*restore_of(project, "web", "--version", timestamp, "--target-name", "copy"))
        assert project.get_file("copy", "/root/bulk") == data
        project.api("DELETE", "/1.0/instances/copy")


def test_instances_of_one_image_share_what_they_began_with(restic_tool: ResticTool, project: Project) -> None:
    tool, base = restic_tool, os.urandom(24 * MIB)
    project.launch("web", start=False)
    project.put_file("web", "/root/base", base)
    project.incus("publish", "web", "--alias", f"base-{project.name}")
    project.incus("init", f"base-{project.name}", "db")
    tool.do(*backup_of(project, "web"))
    first = tool.bytes_on_disk()

    tool.do(*backup_of(project, "db"))

    assert tool.bytes_on_disk() - first < len(base) * 0.3
    project.incus("image", "delete", f"base-{project.name}")


@pytest.mark.once
def test_backups_are_cared_for_as_in_a_folder(restic_tool: ResticTool, project: Project, web: bytes) -> None:
    tool, scope = restic_tool, ("--project", project.name)
    for _ in range(3):
        tool.do(*backup_of(project, "web"))
    first, second, third = sorted(each["timestamp"] for each in tool.backups(project.name))
    tool.do("verify", "instances", *scope)
    tool.do("pin", f"instance/{project.name}/web@{first}")
    tool.do("prune", "instances", "--keep", "1", "--yes", *scope)
    assert sorted(each["timestamp"] for each in tool.backups(project.name)) == [first, third]
    tool.do("undelete", f"instance/{project.name}/web@{second}")
    tool.do("unpin", f"instance/{project.name}/web@{first}")
    assert len(tool.backups(project.name)) == 3

    before = tool.bytes_on_disk()
    tool.do("prune", "instances", "--keep", "1", "--purge-now", "--yes", *scope)

    assert [each["timestamp"] for each in tool.backups(project.name)] == [third]
    assert [kind for kind in tool.types() if kind not in ("run", "metadata")] == ["file", "manifest", "note"]
    assert tool.bytes_on_disk() < before
    tool.do(*restore_of(project, "web", "--target-name", "copy"))
    assert project.get_file("copy", "/root/bulk") == web


@pytest.mark.usefixtures("web")
def test_archives_are_stored_plain_unless_told_otherwise(restic_tool: ResticTool, project: Project) -> None:
    planned = restic_tool.do(*backup_of(project, "web"), "--dry-run").out
    odd = restic_tool.run(*backup_of(project, "web"), "--compression", "zstd", "--dry-run").out
    assert "compression none" in planned
    assert "share nothing" not in planned
    assert f"instance/{project.name}/web: compressed archives share nothing with others" in odd


@pytest.mark.once
def test_memory_stays_flat_and_nothing_is_staged(restic_tool: ResticTool, project: Project) -> None:
    project.launch("web", start=False)
    project.put_file("web", "/root/bulk", os.urandom(160 * MIB))
    tool = restic_tool
    argv = [sys.executable, "-m", "incusbak", *backup_of(project, "web")]
    for command in (argv, [*argv[:3], *restore_of(project, "web", "--target-name", "copy")]):
        process = subprocess.Popen(command, env=tool.environment(), cwd=tool.folder)
        peak_mib = staged = 0.0
        while process.poll() is None:
            peak_mib = max(peak_mib, peak_of(process.pid))
            own = (p for p in tool.folder.rglob("*") if tool.repository not in p.parents and p.is_file())
            staged = max(staged, sum(p.stat().st_size for p in own if p.exists()))
            time.sleep(0.2)
        assert process.returncode == 0
        assert 10 < peak_mib < PEAK_MIB
        assert staged < 8 * MIB


def peak_of(pid: int) -> float:
    """The most memory a process took until now, in MiB; 0 once it has ended."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


# -- who may not --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("web")
def test_a_wrong_password_and_none_are_refused(restic_tool: ResticTool, project: Project) -> None:
    tool = restic_tool
    tool.do(*backup_of(project, "web"))
    for env, words in (
        ({"RESTIC_PASSWORD": "wrong"}, "is not that of"),
        ({"RESTIC_PASSWORD": ""}, "no password is given"),
    ):
        refused = tool.run(*backup_of(project, "web"), env=env)
        assert (refused.code, words in refused.err) == (12, True), refused.err
    word = tool.folder / "password"
    word.write_text(PASSWORD)
    by_file = {"RESTIC_PASSWORD": "", "RESTIC_PASSWORD_FILE": str(word)}
    by_command = {"RESTIC_PASSWORD": "", "RESTIC_PASSWORD_COMMAND": f"cat {word}"}
    for env in (by_file, by_command):
        assert tool.run("list", "instances", env=env).code == 0


@pytest.mark.once
@pytest.mark.usefixtures("web")
def test_on_a_terminal_the_password_is_asked_for_and_twice_for_a_new_repository(
    restic_tool: ResticTool, project: Project
) -> None:
    tool, new = restic_tool, restic_tool.folder / "new"
    env = tool.environment({"RESTIC_PASSWORD": "", "INCUS_BACKUP_TARGET": f"restic:{new}"})
    backup = [sys.executable, "-m", "incusbak", *backup_of(project, "web")]
    listing = [*backup[:3], "list", "instances", "--project", project.name]
    first, again = f"Repository {new}\r\nPassword: ", "Once more, for a new repository: "

    mistyped = talk(backup, [(first, "typed"), (again, "tipped")], env=env, cwd=tool.folder)
    assert (mistyped.code, "the two passwords are not the same" in mistyped.seen) == (12, True), mistyped.seen
    made = talk(backup, [(first, "typed"), (again, "typed")], env=env, cwd=tool.folder)
    assert made.code == 0, made.seen
    wrong = talk(listing, [(first, "other")], env=env, cwd=tool.folder)
    assert (wrong.code, "is not that of" in wrong.seen) == (12, True), wrong.seen
    listed = talk(listing, [(first, "typed")], env=env, cwd=tool.folder)
    assert (listed.code, "web" in listed.seen) == (0, True), listed.seen
    assert "typed" not in mistyped.seen + made.seen + listed.seen  # nothing of it is to be seen


def test_a_place_where_no_repository_may_be_is_refused(restic_tool: ResticTool, project: Project) -> None:
    unmounted = evolve(restic_tool, place=f"{restic_tool.folder}/not/mounted")
    assert unmounted.run(*backup_of(project)).code == 10
    (restic_tool.folder / "foreign").mkdir()
    (restic_tool.folder / "foreign/letter").touch()
    foreign = evolve(restic_tool, place=f"{restic_tool.folder}/foreign").run(*backup_of(project))
    assert (foreign.code, "holds other things ('letter')" in foreign.err) == (10, True)


@pytest.mark.usefixtures("web")
@pytest.mark.once
def test_a_lock_of_restic_is_heeded_while_its_owner_lives(restic_tool: ResticTool, project: Project) -> None:
    tool = restic_tool
    tool.do(*backup_of(project, "web"))
    with held_by_restic(tool) as holder:
        refused = tool.run(*backup_of(project, "web"))
        assert refused.code == 11
        assert re.search(rf"locked: restic \(pid {holder.pid} on .*\) holds it since 20", refused.err)
        waiting = tool.start(*backup_of(project, "web"), "--lock-wait", "200")
        time.sleep(2)
        assert waiting.poll() is None
    out, err = waiting.communicate(timeout=250)
    assert (waiting.returncode, out) == (0, ""), err
    assert len(tool.backups(project.name)) == 2


@contextmanager
def held_by_restic(tool: ResticTool) -> Iterator["subprocess.Popen[bytes]"]:
    """Have somebody else's restic hold the repository alone, and stop in the middle of it; then kill it."""
    locks = tool.repository / "locks"
    env = tool.environment({"RESTIC_REPOSITORY": str(tool.repository)})
    holder = subprocess.Popen(
        [str(folder_of(tool.version) / "restic"), "check", "--read-data", "--limit-download=1000"],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not any(locks.iterdir()):
        assert holder.poll() is None
        time.sleep(0.01)
    time.sleep(0.5)  # it looks once more whether it is alone
    holder.send_signal(signal.SIGSTOP)
    try:
        yield holder
    finally:
        holder.kill()
        holder.wait()


# -- damage -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("web")
def test_a_damaged_pack_is_noticed_before_the_server_is_touched(
    restic_tool: ResticTool, project: Project, fault_proxy: FaultProxy
) -> None:
    tool = evolve(restic_tool, socket=fault_proxy.path)
    project.launch("db", start=False)
    tool.do(*backup_of(project, "db"))
    tool.do(*backup_of(project, "web"))  # stores only what db has not
    pack = tool.largest_pack()
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes(content)
    seen = len(fault_proxy.writes())

    refused = tool.run(*restore_of(project, "web", "--target-name", "copy"))
    assert refused.code == 6, refused.err
    assert f"instance/{project.name}/web@" in refused.err
    assert fault_proxy.writes()[seen:] == []
    verified = tool.run("verify", "instances", "--project", project.name)
    assert verified.code == 6
    assert re.search(rf"instance/{project.name}/web@\d+T\d+Z: export.tar", verified.err)
    assert f"instance/{project.name}/db@" not in verified.err
    listed = json.loads(tool.do("list", "instances", "--project", project.name, "--output", "json").out)
    problems = {each["address"].split("/")[2].partition("@")[0]: each["problem"] for each in listed}
    assert "web@" in problems.pop("web")
    assert problems == {"db": ""}
