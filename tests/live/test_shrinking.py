"""A volume that was never empty and now is: nobody can tell why, so older backups of it stay."""

import time

import pytest

from tests.live.custom_volume import Volume
from tests.live.support.project import Project
from tests.live.tool import Result, Tool


def apply(tool: Tool, project: Project) -> Result:
    """Back up the project's volumes, and keep one backup of each."""
    file, plan = tool.folder / "policy.yaml", tool.folder / "plan.json"
    file.write_text(
        f"version: 1\nprotect:\n  - {{name: all, select: {{kind: volume, projects: [{project.name}]}}, "
        "backup: {every: 1s}, keep: {last: 1}}\n"
    )
    time.sleep(1.1)
    tool.do("plan", "-f", str(file), "--out", str(plan))
    return tool.run("apply", str(plan), "--yes")


def stored(tool: Tool) -> list[str]:
    return sorted(path.parent.name for path in tool.repository.glob("volumes/*/*/*/*/manifest.json"))


@pytest.mark.once
def test_a_volume_whose_disk_is_not_there_costs_no_older_backup(project: Project, tool: Tool) -> None:
    volume = Volume(project)
    volume.make()
    (volume.folder() / "precious").write_bytes(b"x" * 5000)
    assert apply(tool, project).code == 0
    assert apply(tool, project).code == 0
    [full] = stored(tool)

    folder = volume.folder()
    folder.rename(folder.with_name(f"{folder.name}-away"))
    emptied = apply(tool, project)
    assert emptied.code == 3
    assert "holds next to nothing" in emptied.err
    there = stored(tool)
    assert there[0] == full
    assert len(there) == 2
    address = f"volume/{project.name}/default/data@{there[1]}"
    policy = str(tool.folder / "policy.yaml")
    status = tool.run("status", "-f", policy)
    assert status.code == 7
    assert f"incus-backup accept {address}" in " ".join(status.out.split())
    replace = ("restore", "volume", "default/data", "--project", project.name, "--replace")
    planned = tool.run(*replace, "--version", there[1], "--dry-run")
    assert "brings back next to nothing" in planned.out + planned.err
    restored = tool.do(*replace, "--yes")
    assert f"{there[0]} is taken" in restored.err
    assert (volume.folder() / "precious").read_bytes() == b"x" * 5000
    (volume.folder() / "precious").unlink()
    assert "nearly empty" in tool.do("list", "volumes", "--project", project.name).out
    assert apply(tool, project).code == 0
    assert full in stored(tool)

    doubted = stored(tool)[-1]
    tool.do("accept", f"volume/{project.name}/default/data@{doubted}", "--yes")
    assert apply(tool, project).code == 0
    assert full not in stored(tool)


@pytest.mark.once
def test_what_is_full_again_needs_nobody_to_agree(project: Project, tool: Tool) -> None:
    volume = Volume(project)
    volume.make()
    (volume.folder() / "precious").write_bytes(b"x" * 5000)
    assert apply(tool, project).code == 0
    folder = volume.folder()
    folder.rename(folder.with_name(f"{folder.name}-away"))
    assert apply(tool, project).code == 3
    folder.rmdir()
    folder.with_name(f"{folder.name}-away").rename(folder)
    assert apply(tool, project).code == 0
    assert apply(tool, project).code == 0
    assert len(stored(tool)) == 1
