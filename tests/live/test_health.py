"""What has only damaged backups is named, in the plan and in what comes of it; the others come back."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.live.support import claims
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.tool import Result, Tool

pytestmark = pytest.mark.once
POLICY = """
version: 1
name: back
target: {target}
restore:
  - name: all-back
    select: {{kind: [instance, volume], projects: [{project}]}}
    if_present: skip
"""


@frozen
class Scene:
    """A lost estate: of ``a`` all is well, of ``b`` the newest backup is damaged, of ``c`` and ``v`` each."""

    project: Project
    repository: Path

    def stamps(self, name: str) -> list[str]:
        return sorted(path.name for path in self.folder(name).iterdir())

    def folder(self, name: str) -> Path:
        kind, *more = (
            ("volumes", self.project.name, "default") if name == "v" else ("instances", self.project.name)
        )
        return self.repository.joinpath(kind, *more, name)


def flip(folder: Path) -> None:
    [archive] = (path for path in folder.iterdir() if ".tar" in path.name)
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)


@pytest.fixture(scope="module")
def scene(incus_server: Daemon, _workdirs: Path) -> Iterator[Scene]:
    claim = claims.Claim(_workdirs)
    project = Project(incus_server)
    tool = Tool(incus_server.socket, claim.path)
    made = Scene(project, tool.repository)
    for name in ("a", "b", "c"):
        project.launch(name, start=False)
    project.api("POST", "/1.0/storage-pools/default/volumes/custom", {"name": "v", "config": {}})
    tool.do("backup", "all", "--project", project.name)
    tool.do("backup", "instances", "b", "--project", project.name)
    for name in ("b", "c", "v"):
        flip(made.folder(name) / made.stamps(name)[-1])
    assert tool.run("verify", "all", "--project", project.name).code == 6
    for name in ("a", "b", "c"):
        project.api("DELETE", f"/1.0/instances/{name}")
    project.api("DELETE", "/1.0/storage-pools/default/volumes/custom/v")
    yield made
    project.remove()
    shutil.rmtree(claim.path)
    claim.release()


@pytest.fixture
def restorer(scene: Scene, tool: Tool) -> Iterator[Tool]:
    """The tool with a copy of the scene's repository; what it brings back goes afterwards."""
    shutil.copytree(scene.repository, tool.repository)
    yield tool
    for name in living(scene):
        scene.project.api("DELETE", f"/1.0/instances/{name}")


def living(scene: Scene) -> list[str]:
    return sorted(each["name"] for each in scene.project.api("GET", "/1.0/instances?recursion=1"))


def words(result: Result) -> str:
    return " ".join((result.out + result.err).split())


def says_what_is_damaged(result: Result, scene: Scene, *names: str) -> bool:
    said = words(result)
    return all(
        f"{name}: its only backup is known to be damaged: {scene.stamps(name)[0]}" in said for name in names
    )


def says_what_is_lost(result: Result, scene: Scene, *names: str) -> bool:
    """And how it may be tried all the same."""
    ways = (f"--version {scene.stamps(name)[0]} --project {scene.project.name}" for name in names)
    return says_what_is_damaged(result, scene, *names) and all(way in words(result) for way in ways)


def test_all_that_can_be_is_restored_and_the_rest_is_named(scene: Scene, restorer: Tool) -> None:
    old, new = scene.stamps("b")
    where = ("--project", scene.project.name)
    shown = restorer.run("restore", "instances", *where, "--dry-run")
    assert shown.code == 6
    assert says_what_is_lost(shown, scene, "c")
    assert f"not from {new}, known to be damaged" in words(shown)
    assert living(scene) == []

    done = restorer.run("restore", "instances", *where)
    assert (done.code, living(scene)) == (3, ["a", "b"]), done.err
    assert says_what_is_lost(done, scene, "c")
    assert f"{new} is known to be damaged; {old} is taken" in words(done)
    assert f"restored from {old}" in words(done)
    assert "2 done, 0 failed, 0 not tried, 1 left undone" in words(done)

    again = restorer.run("restore", "instances", *where, "--skip-existing")
    assert again.code == 6, again.err
    assert says_what_is_lost(again, scene, "c")


def test_restore_all_names_what_is_lost_of_every_kind(scene: Scene, restorer: Tool) -> None:
    done = restorer.run("restore", "all", "--project", scene.project.name)
    assert (done.code, living(scene)) == (3, ["a", "b"]), done.err
    assert says_what_is_lost(done, scene, "c", "v")
    kept = [json.loads(path.read_text())["report"] for path in restorer.repository.glob("runs/*/report.json")]
    missed = [each["address"].rpartition("/")[2] for report in kept for each in report["missed"]]
    assert missed == ["c", "v"]


