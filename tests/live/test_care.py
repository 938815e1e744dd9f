"""Stored backups in time: damage is found, never restored, never counted; nothing that is kept is lost."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.live.damage import (
    ARCHIVE,
    Damage,
    compressed_noise,
    cut_by_one_byte,
    edit_the_manifest,
    flip_a_byte,
    foreign_tar,
    garble,
    index_that_is_no_yaml,
    link_to_a_file_outside,
    lose_the_archive,
    lose_the_checksums,
    name_a_file_outside,
    noise,
    put_a_path_into_the_checksums,
    tar_cut_between_two_members,
)
from tests.live.mortal import Mortal, Touch
from tests.live.support import claims
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.tool import NewTool, Result, Tool
from tests.live.witness import instance_state, rootfs, things_on

pytestmark = pytest.mark.once

DATA = "root/data"
NOWHERE = {"INCUS_SOCKET": "/nonexistent"}


@frozen
class Scene:
    """Running ``web`` and three good backups of it; no test changes any of it."""

    project: Project
    repository: Path
    backups: tuple[str, ...]

    def folder(self, tool: Tool, backup: str) -> Path:
        return tool.repository / "instances" / self.project.name / "web" / backup.partition("@")[2]

    def policy(self, tool: Tool, settings: str) -> str:
        select = f"{{kind: instance, projects: [{self.project.name}]}}"
        path = tool.folder / "policy.yaml"
        path.write_text(f"version: 1\nprotect: [{{name: all, select: {select}, {settings}}}]\n")
        return str(path)


@pytest.fixture(scope="module")
def scene(incus_server: Daemon, _workdirs: Path, new_tool: NewTool) -> Iterator[Scene]:
    claim = claims.Claim(_workdirs)
    project = Project(incus_server)
    project.launch("web", config={"user.note": "original"})
    tool = new_tool(incus_server.socket, claim.path)
    for content in ("first", "second", "third"):
        (rootfs(project, "web") / DATA).write_text(content)
        tool.do("backup", "instances", "web", "--images", "none", "--project", project.name)
    yield Scene(project, tool.repository, tuple(each["address"] for each in tool.backups()))
    project.remove()
    shutil.rmtree(claim.path)
    claim.release()


@pytest.fixture
def keeper(scene: Scene, watched_tool: Tool) -> Tool:
    """The tool with a copy of the scene's repository."""
    shutil.copytree(scene.repository, watched_tool.repository, dirs_exist_ok=True)
    return watched_tool


def verify(tool: Tool, *more: str) -> Result:
    """Verify everything while no server can be reached."""
    return tool.run("verify", "all", "--output", "json", *more, env=NOWHERE)


def results(result: Result) -> dict[str, str]:
    rows: list[dict[str, Any]] = json.loads(result.out)
    return {row["address"]: row["result"] for row in rows}


def prune(tool: Tool, *more: str) -> Result:
    return tool.run("prune", *more, "--yes", env=NOWHERE)


def there(tool: Tool) -> tuple[str, ...]:
    return tuple(each["address"] for each in tool.backups())


def removed(tool: Tool) -> tuple[str, ...]:
    listed = json.loads(tool.do("list", "all", "--removed", "--output", "json").out)
    return tuple(each["address"] for each in listed)


# -- damage -------------------------------------------------------------------------------------------

AT_SIGHT: dict[str, tuple[Damage, str]] = {
    "cut by one byte": (cut_by_one_byte, ARCHIVE),
    "no archive": (lose_the_archive, ARCHIVE),
    "no checksums": (lose_the_checksums, "checksums.txt"),
    "manifest edited": (edit_the_manifest, "manifest.json"),
    "checksums with a path": (put_a_path_into_the_checksums, "checksums.txt"),
    "manifest with a path": (name_a_file_outside, "checksums.txt"),
    "archive linked": (link_to_a_file_outside, ARCHIVE),
}
WHEN_READ: dict[str, tuple[Damage, str]] = {
    "a bit flipped": (flip_a_byte, ARCHIVE),
    "noise": (garble(noise), ARCHIVE),
    "compressed noise": (garble(compressed_noise), ARCHIVE),
    "another tar": (garble(foreign_tar), ARCHIVE),
    "cut between two members": (garble(tar_cut_between_two_members), ARCHIVE),
    "index garbled": (garble(index_that_is_no_yaml), ARCHIVE),
}
DAMAGES = AT_SIGHT | WHEN_READ


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_found_and_never_restored_and_never_counted(scene: Scene, keeper: Tool, case: str) -> None:
    damage, what = DAMAGES[case]
    oldest, older, newest = scene.backups
    damage(scene.folder(keeper, newest))
    before, things = instance_state(scene.project, "web"), things_on(scene.project.server)

    found = verify(keeper)
    assert (found.code, results(found)) == (6, {oldest: "good", older: "good", newest: "damaged"}), found.err
    assert f"{newest}: {what}" in found.err

    version = ("--version", newest.partition("@")[2], "--project", scene.project.name)
    assert keeper.run("restore", "instance", "web", *version, "--replace", "--yes").code in (1, 6)
    assert instance_state(scene.project, "web") == before
    assert things_on(scene.project.server) == things

    assert prune(keeper, "--keep", "1").code == 0
    assert there(keeper) == (older, newest)
    assert keeper.leftovers() == []


