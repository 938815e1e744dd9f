"""The commands of ``examples/systemd/incus-backup.service``, run one after the other as systemd would."""

import re
from pathlib import Path

import pytest

from tests.live.portrait import document_of
from tests.live.support.project import Project
from tests.live.tool import Tool
from tests.systemd_units import FOLDER, read_unit

pytestmark = pytest.mark.once

PROTECT = """
version: 1
protect:
  - name: all
    select: {{kind: instance, projects: [{project}]}}
    backup: {{every: 24h, images: none}}
"""
REPLACE = """
version: 1
restore:
  - name: all-back
    select: {{kind: instance, projects: [{project}], names: [web]}}
    if_present: replace
"""
GUARD = "version: 1\nguards: {max_replace: 0%}\n"


def start_service(tool: Tool) -> list[int]:
    """Run the commands until one fails, as for Type=oneshot; return the exit codes."""
    codes = []
    for command in read_unit(FOLDER / "incus-backup.service").commands:
        here = [re.sub("^/(etc|run)/incus-backup", str(tool.folder), word) for word in command[1:]]
        codes.append(tool.run(*here).code)
        if codes[-1]:
            break
    return codes


@pytest.fixture
def policies(project: Project, tool: Tool) -> Path:
    """A folder with a policy that protects all instances of the project, of which there is one."""
    project.launch("web", config={"user.note": "first"})
    folder = tool.folder / "policies"
    folder.mkdir()
    (folder / "protect.yaml").write_text(PROTECT.format(project=project.name))
    return folder


@pytest.mark.usefixtures("policies")
def test_what_is_due_is_backed_up_and_only_that(project: Project, tool: Tool) -> None:
    assert start_service(tool) == [0, 0]
    first = [backup["address"] for backup in tool.backups(project.name)]
    assert [address.partition("@")[0] for address in first] == [f"instance/{project.name}/web"]
    assert start_service(tool) == [0, 0]
    assert [backup["address"] for backup in tool.backups(project.name)] == first


def test_what_would_need_consent_is_not_done_and_the_plan_is_left_for_a_person(
    project: Project, tool: Tool, policies: Path
) -> None:
    assert start_service(tool) == [0, 0]
    (policies / "replace.yaml").write_text(REPLACE.format(project=project.name))
    before, backups = document_of(project, "web"), tool.backups(project.name)
    assert start_service(tool) == [0, 5]
    assert (document_of(project, "web"), tool.backups(project.name)) == (before, backups)
    assert "replaces the living resource" in tool.do("show", "plan.json").out
    tool.do("apply", "plan.json", "--yes")
    assert start_service(tool) == [0, 0]


def test_what_a_guard_forbids_does_not_even_get_that_far(
    project: Project, tool: Tool, policies: Path
) -> None:
    assert start_service(tool) == [0, 0]
    (policies / "replace.yaml").write_text(REPLACE.format(project=project.name))
    (policies / "guard.yaml").write_text(GUARD)
    before = document_of(project, "web")
    assert start_service(tool) == [7]
    assert document_of(project, "web") == before
