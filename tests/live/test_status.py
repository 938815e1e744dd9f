"""Promises on real servers: broken before the first backup, kept after it, and nothing changed by looking."""

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.tool import Tool

pytestmark = pytest.mark.once

POLICY = """
version: 1
protect:
  - name: all
    select: {{kind: [instance, volume], projects: [{project}], names: ["*", "!spare"]}}
    backup: {{every: 24h, images: none}}
    instances_may: [opt-out]
"""


@pytest.fixture
def status(project: Project, watched_tool: Tool) -> tuple[str, ...]:
    """A container with a volume, one that no rule covers, one that wants none, and a policy for them."""
    project.api("POST", "/1.0/storage-pools/default/volumes/custom", {"name": "data"})
    data = {"data": {"type": "disk", "pool": "default", "source": "data", "path": "/data"}}
    project.launch("web", devices=data)
    project.launch("spare", start=False)
    project.launch("cache", config={"user.incus-backup.protect": "false"}, start=False)
    policy = watched_tool.folder / "policy.yaml"
    policy.write_text(POLICY.format(project=project.name))
    return ("status", "-f", str(policy))


def rows(tool: Tool, status: tuple[str, ...], code: int) -> dict[str, tuple[str, bool]]:
    """The state of each protected resource, and whether a backup of some size is known."""
    result = tool.run(*status, "--output", "json")
    assert result.code == code, result.err
    found: dict[str, Any] = json.loads(result.out)
    return {
        row["address"]: (row["state"], bool(row["newest"] and row["newest"]["size_bytes"]))
        for row in found["protected"]
    }


def test_promises_are_broken_before_the_first_backup_and_kept_after_it(
    project: Project, watched_tool: Tool, fault_proxy: FaultProxy, status: tuple[str, ...]
) -> None:
    web, data = f"instance/{project.name}/web", f"volume/{project.name}/default/data"
    sent = len(fault_proxy.writes())
    assert rows(watched_tool, status, 7) == {web: ("missing", False), data: ("missing", False)}
    assert fault_proxy.writes()[sent:] == []
    assert not watched_tool.repository.exists()

    watched_tool.do("plan", *status[1:], "--out", "plan.json")
    watched_tool.do("apply", "plan.json")
    sent = len(fault_proxy.writes())
    assert rows(watched_tool, status, 0) == {web: ("ok", True), data: ("ok", True)}
    shown = watched_tool.do(*status).out
    assert f"\n  instance/{project.name}/spare\n" in shown
    assert f"\nOpted out by configuration of their own\n  instance/{project.name}/cache\n" in shown
    assert "Status: 2 protected, 0 overdue, 0 without a backup, " in shown
    assert fault_proxy.writes()[sent:] == []
    assert watched_tool.leftovers() == []


def test_a_rule_whose_instances_are_gone_is_a_broken_promise(
    project: Project, watched_tool: Tool, status: tuple[str, ...]
) -> None:
    watched_tool.do("backup", "instances", "web", "--project", project.name, "--images", "none")
    for name in ("web", "spare", "cache"):
        project.incus("delete", "--force", name)
    project.incus("storage", "volume", "delete", "default", "data")
    result = watched_tool.run(*status)
    assert result.code == 7
    told = " ".join(result.out.split())
    assert "! protect rule all (" in told
    assert f"the repository has backups of instance/{project.name}/web; correct the rule" in told


def test_a_collector_reads_metrics_whole(
    incus_server: Daemon, project: Project, watched_tool: Tool, status: tuple[str, ...]
) -> None:
    metrics = watched_tool.folder / "incus.prom"
    write = (*status, "--output", "prometheus", "--write", str(metrics))
    assert watched_tool.run(*write).code == 7
    first = metrics.stat()
    assert watched_tool.run(*write).code == 7
    assert (oct(first.st_mode & 0o777), first.st_ino == metrics.stat().st_ino) == ("0o644", False)
    families = {family.name: family for family in text_string_to_metric_families(metrics.read_text())}
    server = incus_server.api("GET", "/1.0")["environment"]["server_name"]
    assert {
        (sample.labels["address"], sample.labels["server"], sample.value)
        for sample in families["incus_backup_promise_broken"].samples
    } == {
        (f"instance/{project.name}/web", server, 1),
        (f"volume/{project.name}/default/data", server, 1),
    }
