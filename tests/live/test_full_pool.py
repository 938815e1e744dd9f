"""A storage pool that is full: what needs room there says so in a line, with what helps; nothing is left."""

import os
from pathlib import Path

import pytest

from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.tool import Tool


def leave(folder: Path, size: int) -> None:
    """Fill a file system up to so many bytes."""
    file = folder / "fill"
    file.unlink(missing_ok=True)
    there = os.statvfs(folder)
    file.write_bytes(bytes(there.f_bavail * there.f_frsize - size))


@pytest.mark.once
def test_what_a_full_pool_keeps_from_being_done_is_told_with_what_helps(
    fresh_incus: Daemon, workdir: Path
) -> None:
    project, tool = Project(fresh_incus), Tool(fresh_incus.socket, workdir)
    folder = fresh_incus.pod.inside(fresh_incus.add_small_pool("small"))
    project.launch("web", pool="small")
    web = "web", "--project", project.name
    tool.do("backup", "instances", *web, "--images", "none")

    leave(folder, 400 << 10)
    refused = tool.run("backup", "instances", *web, "--images", "none")
    assert refused.code == 1
    assert "pool small has 400.0 KiB free; while it is in use it is exported from a copy there" in refused.err
    failed = refused.err.partition("Failed:\n")[2].splitlines()
    assert failed[0].startswith(f"  instance/{project.name}/web: pool small is full: ")
    assert failed[1].startswith("    hint: make room there: while it is in use")
    for how in (("--target-name", "copy"), ("--replace", "--yes")):
        assert "pool small has 400.0 KiB free" in tool.run("restore", "instance", *web, *how).err

    leave(folder, 1300 << 10)  # enough for the archive, not for what it unpacks to
    for how in (("--target-name", "copy"), ("--replace", "--yes")):
        refused = tool.run("restore", "instance", *web, *how)
        assert refused.code == 1
        failed = refused.err.partition("Failed:\n")[2].splitlines()
        assert ": pool small is full: tar: " in failed[0]
        assert failed[1].startswith("    hint: make room there, or use another with --pool-map small=NEW")
    rehearsed = tool.run("rehearse", "instance", *web)
    assert rehearsed.code == 1
    assert "pool small is full: tar: " in rehearsed.out
    assert "hint: make room there, then rehearse it again" in rehearsed.err
    assert project.api("GET", "/1.0/instances/web")["status"] == "Running"

    tool.do("backup", "instances", *web, "--images", "none", "--no-snapshot")
    project.stop("web", force=True)
    tool.do("backup", "instances", *web, "--images", "none")
    tool.do("restore", "instance", *web, "--replace", "--yes", "--pool-map", "small=default")
    assert tool.leftovers() == []
