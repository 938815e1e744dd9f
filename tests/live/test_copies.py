"""Restores to other places: beside the living original, to other projects, pools, networks and profiles."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.portrait import differences, document_of, files_of, furnish, rootfs
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.tool import Tool

IDENTITY = ("volatile.uuid", "volatile.eth0.hwaddr", "volatile.cloud-init.instance-id")
ALWAYS_DIFFERS = ("last_used_at", "*config.volatile.*.host_name", "snapshots.*.size")
MOVES = ("/run/*",)


@pytest.fixture
def networks(incus_server: Daemon) -> Iterator[tuple[str, str]]:
    """Two bridges without addresses."""
    names = (f"br{secrets.token_hex(4)}", f"br{secrets.token_hex(4)}")
    for name in names:
        config = {"ipv4.address": "none", "ipv6.address": "none"}
        incus_server.api("POST", "/1.0/networks", {"name": name, "type": "bridge", "config": config})
    yield names
    for name in names:
        incus_server.api("DELETE", f"/1.0/networks/{name}")


@pytest.fixture
def other(incus_server: Daemon) -> Iterator[Project]:
    """A second project."""
    new = Project(incus_server)
    yield new
    new.remove()


def identity(document: dict[str, Any]) -> list[str]:
    return [document["config"][key] for key in IDENTITY]


def launch(project: Project, network: str, pool: str | None = None) -> None:
    """Container ``c1``, running, with a network card and a snapshot."""
    nic = {"type": "nic", "network": network, "name": "eth0"}
    project.launch("c1", devices={"eth0": nic}, config={"user.a": "b"}, pool=pool)
    furnish(rootfs(project, "c1") / "srv")
    project.api("POST", "/1.0/instances/c1/snapshots", {"name": "s1", "expires_at": "2091-01-02T03:04:05Z"})
    project.put_file("c1", "/srv/later", b"after the snapshot")


@pytest.mark.parametrize(
    ("pool", "flags"),
    [pytest.param("default", (), id="dir"), pytest.param("bt", ("--optimized",), id="btrfs")],
)
def test_a_copy_beside_the_living_original_is_another_one(
    networks: tuple[str, str], project: Project, tool: Tool, pool: str, flags: tuple[str, ...]
) -> None:
    launch(project, networks[0], pool)
    tool.do("backup", "instances", "c1", "--project", project.name, *flags)
    original, files = document_of(project, "c1"), files_of(project, "c1", without=MOVES)
    tool.do("restore", "instance", "c1", "--project", project.name, "--target-name", "c2")
    copy = document_of(project, "c2")
    assert [a == b for a, b in zip(identity(original), identity(copy), strict=True)] == [False, False, False]
    but_for = (*ALWAYS_DIFFERS, "name", *(f"*config.{key}*" for key in IDENTITY))
    assert differences(original, copy, but_for=but_for) == []
    copied = files_of(project, "c2", without=MOVES)
    assert differences(files, copied, but_for=("/etc/hostname*",)) == []
    runs_on = differences(original, document_of(project, "c1"), but_for=("snapshots.*.size",))
    assert runs_on == []  # a snapshot's size follows what it still shares with the original
    project.incus("restart", "--force", "c1", "c2")
    if not flags:  # the definitions of snapshots can't be changed in the storage driver's own format
        project.incus("snapshot", "restore", "c2", "s1")
        assert identity(document_of(project, "c2"))[:2] == identity(copy)[:2]
    assert tool.leftovers() == []


def test_an_identity_is_kept_where_the_server_allows_it(
    networks: tuple[str, str], project: Project, tool: Tool
) -> None:
    launch(project, networks[0])
    original = document_of(project, "c1")
    tool.do("backup", "instances", "c1", "--project", project.name)
    restore = ("restore", "instance", "c1", "--project", project.name, "--target-name", "c2", "--no-start")
    # not while another instance has the MAC address: neither of the two could be started for sure
    assert tool.run(*restore, "--identity", "preserve").code == 1
    assert project.api("GET", "/1.0/instances") == [f"/1.0/instances/c1?project={project.name}"]
    assert document_of(project, "c1") == original

    project.incus("config", "device", "remove", "c1", "eth0")
    tool.do(*restore, "--identity", "preserve")
    copy = document_of(project, "c2")
    assert (identity(copy), copy["status"]) == (identity(original), "Stopped")
    assert tool.leftovers() == []


def test_everything_around_it_may_be_another_one(
    networks: tuple[str, str], project: Project, other: Project, tool: Tool
) -> None:
    """Project, pool, network and profile are mapped at once; then the way back."""
    for each in (project, other):
        name = "own" if each is project else "new"
        each.api("POST", "/1.0/profiles", {"name": name, "config": {"user.from-profile": name}})
    launch(project, networks[0])
    project.incus("profile", "add", "c1", "own")
    before, files = document_of(project, "c1"), files_of(project, "c1", without=MOVES)
    tool.do("backup", "instances", "c1", "--project", project.name)
    project.incus("delete", "--force", "c1")

    maps = {
        "project": (project.name, other.name),
        "pool": ("default", "bt"),
        "network": networks,
        "profile": ("own", "new"),
    }
    flags = [f"--{what}-map={old}={new}" for what, (old, new) in maps.items()]
    tool.do("restore", "instances", "--project", project.name, *flags)
    there = document_of(other, "c1")
    assert (there["status"], there["profiles"]) == ("Running", ["default", "new"])
    assert there["devices"]["eth0"]["network"] == networks[1]
    assert there["devices"]["root"] == {"type": "disk", "path": "/", "pool": "bt"}
    assert identity(there) == identity(before)
    assert differences(files, files_of(other, "c1", without=MOVES)) == []

    tool.do("backup", "instances", "c1", "--project", other.name)
    other.incus("delete", "--force", "c1")
    flags = [f"--{what}-map={new}={old}" for what, (old, new) in maps.items()]
    tool.do("restore", "instances", "--project", other.name, *flags)
    back = document_of(project, "c1")
    but_for = (*ALWAYS_DIFFERS, "*devices.root", "snapshots.s1.*devices.root")
    assert differences(before, back, but_for=but_for) == []
    assert back["expanded_devices"]["root"]["pool"] == "default"
    project.incus("snapshot", "restore", "c1", "s1")
    assert tool.leftovers() == []


@pytest.mark.once
def test_several_projects_and_what_is_there_already(project: Project, other: Project, tool: Tool) -> None:
    for each in (project, other):
        for name in ("c1", "c2"):
            each.launch(name, start=False, config={"user.age": "old"})
    tool.do("backup", "instances", "--project", "*")
    places = {(backup["project"], backup["name"]) for backup in tool.backups()}
    assert {(each.name, name) for each in (project, other) for name in ("c1", "c2")} <= places
    project.api("PATCH", "/1.0/instances/c1", {"config": {"user.age": "new"}})
    other.incus("delete", "c1")
    kept = document_of(project, "c1")

    result = tool.run("restore", "instances", "--project", "*")  # no flag, no terminal
    assert result.code == 1
    assert document_of(project, "c1") == kept
    assert other.api("GET", "/1.0/instances") == ["/1.0/instances/c2?project=" + other.name]

    tool.do("restore", "instances", "--project", "*", "--skip-existing")
    assert document_of(project, "c1") == kept
    assert document_of(other, "c1")["config"]["user.age"] == "old"

    tool.do("backup", "instances", "c1", "--project", project.name)
    first = min(backup["timestamp"] for backup in tool.backups(project.name))
    for version, age in ((first, "old"), ("latest", "new")):
        project.incus("delete", "c1")
        tool.do("restore", "instance", "c1", "--project", project.name, "--version", version)
        assert document_of(project, "c1")["config"]["user.age"] == age


PROTECT = """
version: 1
name: all
target: dir:{target}
protect:
  - name: everything
    select: {{kind: instance, projects: [{project}]}}
    backup: {{every: 24h}}
