"""A profile that gives too small a root disk by now: the client keeps the old size, and so does a restore."""

import os
from typing import Any

import pytest

from tests.live.portrait import files_of
from tests.live.support.project import Project
from tests.live.tool import Tool
from tests.live.witness import rootfs

WITHOUT = ("/run/*",)


def size_in_profile(project: Project, size: str) -> None:
    root = {"type": "disk", "path": "/", "pool": "bt", "size": size}
    project.api("PUT", "/1.0/profiles/default", {"config": {}, "devices": {"root": root}, "description": ""})


def devices_of(project: Project) -> dict[str, Any]:
    devices: dict[str, Any] = project.api("GET", "/1.0/instances/web")["devices"]
    return devices


@pytest.mark.once
def test_what_does_not_fit_into_the_size_of_its_profile_keeps_the_size_that_it_had(
    project: Project, tool: Tool
) -> None:
    size_in_profile(project, "40MiB")
    project.launch("web", start=False)
    (rootfs(project, "web", "bt") / "root/bulk").write_bytes(os.urandom(20 << 20))
    before = files_of(project, "web", without=WITHOUT)
    on = ("--project", project.name)
    tool.do("backup", "instances", "web", "--images", "none", *on)
    (archive,) = tool.repository.glob("instances/*/web/*/export.tar.zst")
    first = ("restore", "instance", "web", *on, "--version", archive.parent.name)
    project.incus("delete", "web")
    size_in_profile(project, "10MiB")
    project.incus("import", str(archive))
    by_client = devices_of(project)
    assert by_client["root"]["size"] == "40MiB"
    for how in (("--replace", "--yes"), ()):
        done = tool.do(*first, *how)
        assert "its profiles give its root disk 10.0 MiB by now" in done.err
        assert devices_of(project) == by_client
        assert files_of(project, "web", without=WITHOUT) == before
        tool.do("backup", "instances", "web", "--images", "none", *on)
        project.incus("delete", "web")
    size_in_profile(project, "30MiB")
    tool.do(*first)
    assert devices_of(project) == {}
    assert tool.leftovers() == []
