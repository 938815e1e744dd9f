"""Commands around a backup, in real containers: before, after, too long, killed."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.live.mortal import Moment, Mortal
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.tool import Result, Tool

LOCK = ["sh", "-c", "echo locked >/srv/lock; echo before >>/srv/log"]
UNLOCK = ["sh", "-c", "rm -f /srv/lock; echo after >>/srv/log"]
pytestmark = pytest.mark.crosswise
POOLS = ("default", "bt")


class Site:
    """A running container and a policy with hooks for it."""

    def __init__(self, project: Project, tool: Tool, pool: str) -> None:
        self.project, self.tool = project, tool
        project.launch("web", pool=pool)
        self.inside("mkdir -p /srv")

    def inside(self, script: str) -> str:
        return self.project.exec("web", ["sh", "-c", script])

    def run(self, *, before: object, after: object, timeout: str = "1m") -> Result:
        self.plan(before=before, after=after, timeout=timeout)
        return self.tool.run("apply", "plan.json")

    def plan(self, *, before: object, after: object, timeout: str = "1m") -> None:
        hooks = f"before: {json.dumps(before)}, after: {json.dumps(after)}, timeout: {timeout}, images: none"
        select = f"{{kind: instance, projects: [{self.project.name}]}}"
        policy = self.tool.folder / "policy.yaml"
        policy.write_text(
            f"version: 1\nprotect: [{{name: all, select: {select}, backup: {{every: 1h, {hooks}}}}}]\n"
        )
        self.tool.do("plan", "-f", str(policy))

    def archives(self) -> list[Path]:
        return list(self.tool.repository.glob("instances/*/web/*/export.tar.zst"))


@pytest.fixture(params=POOLS)
def site(request: pytest.FixtureRequest, project: Project, tool: Tool) -> Site:
    return Site(project, tool, request.param)


def test_a_backup_shows_what_is_between_before_and_after(site: Site) -> None:
    result = site.run(before=[LOCK], after=[UNLOCK])
    assert result.code == 0, result.err
    assert site.inside("cat /srv/log; ls /srv") == "before\nafter\nlog\n"
    site.project.incus("delete", "--force", "web")
    site.tool.do("restore", "instance", "web", "--project", site.project.name)
    assert site.inside("cat /srv/lock") == "locked\n"
    assert site.tool.leftovers() == []


@pytest.mark.once
def test_a_command_that_fails_says_why_and_after_runs(site: Site) -> None:
    result = site.run(before=[LOCK, ["sh", "-c", "echo no space for the dump >&2; exit 3"]], after=[UNLOCK])
    assert result.code == 1
    assert "ended with code 3: no space for the dump" in result.err
    assert (site.inside("ls /srv"), site.archives()) == ("log\n", [])
    recorded = site.project.api("GET", "/1.0/instances/web/logs/exec-output")
    assert recorded == []


def test_a_command_that_takes_too_long_is_killed_with_what_it_started(site: Site) -> None:
    result = site.run(before=[["sh", "-c", "sleep 987 & wait"]], after=[UNLOCK], timeout="1s")
    assert result.code == 1
    assert "took longer than 1 s" in result.err
    assert "sleep 987" not in site.inside("ps")
    assert site.inside("cat /srv/log") == "after\n"


@pytest.mark.once
def test_an_interrupted_command_is_killed_and_after_runs(site: Site) -> None:
    site.plan(before=[LOCK, ["sleep", "987"]], after=[UNLOCK])
    process = site.tool.start("apply", "plan.json")
    deadline = time.monotonic() + 30
    while "sleep 987" not in site.inside("ps"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert "sleep 987" not in site.inside("ps")
    assert (site.inside("ls /srv"), site.tool.leftovers()) == ("log\n", [])


@pytest.mark.once
@pytest.mark.parametrize("write", [2, 3, 4])
def test_the_next_run_does_what_a_killed_one_owes(site: Site, fault_proxy: FaultProxy, write: int) -> None:
    """Killed after `before`, in the export, and in the midst of it all."""
    site.plan(before=[LOCK], after=[UNLOCK])
    mortal = Mortal(site.tool, fault_proxy)
    assert mortal.kill_at(Moment(write), "apply", "plan.json")
    assert site.inside("ls /srv") == "lock\nlog\n"
    site.tool.do("backup", "instances", "web", "--project", site.project.name)
    assert site.inside("cat /srv/log; ls /srv") == "before\nafter\nlog\n"
    assert site.tool.leftovers() == []
