"""``--target restic:``: deduplicated and encrypted backups, with all that a folder of backups can do."""

import os
import secrets

import pytest

from tests.live.restic_tool import ResticTool
from tests.live.support.project import Project
from tests.live.support.restic import VERSIONS
from tests.live.tool import Tool

MIB = 1 << 20


@pytest.fixture(params=VERSIONS)
def restic_tool(request: pytest.FixtureRequest, tool: Tool) -> ResticTool:
    return ResticTool(tool.socket, tool.folder, version=request.param)


@pytest.fixture
def scope(project: Project) -> tuple[str, ...]:
    return "--project", project.name


def test_the_second_backup_adds_only_what_changed_and_both_come_back(
    restic_tool: ResticTool, project: Project, scope: tuple[str, ...]
) -> None:
    tool, bulk = restic_tool, os.urandom(48 * MIB)
    project.launch("web", start=False)
    project.put_file("web", "/root/bulk", bulk)
    backup = ("backup", "instances", "web", "--images", "none", *scope)
    tool.do(*backup)
    first = tool.bytes_on_disk()
    changed = bulk[: 20 * MIB] + os.urandom(100_000) + bulk[20 * MIB + 100_000 :]
    project.put_file("web", "/root/bulk", changed)
    tool.do(*backup)
    added = tool.bytes_on_disk() - first
    print(f"first backup {first / MIB:.1f} MiB, second adds {added / MIB:.2f} MiB = {added / first:.1%}")
    assert added < first * 0.05

    newer, older = (each["timestamp"] for each in reversed(tool.backups(project.name)))
    for timestamp, data in ((older, bulk), (newer, changed)):
        to = f"copy-{secrets.token_hex(2)}"
        tool.do("restore", "instance", "web", "--version", timestamp, "--target-name", to, *scope)
        assert project.get_file(to, "/root/bulk") == data
    assert tool.do("verify", "instances", *scope).code == 0
