"""A plan is carried out in the world it was made for, or not at all."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from tests.live.support import claims, servers
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.kernel import wait_until
from tests.live.support.project import Project
from tests.live.tool import Result, Tool
from tests.live.witness import files_below, instance_state, rootfs, things_on

POLICY = """\
version: 1
protect:
  - name: everything
    select: {{kind: instance, projects: ["{project}"]}}
    backup: {{every: 1h}}
"""


@frozen
class Scene:
    """Stopped ``web`` with snapshot ``s0``, its backup, and saved plans that nobody carries out.

    ``replace.json`` replaces ``web`` and brings ``also`` back; ``backup.json`` backs both up.
    """

    project: Project
    tool: Tool
    backup: Path


@pytest.fixture(scope="module")
def scene(incus_server: Daemon, _workdirs: Path) -> Iterator[Scene]:
    claim = claims.Claim(_workdirs)
    project = Project(incus_server)
    project.launch("web", start=False)
    project.launch("also", start=False)
    project.incus("snapshot", "create", "web", "s0")
    tool = Tool(incus_server.socket, claim.path)
    tool.do("backup", "instances", "--project", project.name)
    tool.do("backup", "instances", "--project", project.name, "--out", "backup.json")
    project.incus("delete", "also")
    tool.do("restore", "instances", "--replace", "--project", project.name, "--out", "replace.json")
    [backup] = (tool.repository / "instances" / project.name / "web").iterdir()
    yield Scene(project, tool, backup)
    project.remove()
    shutil.rmtree(claim.path)
    claim.release()


def apply_stale(scene: Scene, plan: str) -> Result:
    """Apply a plan that must be refused whole: exit 4, and nothing is other than before."""
    server, repository = scene.project.server, scene.tool.repository
    before = things_on(server), files_below(repository)
    result = scene.tool.run("apply", plan, "--yes")
    assert result.code == 4, result.err
    assert "Hint: make a new plan and review it" in result.err
    assert (things_on(server), files_below(repository)) == before
    assert scene.tool.leftovers() == []
    return result


# -- one condition after the other, each taken back ---------------------------------------------------


@contextmanager
def changed_configuration(scene: Scene) -> Iterator[None]:
    scene.project.incus("config", "set", "web", "user.x=1")
    yield
    scene.project.incus("config", "unset", "web", "user.x")


@contextmanager
def one_snapshot_more(scene: Scene) -> Iterator[None]:
    scene.project.incus("snapshot", "create", "web", "s1")
    yield
    scene.project.incus("snapshot", "delete", "web", "s1")


@contextmanager
def renamed_away(scene: Scene) -> Iterator[None]:
    scene.project.incus("rename", "web", "old")
    yield
    scene.project.incus("rename", "old", "web")


@contextmanager
def another_of_that_name(scene: Scene) -> Iterator[None]:
    with renamed_away(scene):
        scene.project.launch("web", start=False)
        yield
        scene.project.incus("delete", "web")


@contextmanager
def target_that_appeared(scene: Scene) -> Iterator[None]:
    scene.project.launch("also", start=False)
    yield
    scene.project.incus("delete", "also")


@contextmanager
def manifest_rewritten(scene: Scene) -> Iterator[None]:
    """Sound, but other bytes."""
    manifest, sums = scene.backup / "manifest.json", scene.backup / "checksums.txt"
    before = manifest.read_bytes(), sums.read_text()
    manifest.write_bytes(before[0] + b"\n")
    old, new = (hashlib.sha256(data).hexdigest() for data in (before[0], before[0] + b"\n"))
    sums.write_text(before[1].replace(old, new))
    yield
    manifest.write_bytes(before[0])
    sums.write_text(before[1])


@contextmanager
def backup_gone(scene: Scene) -> Iterator[None]:
    away = scene.tool.folder / "away"
    scene.backup.rename(away)
    yield
    away.rename(scene.backup)


@contextmanager
def another_repository(scene: Scene) -> Iterator[None]:
    metadata = scene.tool.repository / "metadata.json"
    before = metadata.read_text()
    metadata.write_text(json.dumps({**json.loads(before), "id": "0" * 32}))
    yield
    metadata.write_text(before)


Change = Callable[[Scene], AbstractContextManager[None]]
CHANGES = [  # a rename there and back leaves another configuration, so these stand last
    ("replace.json", changed_configuration, "the configuration of instance/{project}/web has changed"),
    ("replace.json", one_snapshot_more, "the snapshots of instance/{project}/web have changed"),
    ("replace.json", target_that_appeared, "instance/{project}/also exists by now"),
    ("replace.json", manifest_rewritten, "the manifest of instance/{project}/web@{stamp} has changed"),
    ("replace.json", backup_gone, "instance/{project}/web@{stamp} is gone"),
    ("replace.json", another_repository, "another repository"),
    ("replace.json", renamed_away, "instance/{project}/web is gone"),
    ("replace.json", another_of_that_name, "instance/{project}/web is another one by now"),
    ("backup.json", renamed_away, "instance/{project}/web is not the one the plan was made for"),
    ("backup.json", another_of_that_name, "instance/{project}/web is not the one the plan was made for"),
]


@pytest.mark.once
@pytest.mark.parametrize(
    ("plan", "change", "sentence"), CHANGES, ids=[f"{plan}-{c.__name__}" for plan, c, _ in CHANGES]
)
def test_a_changed_world_makes_the_whole_plan_stale(
    scene: Scene, plan: str, change: Change, sentence: str
) -> None:
    with change(scene):
        result = apply_stale(scene, plan)
        assert sentence.format(project=scene.project.name, stamp=scene.backup.name) in result.err


def test_a_plan_is_for_one_server_only(scene: Scene) -> None:
    with servers.server(scene.project.server.version) as other:
        before = things_on(other)
        result = scene.tool.run("apply", "replace.json", "--yes", env={"INCUS_SOCKET": str(other.socket)})
        assert result.code == 4
        assert "this is not the server the plan was made for" in result.err
        assert things_on(other) == before


def test_hazards_need_the_consent_of_somebody_who_saw_this_plan(scene: Scene) -> None:
    before = things_on(scene.project.server), instance_state(scene.project, "web")
    digest = json.loads((scene.tool.folder / "replace.json").read_text())["digest"]
    wrong = "0" * 8 if digest[0] != "0" else "1" * 8
    for flags in ([], ["--yes", "--approve", wrong]):
        assert scene.tool.run("apply", "replace.json", *flags).code == 5
    assert (things_on(scene.project.server), instance_state(scene.project, "web")) == before


# -- what can't be taken back -------------------------------------------------------------------------


def test_a_victim_put_back_in_time_or_without_its_snapshot_is_left_alone(
    project: Project, tool: Tool
) -> None:
    project.launch("web", start=False)
    project.incus("snapshot", "create", "web", "s0")
    project.incus("snapshot", "create", "web", "s1")
    tool.do("backup", "instances", "web", "--project", project.name)
    tool.do("restore", "instance", "web", "--replace", "--project", project.name, "--out", "plan.json")
    project.incus("snapshot", "delete", "web", "s1")
    result = tool.run("apply", "plan.json", "--yes")
    assert (result.code, "the snapshots of" in result.err) == (4, True)
    project.incus("snapshot", "create", "web", "s1")
    project.incus("snapshot", "restore", "web", "s0")
    before = instance_state(project, "web")
    result = tool.run("apply", "plan.json", "--yes")
    assert (result.code, "was put back in time" in result.err) == (4, True)
    assert instance_state(project, "web") == before


def test_a_first_plan_makes_the_repository_and_is_then_used_up(project: Project, tool: Tool) -> None:
    """Also: what changes elsewhere on the server does not matter."""
    project.launch("web", start=False)
    (tool.folder / "policy.yaml").write_text(POLICY.format(project=project.name))
    tool.do("plan", "-f", "policy.yaml")
    assert not tool.repository.exists()
    project.incus("config", "set", "web", "user.x=1")  # a backup does not mind
    project.launch("other", start=False)
    tool.do("apply", "plan.json")
    assert [backup["name"] for backup in tool.backups()] == ["web"]
    result = tool.run("apply", "plan.json")
    assert (result.code, "made since" in result.err) == (4, True)
    assert len(tool.backups()) == 1


def test_the_approved_digest_runs_though_the_world_changed_elsewhere(project: Project, tool: Tool) -> None:
    project.launch("web", start=False)
    data = rootfs(project, "web") / "root/data"
    data.write_bytes(b"precious")
    tool.do("backup", "instances", "--project", project.name)
    data.write_bytes(b"spoilt")
    tool.do("restore", "instances", "--replace", "--project", project.name, "--out", "plan.json")
    tool.do("backup", "instances", "--project", project.name)
    project.launch("other", start=False)
    digest = json.loads((tool.folder / "plan.json").read_text())["digest"]
    tool.do("apply", "plan.json", "--approve", digest[:12].upper())
    assert data.read_bytes() == b"precious"
    assert tool.leftovers() == []


# -- between the check of all and the step ------------------------------------------------------------


def test_each_step_is_checked_again_right_before_it(
    project: Project, watched_tool: Tool, fault_proxy: FaultProxy
) -> None:
    """The second instance goes away while the first is backed up."""
    project.launch("one", start=False)
    project.launch("two", start=False)
    tool = watched_tool
    tool.do("backup", "instances", "--project", project.name, "--out", "plan.json")
    process = tool.start("apply", "plan.json", "--parallel", "1")
    begun = "/1.0/instances/one/backups"
    wait_until(lambda: any(path.startswith(begun) for _, path in fault_proxy.writes()), 60, "a backup")
    fault_proxy.rule(delay=0.2)
    project.incus("delete", "two")
    fault_proxy.clear()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert f"instance/{project.name}/two is not the one the plan was made for" in err
    assert [backup["name"] for backup in tool.backups()] == ["one"]
    assert not any("/instances/two" in path for _, path in fault_proxy.writes())
    assert tool.leftovers() == []
