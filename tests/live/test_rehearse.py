"""Rehearsals of real containers: they come up aside, or not, and production never notices."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest

from tests.live.mortal import Moment, Mortal
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.thinning import some
from tests.live.tool import Tool

pytestmark = pytest.mark.crosswise
POOLS = ("default", "bt")
_BRIDGE = "rehearse0"


class Site:
    """A running container with a network card, and backups of it."""

    def __init__(
        self, project: Project, tool: Tool, pool: str, profiles: Sequence[str] = ("default",)
    ) -> None:
        self.project, self.tool = project, tool
        if f"/1.0/networks/{_BRIDGE}" not in project.server.api("GET", "/1.0/networks"):
            plain = {"ipv4.address": "none", "ipv6.address": "none"}
            bridge = {"name": _BRIDGE, "type": "bridge", "config": plain}
            project.server.api("POST", "/1.0/networks", bridge)
        nic = {"eth0": {"type": "nic", "network": _BRIDGE, "name": "eth0"}}
        project.api("POST", "/1.0/profiles", {"name": "wide", "devices": nic})
        devices = {} if "wide" in profiles else nic
        config = {"boot.autostart": "true"}
        project.launch("web", pool=pool, devices=devices, config=config, profiles=profiles)
        project.exec("web", ["sh", "-c", "echo kept >/srv/data"])

    def back_up(self) -> None:
        self.tool.do("backup", "instances", "web", "--project", self.project.name)

    def rehearse(self, *more: str) -> tuple[str, ...]:
        return ("rehearse", "instance", "web", "--project", self.project.name, *more)

    def look(self) -> dict[str, Any]:
        """All of the container that a start, a stop or a change would show in."""
        found: dict[str, Any] = self.project.api("GET", "/1.0/instances/web")
        assert found["status"] == "Running"
        return found

    def scratch(self) -> list[str]:
        projects = self.project.server.api("GET", "/1.0/projects?recursion=1")
        return [p["name"] for p in projects if p["name"].startswith("incusbak-")]

    def notes(self) -> list[dict[str, Any]]:
        files = sorted(self.tool.repository.glob("notes/instances/*/web/*.json"))
        return [json.loads(path.read_text())["note"] for path in files]

    @contextmanager
    def watched(self) -> Iterator[list[dict[str, Any]]]:
        """Ask all the time what there is; no MAC address may be there twice."""
        seen: list[dict[str, Any]] = []
        over = Event()

        def watch() -> None:
            while not over.is_set():
                seen.extend(self.project.server.api("GET", "/1.0/instances?recursion=1&all-projects=true"))

        thread = Thread(target=watch)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()


def macs(document: dict[str, Any]) -> set[str]:
    config = {**document["expanded_config"], **document["config"]}
    devices = document["expanded_devices"].values()
    found = {v for k, v in config.items() if k.startswith("volatile.") and k.endswith(".hwaddr")}
    return found | {device["hwaddr"] for device in devices if "hwaddr" in device}


@pytest.fixture(params=POOLS)
def site(request: pytest.FixtureRequest, project: Project, tool: Tool) -> Site:
    return Site(project, tool, request.param)


def test_a_backup_comes_up_aside_while_its_original_runs_on(site: Site) -> None:
    site.project.incus("snapshot", "create", "web", "s1")
    site.back_up()
    before = site.look()
    with site.watched() as seen:
        probe = ("--probe", "grep -q kept /srv/data", "--probe", "test ! -e /sys/class/net/eth0")
        result = site.tool.do(*site.rehearse(*probe, "--output", "json"))
    [found] = json.loads(result.out)
    assert (found["fit"], found["problem"]) == (True, "")
    assert found["restore_seconds"] > 0
    aside = [document for document in seen if document["project"].startswith("incusbak-")]
    assert {"Running"} <= {document["status"] for document in aside}
    own = macs(before)
    assert own
    assert [document for document in aside if macs(document) & own] == []
    uuid = "volatile.uuid"
    assert before["config"][uuid] not in {document["config"].get(uuid) for document in aside}
    assert {document["config"]["boot.autostart"] for document in aside} == {"false"}
    assert (site.look(), site.scratch(), site.tool.leftovers()) == (before, [], [])
    [note] = site.notes()
    assert (note["type"], note["problem"]) == ("rehearsal", "")


@pytest.mark.once
def test_an_init_that_ends_is_found_out(site: Site) -> None:
    """Broken while the container runs, so that only its next start would tell."""
    site.project.exec("web", ["sh", "-c", "printf '#!/bin/sh\\nexit 1\\n' >/sbin/init"])
    site.back_up()
    before = site.look()
    result = site.tool.run(*site.rehearse())
    assert result.code == 6, result.err
    [note] = site.notes()
    assert note["problem"].endswith(" after its start")
    assert (site.look(), site.scratch(), site.tool.leftovers()) == (before, [], [])


@pytest.mark.once
def test_a_probe_that_fails_is_found_out(site: Site) -> None:
    site.back_up()
    before = site.look()
    probe = ("--probe", "sh -c 'echo no database >&2; exit 3'", "--timeout", "3s")
    result = site.tool.run(*site.rehearse(*probe))
    assert result.code == 6, result.err
    [note] = site.notes()
    assert note["problem"].endswith("ended with code 3: no database")
    assert (site.look(), site.scratch(), site.tool.leftovers()) == (before, [], [])


def test_an_optimized_backup_comes_up_without_what_profiles_gave(project: Project, tool: Tool) -> None:
    site = Site(project, tool, "bt", profiles=("default", "wide"))
    tool.do("backup", "instances", "web", "--project", project.name, "--optimized")
    before = site.look()
    with site.watched() as seen:
        tool.do(*site.rehearse("--probe", "grep -q kept /srv/data"))
    aside = [document for document in seen if document["project"].startswith("incusbak-")]
    assert "Running" in {document["status"] for document in aside}
    kinds = {device["type"] for document in aside for device in document["expanded_devices"].values()}
    assert kinds <= {"disk", "none"}
    running = [document for document in aside if document["status"] == "Running"]
    assert before["config"]["volatile.uuid"] not in {each["config"]["volatile.uuid"] for each in running}
    assert (site.look(), site.scratch(), tool.leftovers()) == (before, [], [])


# before the project, the import, its answer, the start, its answer, in a probe, before the removal
MOMENTS = [
    *(Moment(number, direction=way) for number in (1, 2, 3) for way in ("up", "down")),
    Moment(suffix="/exec", direction="down"),
    Moment(suffix="/exec"),
]


def test_what_a_killed_rehearsal_left_is_removed_by_the_next_run(site: Site, fault_proxy: FaultProxy) -> None:
    site.back_up()
    before = site.look()
    mortal = Mortal(site.tool, fault_proxy)
    left = []
    for moment in some(MOMENTS, {"6.0": 3, "7.0": 2}[site.project.server.version]):
        assert mortal.kill_at(moment, *site.rehearse("--probe", "sleep 5")), moment
        left.append(len(site.scratch()))
        site.tool.do("backup", "instances", "web", "--project", site.project.name)
        assert (site.look(), site.scratch(), site.tool.leftovers()) == (before, [], []), moment
    assert set(left) == {0, 1}


@pytest.mark.once
def test_a_policy_has_them_rehearsed_and_is_then_content(site: Site) -> None:
    site.back_up()
    time.sleep(1)  # while all backups are younger than `every`, no rehearsal is due
    select = f"{{kind: instance, projects: [{site.project.name}]}}"
    rehearse = "{every: 1s, probe: [[test, -e, /srv/data]], timeout: 1m}"
    policy = site.tool.folder / "policy.yaml"
    rule = f"{{name: all, select: {select}, backup: {{images: none}}, rehearse: {rehearse}}}"
    policy.write_text(f"version: 1\nprotect: [{rule}]\n")
    planned = site.tool.do("plan", "-f", str(policy)).out
    assert "<=" in planned
    assert "1 to rehearse" in planned
    site.tool.do("apply", "plan.json")
    policy.write_text(policy.read_text().replace("every: 1s", "every: 1d"))
    assert "No changes" in site.tool.do("plan", "-f", str(policy)).out
