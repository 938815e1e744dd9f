"""Projects that restrict or limit what is in them: what was there comes back, or nothing is touched."""

from collections.abc import Iterator

import pytest

from tests.live.guarded_scene import (
    RESTRICTED,
    change,
    check_usable,
    configure,
    limit,
    look,
    make,
    network,
    news,
)
from tests.live.support.project import Project
from tests.live.tool import Tool


@pytest.fixture
def bridge(project: Project) -> Iterator[str]:
    with network(project) as name:
        yield name


@pytest.mark.parametrize("kind", ["restricted", "limited"])
def test_an_instance_comes_back_into_such_a_project(
    project: Project, tool: Tool, bridge: str, kind: str
) -> None:
    if kind == "restricted":
        configure(project, RESTRICTED)
    else:
        limit(project)
    before = make(project, bridge)
    on = ("--project", project.name)
    tool.do("backup", "instances", "c1", *on)
    change(project)
    tool.do("restore", "instance", "c1", "--replace", "--yes", *on)
    check_usable(project, tool, before)

    tool.do("restore", "instance", "c1", "--target-name", "c2", *on)
    copy = look(project, "c2")
    assert copy.files == before.files
    assert copy.document["status"] == "Running"
    assert (
        copy.document["config"]["volatile.eth0.hwaddr"] != before.document["config"]["volatile.eth0.hwaddr"]
    )

    project.incus("delete", "--force", "c1", "c2")
    tool.do("restore", "instance", "c1", *on)
    assert news(project, before) == []
    assert tool.leftovers() == []