@pytest.mark.parametrize("case", ["cut by one byte", "no checksums", "archive linked"])
def test_what_is_seen_at_once_is_not_kept_in_place_of_good_ones(
    scene: Scene, keeper: Tool, case: str
) -> None:
    """Even if nobody ever verified anything."""
    *_, older, newest = scene.backups
    AT_SIGHT[case][0](scene.folder(keeper, newest))
    result = prune(keeper, "--keep", "1", "--purge-now")
    assert (result.code, there(keeper)) == (6, scene.backups)
    assert f"{newest}: " in result.err
    assert prune(keeper, "--keep", "1", "--purge-now").code == 0
    assert there(keeper) == (older, newest)


def test_a_folder_that_is_a_link_is_no_backup(scene: Scene, keeper: Tool) -> None:
    newest = scene.folder(keeper, scene.backups[-1])
    outside = keeper.folder / "outside"
    newest.rename(outside)
    newest.symlink_to(outside)
    assert results(verify(keeper)) == dict.fromkeys(scene.backups[:2], "good")
    assert prune(keeper, "--keep", "1", "--purge-now").code == 0
    assert there(keeper) == scene.backups[1:2]
    assert (outside / ARCHIVE).exists()


def test_damage_is_a_broken_promise_until_there_is_a_new_backup(scene: Scene, keeper: Tool) -> None:
    policy = scene.policy(keeper, "backup: {every: 24h, images: none}, verify: {every: 7d}, keep: {last: 2}")
    *_, older, newest = scene.backups
    assert keeper.run("status", "-f", policy).code == 0
    flip_a_byte(scene.folder(keeper, newest))
    assert verify(keeper).code == 6
    status = keeper.run("status", "-f", policy, "--output", "json")
    [row] = json.loads(status.out)["protected"]
    assert (status.code, row["state"], row["newest"]["backup"]) == (7, "damaged", older)
    assert row["verification"]["damaged"] == [newest]
    listed = json.loads(keeper.do("list", "all", "-f", policy, "--output", "json").out)
    assert [each["kept_by"] for each in listed] == [
        ["last"],
        ["last"],
        ["damaged, and no newer one is good"],
    ]
    keeper.do("backup", "instances", "web", "--images", "none", "--project", scene.project.name)
    assert keeper.run("status", "-f", policy).code == 0


# -- the course of time -------------------------------------------------------------------------------


def test_what_was_removed_comes_back_whole(scene: Scene, keeper: Tool, fault_proxy: FaultProxy) -> None:
    first, second, third = scene.backups
    keeper.do("pin", first, env=NOWHERE)
    assert keeper.run("prune", "--keep", "1", env=NOWHERE).code == 5
    assert keeper.run("prune", "--keep", "1", "--dry-run", env=NOWHERE).code == 0
    assert there(keeper) == scene.backups
    assert prune(keeper, "--policy", "daily=1").code == 0
    assert (there(keeper), removed(keeper)) == ((first, third), (second,))
    keeper.do("undelete", second, env=NOWHERE)
    keeper.do("unpin", first, env=NOWHERE)
    assert results(verify(keeper)) == dict.fromkeys(scene.backups, "good")
    assert fault_proxy.requests == []

    back = ("restore", "instance", "web", "--version", second.partition("@")[2], "--target-name", "back")
    keeper.do(*back, "--no-start", "--project", scene.project.name)
    assert (rootfs(scene.project, "back") / DATA).read_text() == "second"
    scene.project.api("DELETE", "/1.0/instances/back")

    assert prune(keeper, "--keep", "1", "--purge-now").code == 0
    assert (there(keeper), removed(keeper)) == ((third,), ())
    assert keeper.run("undelete", second, env=NOWHERE).code == 1


