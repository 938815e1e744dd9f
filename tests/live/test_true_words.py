"""What only a real server can show of what is said and what is so."""

import pytest

from tests.live.support.project import Project
from tests.live.tool import Tool


@pytest.mark.once
def test_a_frozen_instance_comes_back_frozen(project: Project, tool: Tool) -> None:
    project.launch("web")
    project.incus("pause", "web")
    here = ("--project", project.name)
    tool.do("backup", "instances", "web", "--images", "none", *here)
    tool.do("restore", "instance", "web", "--replace", "--yes", *here)
    assert project.api("GET", "/1.0/instances/web")["status"] == "Frozen"
    assert tool.leftovers() == []


@pytest.mark.once
def test_a_project_that_is_not_empty_is_not_planned_to_be_deleted(project: Project, tool: Tool) -> None:
    tool.do("backup", "config")
    name = f"{project.name}-new"
    config = {"features.images": "false", "features.profiles": "false"}
    project.server.api("POST", "/1.0/projects", {"name": name, "config": config})
    try:
        empty = {"name": "till", "source": {"type": "none"}}
        project.server.api("POST", f"/1.0/instances?project={name}", empty)
        only = ("--project", name)
        refused = tool.run("restore", "config", "--apply", "--prune-config", "--yes", *only)
        assert refused.code == 1
        assert f"project/{name} can't be deleted: it is not empty, it holds instance till" in refused.err
        project.server.api("DELETE", f"/1.0/instances/till?project={name}")
        tool.do("restore", "config", "--apply", "--prune-config", "--yes", *only)
    finally:
        left = project.server.api("GET", "/1.0/projects")
        if f"/1.0/projects/{name}" in left:
            project.server.api("DELETE", f"/1.0/projects/{name}?force=1")
