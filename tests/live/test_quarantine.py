"""What the server can't remove is told of once, and is in nobody's way after that."""

import contextlib
import json
from collections.abc import Iterator

import pytest

from tests.live.custom_volume import Volume
from tests.live.support import pod, servers
from tests.live.support.client import IncusError
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.tool import Tool

OF_VOLUME = ("a[b", "back\\slash", "not\\found", "v[1]x")
"""Snapshots that tar, as the server calls it, puts into a wrong folder, or refuses."""
_POLICY = """
version: 1
protect:
  - name: all
    select: {{kind: instance, projects: [{project}]}}
    backup: {{images: none}}
"""


@pytest.fixture(scope="module")
def old_incus() -> Iterator[Daemon]:
    """6.0 mounts snapshots on ``dir`` to export them, and those with a backslash in their names for ever."""
    pod.reap()
    servers.install()
    with servers.server("6.0") as server:
        yield server


def test_a_snapshot_that_incus_can_not_delete(
    old_incus: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = Project(old_incus)
    tool = Tool(old_incus.socket, tmp_path_factory.mktemp("quarantine"))
    name = "web", "--project", project.name
    project.launch("web", start=False)
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "back\\slash"})
    tool.do("backup", "instances", *name, "--images", "none")

    replaced = tool.run("restore", "instance", *name, "--replace", "--yes")
    assert replaced.code == 1
    assert "is restored, but not all is tidied up yet" in replaced.err
    [aside] = [each for each in names(project) if each != "web"]

    tried = tool.run("backup", "instances", *name, "--images", "none")
    assert tried.code == 3, tried.err
    assert "it is left as it is until something of it changes or the server is restarted" in tried.err
    assert "Incus has lost track of a mount" in tried.err
    assert "incus delete" not in tried.err  # that is what the server has just refused

    done = tool.do("backup", "instances", *name, "--images", "none")
    assert "Warning: 1 leftover of an earlier run can't be cleaned up" in done.err
    assert "failed" not in done.err
    assert len(tool.backups()) == 3
    check_told(tool, project, aside)

    project.api("POST", "/1.0/instances/web/snapshots", {"name": "another"})
    assert "to clean up" not in tool.do("backup", "instances", *name, "--dry-run").out
    old_incus.terminate()
    old_incus.start()
    again = tool.do("backup", "instances", *name, "--images", "none")
    assert "still can't be cleaned up" in again.err
    assert "to clean up" not in tool.do("backup", "instances", *name, "--dry-run").out

    make_deletable(old_incus, project, aside)
    project.incus("delete", aside)
    last = tool.do("backup", "instances", *name, "--images", "none")
    assert "can't be cleaned up" not in last.err
    assert (names(project), tool.leftovers()) == (["web"], [])


def test_a_backup_of_such_a_snapshot_leaves_none_of_its_own(
    old_incus: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In the temporary copy, where it was never mounted, it gets another name, and its own in the archive."""
    project = Project(old_incus)
    tool = Tool(old_incus.socket, tmp_path_factory.mktemp("slash"))
    make_odd_snapshots(project)
    before = old_incus.api("GET", "/1.0/instances?all-projects=true"), all_projects(old_incus)

    for _ in range(2):
        done = tool.do("backup", "all", "--project", project.name, "--images", "none")
        assert r"`incus snapshot rename --project" in done.err
        assert r"web 'back\slash' NEW`" in done.err
    after = old_incus.api("GET", "/1.0/instances?all-projects=true"), all_projects(old_incus)
    assert (after, tool.leftovers()) == (before, [])

    tool.do("restore", "instance", "web", "--project", project.name, "--target-name", "again", "--no-start")
    snapshots = [each["name"] for each in project.api("GET", "/1.0/instances/again/snapshots?recursion=1")]
    assert sorted(snapshots) == ["back\\slash", "not\\found", "plain", "ta\tb"]
    tool.do("restore", "volume", "default/data", "--project", project.name, "--target-name", "more")
    snapshots = project.api("GET", "/1.0/storage-pools/default/volumes/custom/more/snapshots?recursion=1")
    assert sorted(each["name"].split("/")[1] for each in snapshots) == list(OF_VOLUME)
    held = {
        name: [each.name for each in Volume(project, "more").folder(name).iterdir()] for name in OF_VOLUME
    }
    assert held == {name: ["f"] for name in OF_VOLUME}  # and no folders of tar's
    tool.do("rehearse", "instance", "web", "--project", project.name)
    assert (all_projects(old_incus), tool.leftovers()) == (before[1], [])
    project.incus("snapshot", "restore", "again", "back\\slash")
    assert project.get_file("again", "/old") == b"as it was"
    with pytest.raises(IncusError, match="read-only file system"):
        project.incus("delete", "--force", "web")


def make_odd_snapshots(project: Project) -> None:
    """A running instance and a volume that it uses, with snapshots that Incus mounts for ever."""
    volumes = "/1.0/storage-pools/default/volumes/custom"
    project.api("POST", volumes, {"name": "data"})
    (Volume(project).folder() / "f").write_bytes(b"old")
    for name in OF_VOLUME:
        project.api("POST", f"{volumes}/data/snapshots", {"name": name})
    disk = {"type": "disk", "pool": "default", "source": "data", "path": "/data"}
    project.launch("web", devices={"data": disk})
    project.put_file("web", "/old", b"as it was")
    for name in ("back\\slash", "ta\tb", "plain", "not\\found"):
        project.api("POST", "/1.0/instances/web/snapshots", {"name": name})
    project.put_file("web", "/old", b"as it is")


def all_projects(server: Daemon) -> list[str]:
    return sorted(server.api("GET", "/1.0/projects"))


def names(project: Project) -> list[str]:
    return sorted(each["name"] for each in project.api("GET", "/1.0/instances?recursion=1"))


def check_told(tool: Tool, project: Project, aside: str) -> None:
    """A plan says it in a line and does nothing about it, ``status`` tells what to do."""
    (tool.folder / "policy.yaml").write_text(_POLICY.format(project=project.name))
    planned = tool.do("plan", "-f", "policy.yaml")
    assert "1 leftover of an earlier run can't be cleaned up" in planned.out
    assert json.loads((tool.folder / "plan.json").read_text())["plan"]["summary"]["clean_up"] == 0
    told = tool.do("status", "-f", "policy.yaml").out
    assert "Left over by earlier runs, and can't be cleaned up" in told
    assert f"{aside}, which a restore has replaced" in " ".join(told.split())
    assert len(told[told.index("Left over") : told.index("Warnings")].splitlines()) < 12
    [left] = json.loads(tool.do("status", "-f", "policy.yaml", "--output", "json").out)["quarantined"]
    assert left["address"] == f"instance/{project.name}/web"
    assert "read-only file system" in left["why"]


def make_deletable(server: Daemon, project: Project, name: str) -> None:
    """Unmount the snapshot, which Incus looks for in vain among the mounts."""
    below = f"storage-pools/default/containers-snapshots/{project.name}_{name}/back\\slash"
    with contextlib.suppress(IncusError):
        while True:
            server.pod.run("umount", str(server.dir / below))
