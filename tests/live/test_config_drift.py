"""The configuration drifts away from its backup, and is brought back field by field."""

import json
from typing import Any

import pytest

from tests.live.support.daemon import Daemon
from tests.live.tool import Result, Tool

ACL = {"name": "web-only", "ingress": [{"action": "allow", "state": "enabled", "protocol": "tcp"}]}
NETWORK = {"ipv4.address": "10.77.3.1/24", "ipv6.address": "none", "user.owner": "ops"}


@pytest.fixture
def server(fresh_incus: Daemon) -> Daemon:
    """A project, a profile, a bridge and an ACL, all of them backed up."""
    fresh_incus.api("POST", "/1.0/projects", {"name": "shop", "config": {"features.images": "false"}})
    fresh_incus.api("POST", "/1.0/profiles", {"name": "web", "config": {"limits.cpu": "2", "user.a": "b"}})
    fresh_incus.api("POST", "/1.0/networks", {"name": "br0", "type": "bridge", "config": NETWORK})
    fresh_incus.api("POST", "/1.0/network-acls", ACL)
    return fresh_incus


@pytest.fixture
def backed_up(server: Daemon, fresh_tool: Tool) -> Tool:
    trust(server)
    fresh_tool.do("backup", "config")
    return fresh_tool


def trust(server: Daemon) -> None:
    """Have one client certificate: the server's own serves as well as any."""
    pem = (server.dir / "server.crt").read_text().splitlines()
    server.api(
        "POST", "/1.0/certificates", {"type": "client", "name": "ci", "certificate": "".join(pem[1:-1])}
    )


def drift(server: Daemon) -> None:
    server.api("PATCH", "/1.0/profiles/web", {"config": {"limits.cpu": "4", "user.new": "x"}})
    server.api("PATCH", "/1.0/networks/br0", {"config": {"ipv4.nat": "true"}, "description": "mine"})
    server.api("PUT", "/1.0/projects/shop", project(server) | {"description": "changed"})
    server.api("DELETE", "/1.0/network-acls/web-only")


def project(server: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = server.api("GET", "/1.0/projects/shop")
    return {"config": found["config"], "description": found["description"]}


def changes(tool: Tool, *flags: str) -> dict[str, list[tuple[str, Any, Any]]]:
    """The fields that `restore config` would change, by step."""
    tool.do("restore", "config", "--out", "plan.json", *flags)
    steps = json.loads((tool.folder / "plan.json").read_text())["plan"]["steps"]
    return {
        step["id"]: [(change["path"], change["before"], change["after"]) for change in step["changes"]]
        for step in steps
    }


def test_an_unchanged_configuration_shows_nothing(backed_up: Tool) -> None:
    assert changes(backed_up) == {}
    assert "No changes" in backed_up.do("restore", "config", "--apply").err


def test_drift_is_shown_field_by_field_and_taken_back(server: Daemon, backed_up: Tool) -> None:
    drift(server)
    assert changes(backed_up) == {
        "create:acl/default/web-only": [
            ("ingress", None, [{"action": "allow", "protocol": "tcp", "state": "enabled"}])
        ],
        "update:network/default/br0": [
            ("config.ipv4.nat", "true", None),
            ("description", "mine", ""),
        ],
        "update:profile/default/web": [("config.limits.cpu", "4", "2"), ("config.user.new", "x", None)],
        "update:project/shop": [("description", "changed", "")],
    }
    shown = backed_up.do("restore", "config")
    assert "network/default/br0: changes a network" in shown.out
    assert "add --apply" in shown.err
    assert server.api("GET", "/1.0/profiles/web")["config"]["limits.cpu"] == "4"

    refused = backed_up.run("restore", "config", "--apply")
    assert (refused.code, "the plan has hazards: changes-network" in refused.err) == (5, True)
    backed_up.do("restore", "config", "--apply", "--yes")
    assert changes(backed_up) == {}
    assert server.api("GET", "/1.0/profiles/web")["config"] == {"limits.cpu": "2", "user.a": "b"}
    assert [acl["name"] for acl in server.api("GET", "/1.0/network-acls?recursion=1")] == ["web-only"]


def test_what_is_newer_stays_unless_told(server: Daemon, backed_up: Tool) -> None:
    server.api("POST", "/1.0/profiles", {"name": "newer"})
    server.api("POST", "/1.0/networks", {"name": "br9", "type": "bridge", "config": {"ipv6.address": "none"}})
    assert changes(backed_up) == {}
    assert list(changes(backed_up, "--prune-config")) == [
        "delete:profile/default/newer",
        "delete:network/default/br9",
    ]
    backed_up.do("restore", "config", "--apply", "--prune-config", "--yes")
    names = {
        network["name"] for network in server.api("GET", "/1.0/networks?recursion=1") if network["managed"]
    }
    assert names == {"br0"}


def test_entities_are_chosen_by_address_and_project(server: Daemon, backed_up: Tool) -> None:
    drift(server)
    assert list(changes(backed_up, "profile/*")) == ["update:profile/default/web"]
    assert list(changes(backed_up, "--project", "shop")) == ["update:project/shop"]
    assert list(changes(backed_up, "--skip-existing")) == ["create:acl/default/web-only"]


def test_a_map_says_what_takes_the_place_of_a_network(server: Daemon, backed_up: Tool) -> None:
    drift(server)
    assert "update:network/default/br0" not in changes(backed_up, "--network-map", "br0=br7")


def stale(tool: Tool) -> Result:
    return tool.run("apply", "plan.json", "--yes")


def test_an_entity_changed_since_the_plan_is_refused_and_the_others_left_alone(
    server: Daemon, backed_up: Tool
) -> None:
    drift(server)
    changes(backed_up)
    server.api("PATCH", "/1.0/profiles/web", {"config": {"limits.cpu": "8"}})
    refused = stale(backed_up)
    assert refused.code == 4
    assert "the configuration of profile/default/web has changed" in refused.err
    assert server.api("GET", "/1.0/network-acls?recursion=1") == []
    assert server.api("GET", "/1.0/projects/shop")["description"] == "changed"
    server.api("POST", "/1.0/network-acls", ACL)
    assert "acl/default/web-only exists by now" in stale(backed_up).err


def test_certificates_are_listed_but_never_given_back(server: Daemon, backed_up: Tool) -> None:
    [listed] = json.loads(backed_up.do("list", "config", "--output", "json").out)
    [certificate] = server.api("GET", "/1.0/certificates?recursion=1")
    address = f"certificate/{certificate['fingerprint']}"
    expected = {address, "project/shop", "profile/default/web", "network/default/br0", "acl/default/web-only"}
    assert expected <= set(listed["entities"])
    assert "1 certificate" in backed_up.do("list", "config").out
    server.api("DELETE", f"/1.0/certificates/{certificate['fingerprint']}")
    assert changes(backed_up) == {}
    stored = b"".join(path.read_bytes() for path in backed_up.repository.glob("config/*/*"))
    assert certificate["certificate"].splitlines()[1].encode() in stored
    assert b"PRIVATE KEY" not in stored
