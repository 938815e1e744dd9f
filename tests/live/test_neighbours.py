"""What a neighbour on the host or in a network has already is found while planning, or before a stop."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.tool import NewTool, Result, Tool

pytestmark = pytest.mark.once
PROXY = {"type": "proxy", "listen": "tcp:127.0.0.1:18080", "connect": "tcp:127.0.0.1:80"}
SOCKET = {"type": "proxy", "listen": "unix:/tmp/incusbak-test.sock", "connect": "tcp:127.0.0.1:80"}


def words(result: Result) -> str:
    return " ".join((result.out + result.err).split())


def names(project: Project) -> set[str]:
    return {each["name"] for each in project.api("GET", "/1.0/instances?recursion=1")}


def status(project: Project, name: str) -> str:
    return str(project.api("GET", f"/1.0/instances/{name}")["status"])


# -- places to listen at ------------------------------------------------------------------------------


@pytest.mark.parametrize("proxy", [PROXY, SOCKET], ids=["tcp", "unix"])
def test_a_copy_beside_a_running_original_does_not_listen_where_that_does(
    project: Project, tool: Tool, proxy: Mapping[str, str]
) -> None:
    project.launch("web", devices={"door": proxy})
    where = ("--project", project.name)
    tool.do("backup", "instances", "web", *where)
    copy = ("restore", "instance", "web", "--target-name", "copy", *where)
    refused = tool.run(*copy)
    assert (refused.code, names(project)) == (1, {"web"}), refused.err
    assert (
        f"its device door listens on {proxy['listen']}, as door of instance/{project.name}/web does"
        in words(refused)
    )
    assert "--without-device door" in words(refused)

    tool.do(*copy, "--without-device", "door")
    assert (status(project, "web"), status(project, "copy")) == ("Running", "Running")
    devices = project.api("GET", "/1.0/instances/copy")["devices"]
    assert devices["door"] == {"type": "none"}
    project.api("PUT", "/1.0/instances/copy/state", {"action": "stop", "force": True, "timeout": 30})
    project.api("DELETE", "/1.0/instances/copy")

    stopped = tool.do(*copy, "--no-start")
    assert "not both can run" in words(stopped)
    assert status(project, "copy") == "Stopped"


def test_two_that_are_restored_do_not_listen_at_one_place(project: Project, tool: Tool) -> None:
    for name, listen in (("one", "tcp:0.0.0.0:18090-18092"), ("two", "tcp:127.0.0.1:18091")):
        ports = listen.rpartition(":")[2]
        connect = f"tcp:127.0.0.1:{ports}"
        project.launch(name, devices={"door": {**PROXY, "listen": listen, "connect": connect}})
        tool.do("backup", "instances", name, "--project", project.name)
        project.api("PUT", f"/1.0/instances/{name}/state", {"action": "stop", "force": True, "timeout": 30})
        project.api("DELETE", f"/1.0/instances/{name}")
    result = tool.run("restore", "instances", "--project", project.name)
    assert (result.code, names(project)) == (3, {"two"}), result.err  # of two, that of the newer backup
    assert "listens on" in words(result)


def test_a_device_to_leave_out_must_be_there(project: Project, tool: Tool) -> None:
    project.launch("web", start=False)
    tool.do("backup", "instances", "web", "--project", project.name)
    refused = tool.run(
        "restore",
        "instance",
        "web",
        "--replace",
        "--yes",
        "--without-device",
        "dor",
        "--project",
        project.name,
    )
    assert refused.code == 1
    assert "there is no device 'dor' to leave out" in refused.err
    refused = tool.run(
        "restore",
        "instance",
        "web",
        "--replace",
        "--yes",
        "--without-device",
        "root",
        "--project",
        project.name,
    )
    assert refused.code == 1


# -- networks -----------------------------------------------------------------------------------------


@pytest.fixture
def bridge(incus_server: Daemon) -> Iterator[Any]:
    def change(address: str, **more: str) -> None:
        config = {"ipv4.address": address, "ipv6.address": "none", **more}
        incus_server.api("PUT", "/1.0/networks/brfit", {"config": config})

    config = {"ipv4.address": "10.77.0.1/24", "ipv6.address": "none"}
    incus_server.api("POST", "/1.0/networks", {"name": "brfit", "type": "bridge", "config": config})
    yield change
    incus_server.api("DELETE", "/1.0/networks/brfit")


def test_a_fixed_address_outside_of_its_network_is_found_while_planning(
    bridge: Any, project: Project, tool: Tool
) -> None:
    nic = {"type": "nic", "network": "brfit", "name": "eth0", "ipv4.address": "10.77.0.5"}
    project.launch("web", devices={"eth0": nic}, start=False)
    where = ("--project", project.name)
    tool.do("backup", "instances", "web", *where)
    bridge("10.88.0.1/24")
    replace = ("restore", "instance", "web", "--replace", "--yes", *where)
    refused = tool.run(*replace)
    assert refused.code == 1, refused.err
    expected = "its device eth0 has the fixed address 10.77.0.5, but network brfit is 10.88.0.0/24 now"
    assert expected in words(refused)
    bridge("10.77.0.5/24")
    assert "has that address itself" in words(tool.run(*replace))
    bridge("none")
    assert "gives out no IPv4 addresses" in words(tool.run(*replace))
    without = (*replace, "--without-device", "eth0")
    unable = tool.run(*without)  # the living one has the device as well: nobody could put that back
    assert (unable.code, "it was not stopped" in words(unable)) == (1, True), unable.err
    project.incus("config", "device", "remove", "web", "eth0")
    tool.do(*without)
    tool.do("restore", "instance", "web", "--target-name", "copy", *where)  # with addresses of its own
    assert "ipv4.address" not in project.api("GET", "/1.0/instances/copy")["devices"]["eth0"]
    for name in ("web", "copy"):
        project.api("DELETE", f"/1.0/instances/{name}")


@pytest.mark.usefixtures("bridge")
def test_a_name_that_a_network_knows_already_is_found_while_planning(
    project: Project, tool: Tool, incus_server: Daemon
) -> None:
    nic = {"type": "nic", "network": "brfit", "name": "eth0"}
    other = Project(incus_server)
    try:
        other.launch("web", devices={"eth0": nic}, start=False)
        tool.do("backup", "instances", "web", "--project", other.name)
        restore = (
            "restore",
            "instance",
            "web",
            "--project-map",
            f"{other.name}={project.name}",
            "--project",
            other.name,
        )
        refused = tool.run(*restore)
        assert (refused.code, names(project)) == (1, set()), refused.err
        assert f"its name is that of instance/{other.name}/web on network/default/brfit" in words(refused)
        assert tool.run(*restore, "--no-start").code == 1  # the server takes no second one, not even stopped
        tool.do(*restore, "--without-device", "eth0", "--no-start")
        assert names(project) == {"web"}
        project.api("DELETE", "/1.0/instances/web")
    finally:
        other.remove()


# -- what the host has --------------------------------------------------------------------------------


def test_what_the_host_has_not_is_found_before_the_original_is_stopped(
    project: Project, tool: Tool, incus_server: Daemon
) -> None:
    """Its source is there when it is backed up, and gone when it is to be replaced."""
    folder = incus_server.pod.state / "data"
    folder.mkdir()
    disk = {"type": "disk", "source": str(folder), "path": "/data"}
    project.launch("web", devices={"data": disk})
    where = ("--project", project.name)
    tool.do("backup", "instances", "web", *where)
    before = project.api("GET", "/1.0/instances/web/state")["pid"]
    project.api("PATCH", "/1.0/instances/web", {"devices": {"data": {"type": "none"}}})
    folder.rmdir()
    replace = ("restore", "instance", "web", "--replace", "--yes", *where)
    refused = tool.run(*replace)
    assert (refused.code, status(project, "web")) == (1, "Running"), refused.err
    assert f"its device data needs {folder} on the host" in words(refused)
    assert f'Missing source path "{folder}" for disk "data"' in words(refused)
    assert "--without-device" in words(refused)
    assert project.api("GET", "/1.0/instances/web/state")["pid"] == before
    assert names(project) == {"web"}
    assert tool.leftovers() == []
    tool.do(*replace, "--without-device", "data")
    assert status(project, "web") == "Running"
    again = tool.do(
        "restore",
        "instance",
        "web",
        "--target-name",
        "copy",
        "--without-device",
        "data",
        "--out",
        "-",
        *where,
    )
    [step] = json.loads(again.out)["plan"]["steps"]
    assert step["action"]["options"]["without_devices"] == ["data"]


def test_a_network_whose_address_another_one_has_by_now_is_found_while_planning(
    fresh_incus: Daemon, new_tool: NewTool, workdir: Path
) -> None:
    def add(name: str, address: str) -> None:
        config = {"ipv4.address": address, "ipv6.address": "none"}
        fresh_incus.api("POST", "/1.0/networks", {"name": name, "type": "bridge", "config": config})

    tool = new_tool(fresh_incus.socket, workdir)
    add("old", "10.77.0.1/24")
    tool.do("backup", "config")
    fresh_incus.api("DELETE", "/1.0/networks/old")
    add("new", "10.77.0.1/16")
    refused = tool.run("restore", "config", "--apply", "--yes")
    assert refused.code == 1
    assert "network/default/old: its address 10.77.0.1 is that of network/default/new" in words(refused)
    tool.do("restore", "config", "--network-map", "old=new")
    fresh_incus.api("DELETE", "/1.0/networks/new")
    add("new", "10.77.0.2/16")
    taken = tool.do("restore", "config", "--apply", "--yes")
    assert "its subnet 10.77.0.0/24 overlaps 10.77.0.0/16 of network/default/new" in words(taken)
