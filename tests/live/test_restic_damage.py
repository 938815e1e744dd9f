"""Damage in a restic repository is found, refused before the server is touched, and never counted."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve, frozen

from tests.live.restic_tool import ResticTool, with_repository
from tests.live.support import claims
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.support.restic import Restic
from tests.live.witness import instance_state

pytestmark = pytest.mark.once
ARCHIVE = "export.tar"
Damage = Callable[[ResticTool, str], None]


@frozen
class Scene:
    """Running ``web`` and two good backups of it; no test changes any of it."""

    project: Project
    tool: ResticTool
    old: str
    new: str


@pytest.fixture(scope="module")
def scene(incus_server: Daemon, _workdirs: Path, restic_template: Callable[[str], Restic]) -> Iterator[Scene]:
    claim = claims.Claim(_workdirs)
    project = Project(incus_server)
    project.launch("web")
    tool = with_repository(restic_template)(incus_server.socket, claim.path)
    assert isinstance(tool, ResticTool)
    for number in (1, 2):
        project.exec("web", ["sh", "-c", f"echo precious {number} > /root/data"])
        tool.do("backup", "instances", "web", "--images", "none", "--project", project.name)
    old, new = (backup["address"] for backup in tool.backups(project.name))
    yield Scene(project, tool, old, new)
    project.remove()
    shutil.rmtree(claim.path)
    claim.release()


def snapshot_of(tool: ResticTool, backup: str, mark: str) -> dict[str, str]:
    (found,) = (s for s in tool.restic.snapshots() if {f"backup={backup}", mark} <= set(s["tags"]))
    return found


def put_garbage_in_place_of_the_archive(tool: ResticTool, backup: str) -> None:
    tool.restic.replace(snapshot_of(tool, backup, f"file={ARCHIVE}"), b"garbage" * 1000, name=ARCHIVE)


def cut_the_archive_by_one_byte(tool: ResticTool, backup: str) -> None:
    snapshot = snapshot_of(tool, backup, f"file={ARCHIVE}")
    data = tool.restic.dump(snapshot["id"], ARCHIVE)
    tool.restic.replace(snapshot, data[:-1], name=ARCHIVE)


def forget_the_archive(tool: ResticTool, backup: str) -> None:
    tool.restic.replace(snapshot_of(tool, backup, f"file={ARCHIVE}"), None, name=ARCHIVE)


def edit_the_manifest(tool: ResticTool, backup: str) -> None:
    snapshot = snapshot_of(tool, backup, "type=manifest")
    manifest = json.loads(tool.restic.dump(snapshot["id"], "manifest.json"))
    manifest["captured"]["resource"]["description"] = "another"
    tool.restic.replace(snapshot, json.dumps(manifest).encode(), name="manifest.json")


@pytest.mark.parametrize(
    "damage", [put_garbage_in_place_of_the_archive, forget_the_archive, edit_the_manifest]
)
def test_nothing_is_removed_for_the_sake_of_one_that_is_damaged_at_first_sight(
    scene: Scene, workdir: Path, damage: Damage
) -> None:
    shutil.copytree(scene.tool.repository, workdir / "repository")
    tool = evolve(scene.tool, folder=workdir)
    damage(tool, scene.new)
    tool.run("prune", "instances", "--keep", "1", "--yes", "--project", scene.project.name)
    assert scene.old in [backup["address"] for backup in tool.backups(scene.project.name)]


@pytest.mark.parametrize(
    "damage",
    [
        put_garbage_in_place_of_the_archive,
        cut_the_archive_by_one_byte,
        forget_the_archive,
        edit_the_manifest,
    ],
)
def test_damage_is_found_refused_and_never_counted(
    scene: Scene, workdir: Path, fault_proxy: FaultProxy, damage: Damage
) -> None:
    shutil.copytree(scene.tool.repository, workdir / "repository")
    tool = evolve(scene.tool, socket=fault_proxy.path, folder=workdir)
    damage(tool, scene.new)
    before, project = instance_state(scene.project, "web"), ("--project", scene.project.name)

    _, _, timestamp = scene.new.partition("@")
    restore = ("restore", "instance", "web", "--replace", "--yes", *project, "--version", timestamp)
    refused = tool.run(*restore)
    assert (refused.code, scene.new in refused.err) == (6, True), refused.err
    assert fault_proxy.writes() == []
    verified = tool.run("verify", "instances", *project)
    assert (verified.code, scene.new in verified.err, scene.old in verified.err) == (6, True, False)
    tool.do("prune", "instances", "--keep", "1", "--yes", *project)

    assert scene.old in [backup["address"] for backup in tool.backups(scene.project.name)]
    assert instance_state(scene.project, "web") == before
