"""A whole server, lost and brought back on an empty one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import estate
from tests.live.conftest import VERSIONS
from tests.live.portrait import differences
from tests.live.support import servers
from tests.live.support.daemon import Daemon
from tests.live.test_round_trip import DIFFERS as INSTANCE_DIFFERS
from tests.live.test_round_trip import MOVES
from tests.live.tool import NewTool

DIFFERS = {
    **{f"instances/*.{path}": reason for path, reason in INSTANCE_DIFFERS.items()},
    "storage-pools/*.config.source": "where this host keeps the pool",
    "storage-pools/*.config.volatile.initial_source": "as above",
    "projects/*.config.features.networks*": "off, whether that is said or not",
    "networks/*.config.volatile.*": "made up by the host",
    "images/*.created_at": "kept in whole seconds inside of the image",
    "images/*.uploaded_at": "it was uploaded again",
    "images/*.last_used_at": "it was not used yet",
    "images/*.cached": "it was not downloaded",
}
"""Paths in the API's documents that can't come back, each with the reason."""


POLICY = """
version: 1
protect:
  - name: everything
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    backup: {every: 7d}
restore:
  - name: everything-back
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    if_present: skip
"""


@pytest.fixture(params=VERSIONS)
def lost_server(request: pytest.FixtureRequest, _installed: None) -> Iterator[Daemon]:
    """A server with an estate on it."""
    with servers.server(request.param) as server:
        estate.build(server)
        yield server


@pytest.fixture
def empty_server(lost_server: Daemon) -> Iterator[Daemon]:
    """A server of the same version with nothing at all."""
    with servers.empty_server(lost_server.version) as server:
        yield server


def test_an_estate_comes_back_on_an_empty_server(
    lost_server: Daemon, empty_server: Daemon, workdir: Path, new_tool: NewTool
) -> None:
    before = new_tool(lost_server.socket, workdir)
    before.do("backup", "all")
    looks, files = estate.portrait(lost_server), estate.contents(lost_server, without=MOVES)
    lost_server.kill9()

    tool = new_tool(empty_server.socket, workdir)
    tool.do("restore", "all")
    found = differences(looks, estate.portrait(empty_server), but_for=DIFFERS)
    assert found == [], "\n".join(found)
    assert estate.contents(empty_server, without=MOVES) == files
    again = tool.do("restore", "all", "--skip-existing")
    assert "No changes" in again.err
    policy = workdir / "all.yaml"
    policy.write_text(POLICY)
    assert "No changes" in tool.do("plan", "-f", str(policy), "--no-out", "--detailed-exitcode").out
    assert tool.leftovers() == []


@pytest.mark.once
def test_a_living_estate_is_put_back_in_one_go(lost_server: Daemon, workdir: Path, new_tool: NewTool) -> None:
    """Volumes are replaced and profiles changed, and then the instances that use them."""
    tool = new_tool(lost_server.socket, workdir)
    tool.do("backup", "all")
    looks, files = estate.portrait(lost_server), estate.contents(lost_server, without=MOVES)
    profile = lost_server.api("GET", "/1.0/profiles/web")
    lost_server.api("PUT", "/1.0/profiles/web", profile | {"config": {"limits.memory": "199MiB"}})
    estate.Named(lost_server, "default").exec("web", ["sh", "-c", "echo changed again > /data/index.html"])

    tool.do("restore", "all", "--replace", "--force")
    found = differences(looks, estate.portrait(lost_server), but_for=DIFFERS)
    assert found == [], "\n".join(found)
    assert estate.contents(lost_server, without=MOVES) == files
    assert tool.leftovers() == []


@pytest.mark.once
def test_maps_give_an_estate_another_place(
    lost_server: Daemon, empty_server: Daemon, workdir: Path, new_tool: NewTool
) -> None:
    new_tool(lost_server.socket, workdir).do("backup", "all")
    lost_server.kill9()
    tool = new_tool(empty_server.socket, workdir)
    maps = [
        *("--project-map", "shop=till", "--pool-map", "fast=default"),
        *("--network-map", "br0=lan", "--profile-map", "web=limited"),
    ]
    result = tool.run("restore", "all", *maps)
    assert result.code == 3
    lacks = "instance/default/web: needs network/default/lan, profile/default/limited: not on the server"
    assert lacks in result.err
    network = {"ipv4.address": "10.77.9.1/24", "ipv4.nat": "false", "ipv6.address": "none"}
    empty_server.api("POST", "/1.0/networks", {"name": "lan", "type": "bridge", "config": network})
    empty_server.api("POST", "/1.0/profiles", {"name": "limited"})
    tool.do("restore", "all", *maps)
    there = estate.addresses(empty_server)
    assert "instances/till/db" in there
    assert "instances/shop/db" not in there
    assert {"volumes/till/bt/db", "volumes/default/default/spare"} <= there
    assert {name for name in there if name.startswith(("networks", "storage-pools"))} == {
        *("networks/default/lan", "storage-pools//bt", "storage-pools//default"),
    }
    web = empty_server.api("GET", "/1.0/instances/web")
    assert (web["profiles"], web["devices"]["eth0"]["network"]) == (["default", "limited"], "lan")
    assert web["status"] == "Running"
    assert "No changes" in tool.do("restore", "all", "--skip-existing", *maps).err


@pytest.mark.once
def test_one_project_of_an_estate(
    lost_server: Daemon, empty_server: Daemon, workdir: Path, new_tool: NewTool
) -> None:
    before = new_tool(lost_server.socket, workdir)
    before.do("backup", "all", "--project", "shop")
    first = {backup["timestamp"] for backup in before.backups()}
    before.do("backup", "all")
    listed = json.loads(before.do("list", "all", "--project", "shop", "--output", "json").out)
    assert {entry["kind"] for entry in listed} == {"config", "image", "volume", "instance"}
    tool = new_tool(empty_server.socket, workdir)
    empty_server.seed(servers.image_file())
    refused = tool.run("restore", "instances", "--project", "shop")
    assert (refused.code, "restore config --apply" in refused.err) == (1, True)
    empty_server.api("POST", "/1.0/storage-pools", {"name": "fast", "driver": "dir"})
    tool.do("restore", "all", "--project", "shop", "--version", max(first))
    there = estate.addresses(empty_server)
    assert {"projects//shop", "profiles/shop/default", "volumes/shop/bt/db", "instances/shop/db"} <= there
    assert {name for name in there if name.startswith("instances")} == {
        "instances/shop/app",
        "instances/shop/db",
    }
    images = {name.split("/")[1] for name in there if name.startswith("images")}
    assert images == {"default", "shop"}


@pytest.mark.once
def test_addresses_in_use_are_found_while_planning(
    lost_server: Daemon, workdir: Path, new_tool: NewTool
) -> None:
    tool = new_tool(lost_server.socket, workdir)
    tool.do("backup", "instances", "web")
    copy = ("restore", "instance", "web", "--target-name", "copy")
    refused = tool.run(*copy, "--identity", "preserve")
    assert refused.code == 1
    assert (
        "instance/default/copy: its IPv4 address 10.77.9.20 on br0 is taken by instance/default/web"
        in refused.err
    )
    assert "--identity regenerate" in refused.err
    tool.do(*copy)
    assert lost_server.api("GET", "/1.0/instances/copy")["status"] == "Running"
