"""``copy`` from a folder into restic and back: the same backups, which bring back the same."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.restic_tool import ResticTool, with_repository
from tests.live.support.project import Project
from tests.live.support.restic import VERSIONS, Restic
from tests.live.tool import Tool

pytestmark = pytest.mark.once


def addresses(tool: Tool, target: str) -> list[str]:
    listed = tool.do("list", "all", "--target", target, "--output", "json").out
    rows: list[dict[str, Any]] = json.loads(listed)
    return [row["address"] for row in rows]


def manifests(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("manifest.json"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_backups_go_from_a_folder_to_restic_and_back_as_they_are(
    tool: Tool, project: Project, restic_template: Callable[[str], Restic]
) -> None:
    restic = with_repository(restic_template)(tool.socket, tool.folder)
    there, here, again = f"restic:{tool.repository}", *(f"dir:{tool.folder}/{n}" for n in "ab")
    data = os.urandom(1 << 20)
    project.launch("web", start=False)
    project.put_file("web", "/root/data", data)
    back_up = ("backup", "instances", "web", "--project", project.name, "--target", here)
    tool.do(*back_up, "--compression", "none")
    tool.do(*back_up)
    stored = addresses(tool, here)
    assert len(stored) >= 3  # two of the instance, and its image

    restic.do("copy", "--from", here, "--to", there)
    assert addresses(restic, there) == stored
    assert "No changes" in restic.do("copy", "--from", here, "--to", there).err
    restic.do("verify", "--target", there)

    restic.do("copy", "--from", there, "--to", again)
    assert manifests(tool.folder / "b") == manifests(tool.folder / "a")
    tool.do("verify", "--target", again)

    project.incus("delete", "web")
    restic.do("restore", "instance", "web", "--project", project.name, "--target", there)
    assert project.get_file("web", "/root/data") == data


def test_a_command_for_passwords_knows_of_which_repository(tool: Tool, project: Project) -> None:
    script = tool.folder / "password"
    script.write_text("#!/bin/sh\nbasename $RESTIC_REPOSITORY\n")
    script.chmod(0o755)
    restic = ResticTool(tool.socket, tool.folder)
    asking = {"RESTIC_PASSWORD": "", "RESTIC_PASSWORD_COMMAND": str(script)}
    one, two = (f"restic:{tool.folder}/{name}" for name in ("one", "two"))
    project.launch("web", start=False)
    restic.do("backup", "instances", "web", "--project", project.name, "--target", one, env=asking)
    restic.do("copy", "--from", one, "--to", two, env=asking)
    restic.do("verify", "--target", two, env={"RESTIC_PASSWORD": "two"})
    assert restic.run("verify", "--target", two, env={"RESTIC_PASSWORD": "one"}).code == 12


@contextmanager
def mounted(folder: Path, at: Path) -> Iterator[None]:
    at.mkdir()
    subprocess.run(["mount", "--bind", folder, at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_repository_made_from_the_files_of_another_is_a_place_to_copy_to(
    tool: Tool, project: Project, restic_template: Callable[[str], Restic], version: str
) -> None:
    """restic itself goes on to call both the same: the id that plans name is ours."""
    restic = ResticTool(tool.socket, tool.folder, version=version)
    one, two = tool.folder / "one", tool.folder / "two"
    shutil.copytree(restic_template(version).folder, one)
    project.launch("web", start=False)
    back_up = ("backup", "instances", "web", "--images", "none", "--project", project.name)
    restic.do(*back_up, "--target", f"restic:{one}")
    subprocess.run(["cp", "-a", one, two], check=True)
    restic.do(*back_up, "--target", f"restic:{one}")

    copy = ("copy", "--from", f"restic:{one}", "--to")
    told = restic.do(*copy, f"restic:{two}")
    assert "have the same id" in told.err
    assert addresses(restic, f"restic:{two}") == addresses(restic, f"restic:{one}")
    renewed = restic.do(*copy, f"restic:{two}", "--new-id")
    assert ("has an id of its own now" in renewed.err, "same id" in renewed.err) == (True, False)
    restic.do(*back_up, "--target", f"restic:{two}")
    project.incus("delete", "web")
    restic.do("restore", "instance", "web", "--project", project.name, "--target", f"restic:{two}")
    with mounted(one, tool.folder / "again"):
        for same in (f"{one}/", f"local:{one}", "one", tool.folder / "again"):
            refused = restic.run(*copy, f"restic:{same}")
            assert (refused.code, "are the same repository" in refused.err) == (64, True), refused.err