def test_nothing_is_removed_when_the_backup_fails(
    scene: Scene, keeper: Tool, fault_proxy: FaultProxy
) -> None:
    policy = scene.policy(keeper, "backup: {every: 1s, images: none}, keep: {last: 1}")
    keeper.do("plan", "-f", policy, "--out", "plan.json")
    things = things_on(scene.project.server)
    fault_proxy.on_passing = lambda passing: "/backups" in passing.path and passing.method == "POST"
    result = keeper.run("apply", "plan.json", "--yes")
    fault_proxy.on_passing = lambda _: False
    assert result.code != 0
    assert (there(keeper), removed(keeper)) == (scene.backups, ())
    keeper.do("plan", "-f", policy, "--out", "plan.json")
    keeper.do("apply", "plan.json", "--yes")
    [made] = there(keeper)
    assert made > scene.backups[-1]
    assert removed(keeper) == scene.backups
    assert things_on(scene.project.server) == things


def test_a_policy_removes_and_verifies_and_then_has_nothing_to_do(scene: Scene, keeper: Tool) -> None:
    policy = scene.policy(keeper, "backup: {every: 1d, images: none}, keep: {last: 2}, verify: {every: 7d}")
    keeper.do("plan", "-f", policy, "--out", "plan.json")
    assert keeper.run("apply", "plan.json").code == 5
    keeper.do("apply", "plan.json", "--yes")
    assert there(keeper) == scene.backups[1:]
    assert keeper.run("plan", "-f", policy, "--no-out", "--detailed-exitcode").code == 0


@pytest.fixture
def read_only(keeper: Tool) -> Iterator[Path]:
    """The repository on a file system that can only be read."""
    folder = str(keeper.repository)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    yield keeper.repository
    subprocess.run(["umount", folder], check=True)


@pytest.mark.usefixtures("read_only")
def test_a_repository_that_can_only_be_read_is_verified_all_the_same(scene: Scene, keeper: Tool) -> None:
    found = verify(keeper)
    assert (found.code, results(found)) == (0, dict.fromkeys(scene.backups, "good")), found.err
    result = prune(keeper, "--keep", "1")
    assert result.code == 1
    assert "read-only" in result.err
    assert there(keeper) == scene.backups


def test_damage_is_told_of_a_repository_that_can_only_be_read(
    scene: Scene, keeper: Tool, request: pytest.FixtureRequest
) -> None:
    flip_a_byte(scene.folder(keeper, scene.backups[0]))
    request.getfixturevalue("read_only")
    found = verify(keeper)
    assert (found.code, list(results(found).values())) == (6, ["damaged", "good", "good"])


# -- interrupted and killed ---------------------------------------------------------------------------


def test_an_interrupted_verification_keeps_what_it_found_so_far(keeper: Tool) -> None:
    at_second = Touch(2, ("open",), about=ARCHIVE, signal=signal.SIGINT)
    process = keeper.start("verify", env=NOWHERE, before=at_second.lie_in_wait)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "stopped" in err) == (128 + signal.SIGINT, True), err
    assert [bool(each["verified"]) for each in keeper.backups()] == [True, False, False]
    assert keeper.leftovers() == []
    assert verify(keeper).code == 0


def test_a_killed_removal_loses_nothing_that_is_kept_and_is_finished_by_the_next(
    scene: Scene, keeper: Tool, fault_proxy: FaultProxy
) -> None:
    mortal = Mortal(keeper, fault_proxy)
    *others, kept = (backup.partition("@")[2] for backup in scene.backups)
    place = f"instances/{scene.project.name}/web"
    kills = 0
    while mortal.kill_at(Touch(2 * kills + 1), "prune", "--keep", "1", "--yes"):
        kills += 1
        left, gone = names(keeper.repository / place), names(keeper.repository / "removed" / place)
        assert kept in left
        assert sorted(left + gone) == [*others, kept]
        assert prune(keeper, "--keep", "1").code == 0
        assert names(keeper.repository / place) == [kept]
        assert names(keeper.repository / "removed" / place) == others
        assert (verify(keeper).code, keeper.leftovers()) == (0, [])
        shutil.rmtree(keeper.repository)
        shutil.copytree(scene.repository, keeper.repository)
    assert kills >= 2


def names(folder: Path) -> list[str]:
    """The timestamps of the backups in a folder."""
    return sorted(path.name[:16] for path in folder.iterdir()) if folder.is_dir() else []
