"""The ready policies in ``policies/``, each planned and applied on a real server it is meant for."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from incusbak import codec
from incusbak.model.actions import BackUp, Replace, Restore
from incusbak.model.plans import Plan, PlanFile
from tests.live import estate
from tests.live.support import servers
from tests.live.support.daemon import Daemon
from tests.live.tool import Tool

POLICIES = Path(__file__).parents[2] / "policies"
ROOT_DISK = {"root": {"type": "disk", "path": "/", "pool": "default"}}
ESTATE = {f"instance/{project}/{name}" for project, name in estate.INSTANCES}
VOLUMES = {f"volume/{project}/{pool}/{name}" for project, pool, name in estate.VOLUMES} | {
    "volume/default/default/disk"
}


def planned(tool: Tool, name: str, *, code: int = 2, env: Mapping[str, str] | None = None) -> PlanFile:
    """Plan a ready policy; ``code`` tells whether there is something to do."""
    here = dict.fromkeys(("INCUS_BACKUP_TARGET", "PRODUCTION_BACKUPS"), f"dir:{tool.repository}")
    where = {"INCUS_BACKUP_DIR": "", **here, **(env or {})}
    result = tool.run("plan", "-f", str(POLICIES / f"{name}.yaml"), "--detailed-exitcode", env=where)
    assert result.code == code, result.err + result.out
    return codec.load((tool.folder / "plan.json").read_bytes(), PlanFile)


def backed_up(plan: Plan) -> set[str]:
    """The addresses of a plan that does nothing but make backups."""
    assert {type(step.action) for step in plan.steps} <= {BackUp}
    return {step.address for step in plan.steps}


def hooks(plan: Plan) -> dict[str, tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]]:
    """What is run before and after, by address."""
    actions = [step.action for step in plan.steps]
    found = [action for action in actions if isinstance(action, BackUp) and action.hooks]
    return {action.ref.address: (action.hooks.before, action.hooks.after) for action in found}


def images(server: Daemon) -> set[str]:
    found = server.api("GET", "/1.0/images?recursion=1&all-projects=true")
    return {f"image/{image['fingerprint']}" for image in found}


def add_project(server: Daemon, name: str) -> estate.Named:
    """Make a project that shares the images, with a default profile of its own."""
    server.api("POST", "/1.0/projects", {"name": name, "config": {"features.images": "false"}})
    server.api("PATCH", f"/1.0/profiles/default?project={name}", {"devices": ROOT_DISK})
    return estate.Named(server, name)


@pytest.mark.once
def test_a_single_host_is_covered_but_for_scratch(fresh_incus: Daemon, fresh_tool: Tool) -> None:
    estate.build(fresh_incus)
    estate.Named(fresh_incus, "lab").launch("scratch-1", start=False)
    fresh_incus.api("PATCH", "/1.0/instances/web", {"config": {"user.backup": "hourly"}})
    plan = planned(fresh_tool, "single-host").plan
    assert backed_up(plan) == ESTATE | VOLUMES | images(fresh_incus) | {"config"}
    assert plan.drift.unprotected == ("instance/lab/scratch-1",)
    assert (plan.drift.unmatched, plan.warnings, plan.hazards) == ((), (), ())
    fresh_tool.do("apply", "plan.json")
    assert planned(fresh_tool, "single-host", code=0).plan.steps == ()


@pytest.mark.once
def test_two_targets_get_a_copy_each_and_one_that_is_lost_costs_the_other_nothing(
    fresh_incus: Daemon, fresh_tool: Tool
) -> None:
    estate.build(fresh_incus)
    near, far = fresh_tool.folder / "near", fresh_tool.folder / "disk" / "far"
    far.parent.mkdir()
    where = {"INCUS_BACKUP_DIR": "", "LOCAL_BACKUPS": f"dir:{near}", "OFFSITE_BACKUPS": f"dir:{far}"}
    plan = ("plan", "-f", str(POLICIES / "two-targets.yaml"), "--detailed-exitcode")
    paths = ("plan-local.json", "plan-offsite.json")
    assert fresh_tool.run(*plan, env=where).code == 2
    for path in paths:
        plan_file = codec.load((fresh_tool.folder / path).read_bytes(), PlanFile)
        assert backed_up(plan_file.plan) == ESTATE | VOLUMES | images(fresh_incus) | {"config"}
    far.parent.rename(fresh_tool.folder / "unplugged")
    assert fresh_tool.run("apply", *paths, env=where).code == 3
    assert fresh_tool.run(*plan, env=where).code == 10
    (fresh_tool.folder / "unplugged").rename(far.parent)
    assert fresh_tool.run("apply", "plan-offsite.json", env=where).code == 0
    result = fresh_tool.run(*plan, env=where)
    assert (result.code, result.out.count("No changes.")) == (0, 2), result.out


FAKE_MARIADB = b"""#!/bin/sh
case "$2" in
*'read_only = ON; FLUSH TABLES') echo held ;;
*'read_only = OFF') echo released ;;
*) exit 1 ;;
esac > /srv/state
cat /srv/state >> /srv/history
"""


@pytest.mark.once
def test_a_database_is_held_still_and_web_servers_have_their_say(
    fresh_incus: Daemon, fresh_tool: Tool
) -> None:
    shop = add_project(fresh_incus, "till")
    own = {"user.incus-backup.before": json.dumps([["touch", "/srv/prepared"]])}
    for name, config in (
        ("db-1", {}),
        ("web-1", own),
        ("web-2", {"user.incus-backup.protect": "false"}),
        ("other", own),
    ):
        shop.launch(name, config=config)
    shop.put_file("db-1", "/bin/mariadb", FAKE_MARIADB)
    shop.exec("db-1", ["chmod", "755", "/bin/mariadb"])
    where = {"SHOP_PROJECT": "till"}
    plan = planned(fresh_tool, "web-and-database", env=where).plan
    database, web = "instance/till/db-1", "instance/till/web-1"
    assert backed_up(plan) == {database, web, "config", *images(fresh_incus)}
    sql = "SET GLOBAL read_only = "
    held, released = ("mariadb", "-e", f"{sql}ON; FLUSH TABLES"), ("mariadb", "-e", f"{sql}OFF")
    assert hooks(plan) == {database: ((held,), (released,)), web: ((("touch", "/srv/prepared"),), ())}
    assert (plan.drift.opted_out, plan.drift.unprotected) == (
        ("instance/till/web-2",),
        ("instance/till/other",),
    )

    fresh_tool.do("apply", "plan.json")
    assert shop.exec("db-1", ["cat", "/srv/history"]) == "held\nreleased\n"
    assert stored_file(fresh_tool, "instances/till/db-1", "/srv/state") == "held\n"
    assert shop.exec("web-1", ["ls", "/srv"]) == "prepared\n"
    assert planned(fresh_tool, "web-and-database", code=0, env=where).plan.steps == ()


def stored_file(tool: Tool, resource: str, path: str) -> str:
    """What the only backup of a resource holds of one of its files."""
    (archive,) = (tool.repository / resource).glob("*/export.tar.zst")
    argv = ["tar", "--zstd", "--wildcards", "-xOf", str(archive), f"*{path}"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.mark.once
def test_images_and_the_configuration_are_backed_up_and_the_rest_is_called_unprotected(
    fresh_incus: Daemon, fresh_tool: Tool
) -> None:
    estate.build(fresh_incus)
    plan = planned(fresh_tool, "images-and-configuration").plan
    assert backed_up(plan) == images(fresh_incus) | {"config"}
    assert set(plan.drift.unprotected) == ESTATE | VOLUMES
    fresh_tool.do("apply", "plan.json")
    assert planned(fresh_tool, "images-and-configuration", code=0).plan.steps == ()


@pytest.fixture
def empty_server(fresh_incus: Daemon) -> Iterator[Daemon]:
    """A new server of the same version, with nothing at all."""
    with servers.empty_server(fresh_incus.version) as server:
        yield server


@pytest.mark.once
def test_a_lost_server_comes_back_on_an_empty_one(
    fresh_incus: Daemon, empty_server: Daemon, workdir: Path
) -> None:
    estate.build(fresh_incus)
    Tool(fresh_incus.socket, workdir).do("backup", "all")
    there, profile = estate.addresses(fresh_incus), fresh_incus.api("GET", "/1.0/profiles/default")["devices"]
    fresh_incus.kill9()

    tool = Tool(empty_server.socket, workdir)
    plan_file = planned(tool, "restore-everything")
    kinds = [step.address.partition("/")[0] for step in plan_file.plan.steps]
    assert list(dict.fromkeys(kinds))[-3:] == ["image", "volume", "instance"]
    restored = {step.address for step in plan_file.plan.steps}
    assert restored >= ESTATE | VOLUMES | {"project/shop", "pool/fast", "network/default/br0"}
    tool.do("apply", "plan.json", "--approve", plan_file.digest)
    assert estate.addresses(empty_server) == there
    assert empty_server.api("GET", "/1.0/profiles/default")["devices"] == profile
    assert empty_server.api("GET", "/1.0/instances/web")["status"] == "Running"
    assert planned(tool, "restore-everything", code=0).plan.steps == ()


def make_production(server: Daemon) -> estate.Named:
    """A project with an application, its volume and a mail server, and staging, where nothing is yet."""
    server.api("POST", "/1.0/storage-pools", {"name": "fast", "driver": "dir"})
    for network, address in (("lan", "10.77.9.1/24"), ("staging", "10.77.10.1/24")):
        config = {"ipv4.address": address, "ipv6.address": "none"}
        server.api("POST", "/1.0/networks", {"name": network, "type": "bridge", "config": config})
    production, _ = add_project(server, "production"), add_project(server, "staging")
    production.api("POST", "/1.0/storage-pools/fast/volumes/custom", {"name": "data"})
    nic = {"type": "nic", "network": "lan", "name": "eth0", "ipv4.address": "10.77.9.20"}
    data = {"type": "disk", "pool": "fast", "source": "data", "path": "/data"}
    production.launch("app", pool="fast", devices={"eth0": nic, "data": data})
    production.exec("app", ["sh", "-c", "echo first > /data/note"])
    production.launch("mail-1", start=False)
    return production


@pytest.mark.once
def test_production_is_cloned_to_staging_and_again_when_there_is_a_newer_backup(
    fresh_incus: Daemon, fresh_tool: Tool
) -> None:
    production, staging = make_production(fresh_incus), estate.Named(fresh_incus, "staging")
    where = {"INCUS_BACKUP_DIR": "", "PRODUCTION_BACKUPS": f"dir:{fresh_tool.repository}"}
    clone = "clone-production-to-staging"
    fresh_tool.do("backup", "all", "--project", "production")
    plan = planned(fresh_tool, clone, env=where).plan
    copies = ["volume/staging/default/data", "instance/staging/app"]
    assert [(type(step.action), step.address) for step in plan.steps] == [(Restore, copy) for copy in copies]
    assert plan.hazards == ()
    before = production.api("GET", "/1.0/instances/app")
    fresh_tool.do("apply", "plan.json")
    assert production.api("GET", "/1.0/instances/app") == before
    copy = staging.api("GET", "/1.0/instances/app")
    assert copy["devices"]["eth0"] == {"type": "nic", "network": "staging", "name": "eth0"}
    assert copy["devices"]["data"]["pool"] == copy["expanded_devices"]["root"]["pool"] == "default"
    assert copy["config"]["volatile.uuid"] != before["config"]["volatile.uuid"]
    assert staging.exec("app", ["cat", "/data/note"]) == "first\n"
    assert planned(fresh_tool, clone, code=0, env=where).plan.steps == ()

    production.exec("app", ["sh", "-c", "echo second > /data/note"])
    fresh_tool.do("backup", "all", "--project", "production")
    plan_file = planned(fresh_tool, clone, env=where)
    steps = [(type(step.action), step.address) for step in plan_file.plan.steps]
    assert steps == [(Replace, copy) for copy in reversed(copies)]
    assert fresh_tool.run("apply", "plan.json").code == 5
    fresh_tool.do("apply", "plan.json", "--approve", plan_file.digest)
    assert staging.exec("app", ["cat", "/data/note"]) == "second\n"
    assert planned(fresh_tool, clone, code=0, env=where).plan.steps == ()


@pytest.mark.once
def test_a_clone_over_most_of_what_there_is_on_a_server_is_blocked(
    fresh_incus: Daemon, fresh_tool: Tool
) -> None:
    production, staging = make_production(fresh_incus), estate.Named(fresh_incus, "staging")
    fresh_tool.do("backup", "all", "--project", "production")
    production.incus("delete", "--force", "app", "mail-1")
    production.api("DELETE", "/1.0/storage-pools/fast/volumes/custom/data")
    staging.api("POST", "/1.0/storage-pools/default/volumes/custom", {"name": "data"})
    staging.launch("app")
    plan = planned(fresh_tool, "clone-production-to-staging", code=7).plan
    assert plan.blocks == (
        "guard max_replace: 2 of 3 living resources would be replaced (66%), more than 50%",
    )
