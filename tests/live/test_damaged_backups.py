"""A damaged backup is refused; whatever it was to replace keeps running, untouched."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.live.damage import (
    Damage,
    compressed_noise,
    cut_the_tail,
    definition_of_no_instance,
    edit_the_manifest,
    empty_the_checksums,
    flip_a_byte,
    foreign_tar,
    index_that_is_no_yaml,
    lose_the_archive,
    negative_size,
    negative_size_in_a_record,
    noise,
    replace_archive,
    tar_cut_between_two_members,
    tar_without_files,
    zeros_at_the_end,
    zipped,
)
from tests.live.support import claims
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.tool import Result, Tool
from tests.live.witness import files_below, instance_state, things_on


@frozen
class Scene:
    """Running ``web`` and a good backup of it; no test changes any of it."""

    project: Project
    repository: Path


@pytest.fixture(scope="module")
def scene(incus_server: Daemon, _workdirs: Path) -> Iterator[Scene]:
    claim = claims.Claim(_workdirs)
    project = Project(incus_server)
    project.launch("web", config={"user.note": "original"})
    project.exec("web", ["sh", "-c", "echo precious > /root/data"])
    tool = Tool(incus_server.socket, claim.path)
    tool.do("backup", "instances", "web", "--project", project.name)
    yield Scene(project, tool.repository)
    project.remove()
    shutil.rmtree(claim.path)
    claim.release()


@pytest.fixture
def restorer(scene: Scene, watched_tool: Tool) -> Tool:
    """The tool with a copy of the scene's repository."""
    shutil.copytree(scene.repository, watched_tool.repository)
    return watched_tool


def backup_folder(tool: Tool, scene: Scene) -> Path:
    [found] = (tool.repository / "instances" / scene.project.name / "web").iterdir()
    return found


def replace(tool: Tool, scene: Scene, *more: str) -> Result:
    return tool.run(
        "restore", "instance", "web", "--replace", "--yes", "--project", scene.project.name, *more
    )


def restore_beside(tool: Tool, scene: Scene, *more: str) -> Result:
    return tool.run("restore", "instance", "web", "--target-name=new", "--project", scene.project.name, *more)


def apart_from_notes(files: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """What is stored, but for the notes of what was found."""
    return {path: content for path, content in files.items() if Path(path).parts[0] != "notes"}


DAMAGES = (flip_a_byte, cut_the_tail, lose_the_archive, empty_the_checksums, edit_the_manifest)


@pytest.mark.once
@pytest.mark.parametrize(
    ("damage", "restore"),
    [
        *((damage, replace) for damage in DAMAGES),
        (flip_a_byte, restore_beside),
        (edit_the_manifest, restore_beside),
    ],
)
def test_damage_is_found_before_the_server_is_touched(
    scene: Scene,
    restorer: Tool,
    fault_proxy: FaultProxy,
    damage: Damage,
    restore: Callable[[Tool, Scene], Result],
) -> None:
    damage(backup_folder(restorer, scene))
    stored = files_below(restorer.repository)
    before = instance_state(scene.project, "web")
    result = restore(restorer, scene)
    assert result.code == 6, result.err
    assert f"instance/{scene.project.name}/web@" in result.err
    assert fault_proxy.writes() == []
    assert instance_state(scene.project, "web") == before
    assert restorer.leftovers() == []
    assert apart_from_notes(files_below(restorer.repository)) == stored


@pytest.mark.once
def test_a_version_that_is_not_there_is_refused_and_the_nearest_named(
    scene: Scene, restorer: Tool, fault_proxy: FaultProxy
) -> None:
    before = instance_state(scene.project, "web")
    result = replace(restorer, scene, "--version", "20010101T000000Z")
    assert result.code == 1
    assert backup_folder(restorer, scene).name in result.err
    assert fault_proxy.writes() == []
    assert instance_state(scene.project, "web") == before
    assert restorer.leftovers() == []


# -- garbage that the checksums vouch for -------------------------------------------------------------

GARBAGE = (
    noise,
    compressed_noise,
    foreign_tar,
    tar_cut_between_two_members,
    index_that_is_no_yaml,
    definition_of_no_instance,
)


@pytest.mark.parametrize(
    ("garbage", "restore"),
    [*((garbage, replace) for garbage in GARBAGE), (tar_cut_between_two_members, restore_beside)],
)
def test_garbage_with_matching_sums_is_undone_without_loss(
    scene: Scene,
    restorer: Tool,
    garbage: Callable[[Path], bytes],
    restore: Callable[[Tool, Scene], Result],
) -> None:
    backup = backup_folder(restorer, scene)
    replace_archive(backup, garbage(backup))
    before, things = instance_state(scene.project, "web"), things_on(scene.project.server)
    result = restore(restorer, scene)
    assert result.code in (1, 6), result.err
    assert instance_state(scene.project, "web") == before
    assert things_on(scene.project.server) == things
    assert restorer.leftovers() == []


def test_what_can_not_start_is_swapped_back(scene: Scene, restorer: Tool) -> None:
    """The original had to stop for it; it runs again and is otherwise as it was."""
    backup = backup_folder(restorer, scene)
    replace_archive(backup, tar_without_files(backup))
    before, things = instance_state(scene.project, "web"), things_on(scene.project.server)
    result = replace(restorer, scene)
    assert result.code == 1, result.err
    after = instance_state(scene.project, "web")
    assert {**after["document"], "last_used_at": ""} == {**before["document"], "last_used_at": ""}
    assert after["files"] == before["files"]
    assert things_on(scene.project.server) == things
    assert restorer.leftovers() == []


def verify(tool: Tool, scene: Scene) -> Result:
    return tool.run("verify", "instances", "web", "--project", scene.project.name)


@pytest.mark.once
@pytest.mark.parametrize(
    ("made", "words"),
    [
        (negative_size, "damaged header"),
        (negative_size_in_a_record, "damaged pax header"),
        (zeros_at_the_end, "more than the"),
    ],
)
def test_what_others_made_to_do_harm_is_refused_in_seconds(
    scene: Scene, restorer: Tool, made: Callable[[Path], bytes], words: str
) -> None:
    """Its checksums fit; no command takes it for good, and nothing of it stays on the server."""
    backup = backup_folder(restorer, scene)
    replace_archive(backup, zipped(made(backup)))
    before, things = instance_state(scene.project, "web"), things_on(scene.project.server)
    begun = time.monotonic()
    for command in (verify, restore_beside, replace):
        result = command(restorer, scene)
        assert result.code == 6, result.err
        assert words in " ".join(result.err.split())
        shutil.rmtree(restorer.repository / "notes")  # so that the next one does not know of it
    assert time.monotonic() - begun < 30
    assert instance_state(scene.project, "web") == before
    assert things_on(scene.project.server) == things
    assert restorer.leftovers() == []
