"""Back up, lose, restore: what comes back is what was lost."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import VERSIONS
from tests.live.portrait import SPARSE_BYTES, differences, document_of, files_of, furnish, rootfs
from tests.live.support import servers
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.tool import Tool

DIFFERS = {
    "last_used_at": "it was started again",
    "*config.volatile.*.host_name": "the host's end of the cable is a new one at each start",
    "*config.volatile.last_state.ready": "said by an agent inside, after each start",
    "*config.volatile.last_state.power": "what the host last saw; of a stopped one there is nothing to see",
    "snapshots.*.size": "what a snapshot shares with others is up to the storage driver",
}
"""Paths in the API's documents that can't come back, each with the reason."""

MOVES = ("/run/*",)
"""Files that each start writes anew."""

EXPIRES = "2091-01-02T03:04:05Z"


@pytest.fixture
def network(incus_server: Daemon) -> Iterator[str]:
    """A bridge that gives addresses; its subnet is 10.77.7.0/24."""
    name = f"br{secrets.token_hex(4)}"
    config = {"ipv4.address": "10.77.7.1/24", "ipv4.nat": "false", "ipv6.address": "none"}
    incus_server.api("POST", "/1.0/networks", {"name": name, "type": "bridge", "config": config})
    yield name
    incus_server.api("DELETE", f"/1.0/networks/{name}")


def make_rich(project: Project, network: str, pool: str) -> None:
    """Container ``rich`` has something of everything."""
    profile = {
        "name": "own",
        "config": {"limits.memory": "200MiB", "user.from-profile": "yes"},
        "devices": {"null2": {"type": "unix-char", "source": "/dev/null", "path": "/dev/null2"}},
    }
    project.api("POST", "/1.0/profiles", profile)
    nic = {"type": "nic", "network": network, "name": "eth0", "ipv4.address": "10.77.7.20"}
    config = {"user.age": "old", "boot.autostart": "true", "boot.autostart.priority": "7"}
    project.launch("rich", pool=pool, config=config, devices={"eth0": nic}, profiles=["default", "own"])
    furnish(rootfs(project, "rich") / "srv")
    project.api("POST", "/1.0/instances/rich/snapshots", {"name": "first", "expires_at": EXPIRES})
    change = {
        "description": "ünï: a 'description'\nof two lines",
        "config": {
            "user.age": "new",
            "cloud-init.user-data": "#cloud-config\nruncmd:\n  - [ls, \"-l\"]\n# '{{ }}' ü\n",
            "environment.LANG": "C.UTF-8",
            "limits.cpu.allowance": "50%",
            "user.date-like": "2020-01-02",
        },
    }
    project.api("PATCH", "/1.0/instances/rich", change)
    project.put_file("rich", "/srv/later", b"made after the first snapshot")
    project.api("POST", "/1.0/instances/rich/snapshots", {"name": "second"})


@pytest.mark.crosswise
@pytest.mark.parametrize("pool", ["default", "bt"])
def test_all_of_an_instance_comes_back(network: str, project: Project, tool: Tool, pool: str) -> None:
    make_rich(project, network, pool)
    before, files = document_of(project, "rich"), files_of(project, "rich", without=MOVES)
    old_files = files_of(project, "rich", "first")
    tool.do("backup", "instances", "rich", "--project", project.name)
    untouched = differences(before, document_of(project, "rich"), but_for=["snapshots.*.size"])
    assert untouched == []  # by the backup; btrfs tells the size of a snapshot once it is written
    project.incus("delete", "--force", "rich")

    tool.do("restore", "instance", "rich", "--project", project.name)
    project.wait_status("rich", "Running")
    assert differences(before, document_of(project, "rich"), but_for=DIFFERS) == []
    assert differences(files, files_of(project, "rich", without=MOVES)) == []
    assert differences(old_files, files_of(project, "rich", "first")) == []
    assert (rootfs(project, "rich") / "srv/sparse").stat().st_blocks * 512 < SPARSE_BYTES / 4
    assert project.exec("rich", ["stat", "-c", "%u %g %a %t:%T", "/srv/program"]) == "1000 1001 6751 0:0\n"
    assert "10.77.7.20/24" in project.exec("rich", ["ip", "address"])
    assert tool.leftovers() == []

    project.incus("snapshot", "restore", "rich", "first")
    assert not (rootfs(project, "rich") / "srv/later").exists()
    assert document_of(project, "rich")["config"]["user.age"] == "old"


@pytest.fixture(params=VERSIONS)
def shifting_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _installed: None
) -> Iterator[Daemon]:
    """A server without idmapped mounts, as with older kernels: it shifts the owners on the disk."""
    monkeypatch.setenv("INCUS_IDMAPPED_MOUNTS_DISABLE", "1")
    with servers.server(request.param) as server:
        yield server


def test_states_and_owners_come_back(shifting_server: Daemon, workdir: Path) -> None:
    """In one run: ephemeral and isolated, stopped and privileged, frozen and plain."""
    project, tool = Project(shifting_server), Tool(shifting_server.socket, workdir)
    project.incus("launch", "mini", "passing", "--ephemeral", "--config", "security.idmap.isolated=true")
    project.launch("still", config={"security.privileged": "true"})
    project.launch("cold")
    names = ("cold", "passing", "still")
    for name in names:
        project.exec(name, ["sh", "-c", "touch /srv/f && chown 1000:1001 /srv/f"])
    project.stop("still")
    project.incus("pause", "cold")
    before = {name: document_of(project, name) for name in names}
    files = {name: files_of(project, name, without=MOVES) for name in names}
    owners = {name: (rootfs(project, name) / "srv/f").stat().st_uid for name in names}
    assert owners["still"] == 1000
    assert min(owners["cold"], owners["passing"]) > 1_000_000

    tool.do("backup", "instances", "--project", project.name)
    assert {name: document_of(project, name) for name in names} == before  # the frozen one is still frozen
    project.incus("delete", "--force", *names)
    tool.do("restore", "instances", "--project", project.name)
    after = {name: document_of(project, name) for name in names}
    assert differences(before, after, but_for=[f"*.{glob}" for glob in (*DIFFERS, "status*")]) == []
    assert [after[name]["status"] for name in names] == ["Frozen", "Running", "Stopped"]
    project.incus("start", "still", "cold")
    for name in names:
        assert project.exec(name, ["stat", "-c", "%u %g", "/", "/srv/f"]) == "0 0\n1000 1001\n"
        assert differences(files[name], files_of(project, name, without=MOVES)) == []
    assert tool.leftovers() == []
