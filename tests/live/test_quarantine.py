"""What the server can't remove is told of once, and is in nobody's way after that."""

import json
from collections.abc import Iterator

import pytest

from tests.live.support import pod, servers
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.tool import Tool

_POLICY = """
version: 1
protect:
  - name: all
    select: {{kind: instance, projects: [{project}]}}
    backup: {{images: none}}
"""


@pytest.fixture
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
    assert "it is left as it is until something of it changes" in tried.err
    assert f"incus delete --force {aside} --project {project.name}" in tried.err

    done = tool.do("backup", "instances", *name, "--images", "none")
    assert "Warning: 1 leftover of an earlier run can't be cleaned up" in done.err
    assert "failed" not in done.err
    assert len(tool.backups()) == 3
    check_told(tool, project, aside)

    make_deletable(old_incus, project, aside)
    project.incus("delete", aside)
    last = tool.do("backup", "instances", *name, "--images", "none")
    assert "can't be cleaned up" not in last.err
    assert (names(project), tool.leftovers()) == (["web"], [])


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
    assert aside in " ".join(told.split())
    [left] = json.loads(tool.do("status", "-f", "policy.yaml", "--output", "json").out)["quarantined"]
    assert left["address"] == f"instance/{project.name}/web"
    assert "read-only file system" in left["why"]


def make_deletable(server: Daemon, project: Project, name: str) -> None:
    """Unmount the snapshot, which Incus looks for in vain among the mounts."""
    below = f"storage-pools/default/containers-snapshots/{project.name}_{name}/back\\slash"
    server.pod.run("umount", str(server.dir / below))