"""

RESTORE = """
version: 1
name: back
target: dir:{target}
restore:
  - name: everything
    select: {{kind: instance, projects: [{project}]}}
    if_present: replace
"""


@pytest.mark.once
def test_applying_a_policy_leaves_nothing_to_plan(project: Project, tool: Tool) -> None:
    project.launch("c1")
    project.launch("c2", config={"user.age": "old"})
    before = {name: document_of(project, name) for name in ("c1", "c2")}
    policy = tool.folder / "policy.yaml"
    policy.write_text(PROTECT.format(target=tool.repository, project=project.name))
    _converge(tool)

    project.incus("delete", "--force", "c1")
    project.api("PATCH", "/1.0/instances/c2", {"config": {"user.age": "new"}})
    policy.write_text(RESTORE.format(target=tool.repository, project=project.name))
    _converge(tool, "--yes")
    after = {name: document_of(project, name) for name in before}
    assert differences(before, after, but_for=[f"*.{glob}" for glob in ALWAYS_DIFFERS]) == []


def _converge(tool: Tool, *flags: str) -> None:
    """Plan, apply, and plan again: the first plan has steps, the second none."""
    plan = ("plan", "-f", "policy.yaml", "--detailed-exitcode")
    assert tool.run(*plan).code == 2
    tool.do("apply", "plan.json", *flags)
    assert tool.run(*plan).code == 0
