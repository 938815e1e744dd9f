"""What is stored has the content that its definition promises, or is not stored; holes are no content."""

import shutil
import time
from pathlib import Path

import pytest

from tests.live.custom_volume import Volume
from tests.live.portrait import rootfs
from tests.live.support.project import Project
from tests.live.tool import Result, Tool

UNIT = 4096
METADATA = 4 * UNIT
"""What a file system may add for the list of a file's parts, as it likes."""


def write_sparse(file: Path) -> int:
    """Write a file with 4 KiB of data in each 64 KiB; return what it takes on the disk."""
    with file.open("wb") as stream:
        for number in range(99):
            stream.seek(number * 16 * UNIT)
            stream.write(b"data" * (UNIT // 4))
        stream.truncate(99 * 16 * UNIT)
    (file.parent / "small").write_bytes(b"x")
    with (file.parent / "small").open("r+b") as stream:
        stream.truncate(100 * UNIT + 7)
    return taken(file)


def taken(file: Path) -> int:
    return sum(each.stat().st_blocks * 512 for each in (file, file.parent / "small"))


@pytest.mark.once
def test_small_holes_come_back_so_that_the_quota_holds_what_it_held(project: Project, tool: Tool) -> None:
    project.launch("c1", start=False)
    volume = Volume(project, pool="bt")
    volume.make(config={"size": "2MiB"})
    before = [write_sparse(folder / "f") for folder in (rootfs(project, "c1") / "srv", volume.folder())]
    tool.do("backup", "instances", "c1", "--project", project.name)
    tool.do("backup", "volumes", volume.label, "--project", project.name)
    project.incus("delete", "c1")
    volume.remove()
    tool.do("restore", "instance", "c1", "--project", project.name)
    tool.do("restore", "volume", volume.label, "--project", project.name)
    after = [taken(folder / "f") for folder in (rootfs(project, "c1") / "srv", volume.folder())]
    assert max(new - old for new, old in zip(after, before, strict=True)) <= METADATA
    captured = tool.manifest(f"volume/{project.name}/bt/data")["captured"]
    assert captured["own_bytes"] == 100 * UNIT
    assert captured["content_bytes"] > 99 * 16 * UNIT


def apply(tool: Tool, project: Project, kind: str) -> Result:
    """Back up what the project has of a kind, and keep one backup of each."""
    file, plan = tool.folder / "policy.yaml", tool.folder / "plan.json"
    file.write_text(
        f"version: 1\nprotect:\n  - {{name: all, select: {{kind: {kind}, projects: [{project.name}]}}, "
        "backup: {every: 1s, attached_volumes: false, images: none}, keep: {last: 1}}\n"
    )
    time.sleep(1.1)
    tool.do("plan", "-f", str(file), "--out", str(plan))
    return tool.run("apply", str(plan), "--yes")


def test_an_instance_whose_files_are_not_there_is_not_backed_up(project: Project, tool: Tool) -> None:
    """The server makes the folder anew and exports that; nothing older is removed for it."""
    project.launch("c1", start=False)
    assert apply(tool, project, "instance").code == 0
    (good,) = tool.backups(project.name)
    folder = rootfs(project, "c1").parent
    folder.rename(folder.with_name("elsewhere"))

    applied = apply(tool, project, "instance")
    assert applied.code != 0
    assert "is no backup: no backup/container/rootfs" in applied.err
    assert "not mounted" in applied.err
    assert tool.backups(project.name) == [good]
    assert tool.leftovers() == []

    shutil.rmtree(folder)
    folder.with_name("elsewhere").rename(folder)
    assert apply(tool, project, "instance").code == 0
    (newer,) = tool.backups(project.name)
    assert newer["timestamp"] > good["timestamp"]


def test_a_disk_image_that_is_cut_is_not_backed_up(project: Project, tool: Tool) -> None:
    volume = Volume(project)
    volume.make(content_type="block", config={"size": "8MiB"})
    with (volume.folder() / "root.img").open("r+b") as image:
        image.truncate(4 << 20)
    stored = tool.run("backup", "volumes", volume.label, "--project", project.name)
    assert stored.code != 0
    assert "backup/volume.img has 4194304 of 8388608 bytes" in stored.err
    assert list(tool.repository.glob("volumes/*/*/*/*")) == []


@pytest.mark.once
def test_what_was_made_empty_can_be_backed_up_empty(project: Project, tool: Tool) -> None:
    project.incus("init", "--empty", "c1")
    Volume(project).make()
    tool.do("backup", "instances", "c1", "--project", project.name)
    tool.do("backup", "volumes", "default/data", "--project", project.name)
    tool.do("verify", "all", "--project", project.name)


@pytest.mark.once
def test_what_exceeds_its_size_is_refused_while_planning(project: Project, tool: Tool) -> None:
    """The pool it comes from enforces nothing, the one it goes to does."""
    volume = Volume(project)
    volume.make(config={"size": "2MiB"})
    (volume.folder() / "f").write_bytes(b"x" * (3 << 20))
    tool.do("backup", "volumes", volume.label, "--project", project.name)
    restore = ("restore", "volume", volume.label, "--project", project.name)
    again = ("--replace", "--dry-run")
    warned = tool.do(*restore, *again)
    assert "may take 2.0 MiB on pool default" in " ".join((warned.out + warned.err).split())
    refused = tool.run(*restore, "--pool-map", "default=bt", "--dry-run")
    assert refused.code == 1
    assert f"volume/{project.name}/bt/data may take 2.0 MiB on pool bt" in refused.err
