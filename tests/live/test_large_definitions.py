"""A definition larger than a server reads comes back: what no server needs of it is left out."""

import pytest

from tests.live.portrait import differences, document_of
from tests.live.support.project import Project
from tests.live.tool import Tool

DIFFERS = ("last_used_at", "status*", "*volatile*", "*.expires_at", "*.size", "created_at")
DATA = "x" * 80_000


def make(project: Project, snapshots: int) -> None:
    """Container ``c1``, which has no files, with so many snapshots that each have a long text."""
    project.incus("init", "--empty", "c1")
    project.api("PATCH", "/1.0/instances/c1", {"config": {"user.user-data": DATA}})
    for number in range(snapshots):
        project.api("POST", "/1.0/instances/c1/snapshots", {"name": f"s{number}"})


@pytest.mark.once
def test_a_definition_that_the_server_would_refuse_for_its_size_comes_back(
    project: Project, tool: Tool
) -> None:
    make(project, 7)
    before = document_of(project, "c1")
    tool.do("backup", "instances", "c1", "--project", project.name)
    tool.do("verify", "instances", "--project", project.name)
    (archive,) = tool.repository.glob("instances/*/c1/*/export.tar.zst")
    for bring_back in ("official", "ours"):
        project.incus("delete", "c1")
        if bring_back == "official":
            project.incus("import", str(archive))
        else:
            tool.do("restore", "instance", "c1", "--project", project.name)
        assert differences(before, document_of(project, "c1"), but_for=DIFFERS) == []


@pytest.mark.once
def test_what_newer_servers_refuse_for_its_size_is_warned_of(project: Project, tool: Tool) -> None:
    make(project, 12)
    warning = "Incus 7.0.2 and later take back no more than 1 MiB"
    where = ("--project", project.name)
    assert warning in tool.do("backup", "instances", "c1", *where).err
    assert warning in tool.do("verify", "instances", *where).err
    shown = tool.run("restore", "instance", "c1", "--target-name", "c2", "--dry-run", *where)
    assert warning in " ".join((shown.out + shown.err).split())
    policy = tool.folder / "policy.yaml"
    policy.write_text(
        "version: 1\nprotect:\n"
        f"  - {{name: all, select: {{kind: instance, projects: [{project.name}]}}, backup: {{}}}}\n"
    )
    assert warning in " ".join(tool.run("status", "-f", str(policy)).out.split())
    for number, is_certain in ((12, False), (13, True)):
        project.api("POST", "/1.0/instances/c1/snapshots", {"name": f"s{number}"})
        tool.do("backup", "instances", "c1", *where)
        refused = tool.run("restore", "instance", "c1", "--target-name", "c2", *where)
        assert refused.code == 1
        assert "take a version with fewer snapshots or shorter texts" in refused.err
        assert ("uploading" not in refused.err) == is_certain
    assert tool.leftovers() == []