def test_a_policy_brings_back_what_can_be_and_never_says_that_all_is_well(
    scene: Scene, restorer: Tool
) -> None:
    policy = restorer.folder / "back.yaml"
    policy.write_text(POLICY.format(target=f"dir:{restorer.repository}", project=scene.project.name))
    plan = restorer.folder / "plan.json"
    arguments = ("plan", "-f", str(policy), "--out", str(plan))
    planned = restorer.run(*arguments)
    assert planned.code == 6, planned.err
    assert says_what_is_lost(planned, scene, "c", "v")
    assert [each.rpartition("/")[2] for each in json.loads(plan.read_text())["plan"]["drift"]["damaged"]] == [
        "b"
    ]
    applied = restorer.run("apply", str(plan))
    assert (applied.code, living(scene)) == (3, ["a", "b"]), applied.err
    assert says_what_is_lost(applied, scene, "c", "v")
    assert restorer.run(*arguments, "--detailed-exitcode").code == 6
    applied = restorer.run("apply", str(plan))
    assert applied.code == 6, applied.err
    assert says_what_is_lost(applied, scene, "c", "v")


def test_one_that_is_named_is_refused_and_the_version_can_be_tried(scene: Scene, restorer: Tool) -> None:
    [stamp] = scene.stamps("c")
    where = ("--project", scene.project.name)
    refused = restorer.run("restore", "instance", "c", *where)
    assert (refused.code, living(scene)) == (6, []), refused.err
    assert says_what_is_lost(refused, scene, "c")
    tried = restorer.run("restore", "instance", "c", "--version", stamp, *where)
    assert (tried.code, living(scene)) == (6, [])
    assert "is known to be damaged; it is read again, and taken only if whole by now" in words(tried)
    shutil.rmtree(restorer.repository)
    shutil.copytree(scene.repository, restorer.repository)
    flip(restorer.repository / scene.folder("c").relative_to(scene.repository) / stamp)  # as good as before
    tried = restorer.run("restore", "instance", "c", "--version", stamp, *where)
    assert (tried.code, living(scene)) == (0, ["c"]), tried.err


def test_a_rehearsal_of_all_names_what_can_not_be_rehearsed(scene: Scene, restorer: Tool) -> None:
    old, new = scene.stamps("b")
    shown = restorer.run("rehearse", "instance", "b", "--project", scene.project.name, "--dry-run")
    assert shown.code == 0
    assert f"{new} is known to be damaged; {old} is taken" in words(shown)
    refused = restorer.run("rehearse", "instance", "c", "--project", scene.project.name)
    assert refused.code == 6
    assert says_what_is_lost(refused, scene, "c")


def test_a_copy_names_what_has_no_good_backup(scene: Scene, restorer: Tool) -> None:
    there = f"dir:{restorer.folder / 'other'}"
    copied = restorer.run("copy", "all", "--from", f"dir:{restorer.repository}", "--to", there)
    assert copied.code == 3, copied.err
    assert says_what_is_damaged(copied, scene, "c", "v")
    assert "finds whole is copied then" in words(copied)
    assert (
        restorer.run(
            "copy",
            "instances",
            "b",
            "--project",
            scene.project.name,
            "--from",
            f"dir:{restorer.repository}",
            "--to",
            there,
        ).code
        == 0
    )
    again = restorer.run("copy", "all", "--from", f"dir:{restorer.repository}", "--to", there)
    assert again.code == 6, again.err


def test_a_manifest_nobody_knew_to_be_damaged_costs_only_its_own(scene: Scene, restorer: Tool) -> None:
    folder = restorer.repository / "instances" / scene.project.name
    for name in ("a", "b"):
        (folder / name / scene.stamps(name)[0] / "manifest.json").write_text("{}")
    done = restorer.run("restore", "instances", "--project", scene.project.name)
    assert (done.code, living(scene)) == (6, []), done.err
    assert "a: its only backup is known to be damaged" in words(done)
    assert "b: each of its 2 backups is known to be damaged" in words(done)
    assert "manifest.json was changed" in words(done)
    (folder / "b" / scene.stamps("b")[0] / "manifest.json").write_bytes(
        (scene.folder("b") / scene.stamps("b")[0] / "manifest.json").read_bytes()
    )
    done = restorer.run("restore", "instances", "--project", scene.project.name)
    assert (done.code, living(scene)) == (3, ["b"]), done.err
