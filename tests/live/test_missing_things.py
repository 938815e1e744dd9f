"""What a restore needs and the server lacks is found before anything is touched, or undone."""

import pytest

from tests.live.support.client import IncusError
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.tool import Tool
from tests.live.witness import instance_state, things_on

NAMES = ("1a", "x" * 63, "A-9", "a--b")
NO_NAMES = ("9", "12", "a-", "-a", "a_b", "a.b", "x" * 64, "a b", "ä")


def test_a_profile_that_is_gone_is_missed_while_planning(
    project: Project, watched_tool: Tool, fault_proxy: FaultProxy
) -> None:
    project.api("POST", "/1.0/profiles", {"name": "gold", "config": {"user.tier": "gold"}})
    project.launch("web", profiles=["default", "gold"], start=False)
    watched_tool.do("backup", "instances", "web", "--project", project.name)
    project.incus("profile", "remove", "web", "gold")
    project.incus("profile", "delete", "gold")
    before, sent = instance_state(project, "web"), len(fault_proxy.writes())
    restore = ("restore", "instance", "web", "--replace", "--yes", "--project", project.name)
    result = watched_tool.run(*restore)
    assert result.code == 1
    assert f"profile/{project.name}/gold" in result.err
    assert "--profile-map gold=NEW" in result.err
    assert fault_proxy.writes()[sent:] == []
    assert instance_state(project, "web") == before
    assert watched_tool.leftovers() == []
    watched_tool.do(*restore, "--profile-map", "gold=default")
    assert project.api("GET", "/1.0/instances/web")["profiles"] == ["default"]


@pytest.mark.once
def test_a_name_that_no_instance_can_have_is_refused_while_planning(
    project: Project, watched_tool: Tool, fault_proxy: FaultProxy
) -> None:
    for name in NAMES:
        project.launch(name, start=False)
    watched_tool.do("backup", "instances", "1a", "--project", project.name)
    sent = len(fault_proxy.writes())
    for name in NO_NAMES:
        with pytest.raises(IncusError, match="Invalid instance name"):
            project.launch(name, start=False)
    for name in NO_NAMES[::4]:
        result = watched_tool.run(
            "restore", "instance", "1a", "--project", project.name, f"--target-name={name}"
        )
        assert (result.code, f"can't be called {name!r}" in result.err) == (1, True), result.err
    assert fault_proxy.writes()[sent:] == []


@pytest.mark.parametrize("content", ["cat /dev/urandom", "yes precious"])
def test_a_pool_that_is_too_full_costs_nothing(fresh_incus: Daemon, fresh_tool: Tool, content: str) -> None:
    """What surely won't fit is refused while planning, with a doubt it is tried."""
    project = Project(fresh_incus)
    fresh_incus.add_small_pool("small", "16m")
    project.launch("web", pool="small")
    project.exec("web", ["sh", "-c", f"{content} | head -c 9000000 > /root/data"])
    project.stop("web", force=True)
    fresh_tool.do("backup", "instances", "web", "--project", project.name)
    project.incus("start", "web")
    before, things = instance_state(project, "web"), things_on(fresh_incus)
    result = fresh_tool.run("restore", "instance", "web", "--replace", "--yes", "--project", project.name)
    assert result.code == 1, result.err
    planned = "pool small has " in result.err and "Hint: make room there" in result.err
    tried = "Warning: pool small may be too small" in result.err and "no space left" in result.err.lower()
    assert (planned, tried) == ("urandom" in content, "yes" in content), result.err
    assert instance_state(project, "web") == before
    assert things_on(fresh_incus) == things
    assert fresh_tool.leftovers() == []
