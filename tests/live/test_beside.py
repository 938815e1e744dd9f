"""Runs beside each other: who has lost a server does not wait for the nightly backup of the others."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.live.forking import Forked
from tests.live.support import kernel
from tests.live.support.project import Project
from tests.live.tool import Tool

WAIT = ["sh", "-c", "touch /srv/waiting; while [ ! -e /srv/go ]; do sleep 0.1; done"]


def exists(project: Project, path: str) -> bool:
    try:
        project.get_file("busy", path)
    except FileNotFoundError:
        return False
    return True


@pytest.fixture
def busy(project: Project, tool: Tool) -> Iterator[Forked]:
    """A backup of ``busy`` that goes on until ``/srv/go`` is there, and stored ones of it and of ``web``."""
    for name in ("busy", "web"):
        project.launch(name, config={"user.note": name})
        project.exec(name, ["mkdir", "-p", "/srv"])
    tool.do("backup", "instances", "--project", project.name)
    select = f"{{kind: instance, projects: [{project.name}], names: [busy]}}"
    backup = f"{{every: 1s, before: {json.dumps([WAIT])}, timeout: 5m, images: none}}"
    policy = tool.folder / "policy.yaml"
    policy.write_text(f"version: 1\nprotect: [{{name: all, select: {select}, backup: {backup}}}]\n")
    time.sleep(1)  # then the backups are overdue
    tool.do("plan", "-f", str(policy))
    running = tool.start("apply", "plan.json")
    kernel.wait_until(lambda: exists(project, "/srv/waiting"), 60, "the command before the backup")
    yield running
    running.kill()


@pytest.mark.once
def test_a_backup_keeps_nobody_from_restoring(project: Project, tool: Tool, busy: Forked) -> None:
    project.incus("delete", "--force", "web")
    tool.do("restore", "instance", "web", "--project", project.name)
    assert project.api("GET", "/1.0/instances/web")["config"]["user.note"] == "web"
    tool.do("verify", "instances", "--project", project.name)
    assert busy.poll() is None
    project.put_file("busy", "/srv/go", b"")
    out, err = busy.communicate(timeout=120)
    assert busy.wait() == 0, err + out
    assert len([backup for backup in tool.backups() if backup["name"] == "busy"]) == 2
    assert tool.leftovers() == []


@pytest.mark.once
def test_a_backup_keeps_others_from_writing(project: Project, tool: Tool, busy: Forked) -> None:
    refused = tool.run("backup", "instances", "web", "--project", project.name)
    assert (refused.code, "`incus-backup apply" in refused.err) == (11, True), refused.err
    project.put_file("busy", "/srv/go", b"")
    out, err = busy.communicate(timeout=120)
    assert busy.wait() == 0, err + out
