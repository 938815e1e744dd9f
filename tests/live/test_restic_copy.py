"""``copy`` from a folder into restic and back: the same backups, which bring back the same."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.live.restic_tool import ResticTool, with_repository
from tests.live.support.project import Project
from tests.live.support.restic import Restic
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
