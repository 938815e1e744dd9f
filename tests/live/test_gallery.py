"""The gallery: what the official client takes in from a stored archive, a restore brings back in every way.

A quick run tries each scene once: on one version, in the mode whose turn it is.  A thorough one tries all.
"""

from collections.abc import Iterator

import pytest

from tests.live.conftest import VERSIONS
from tests.live.scenes import MODES, SCENES, Scene, project_for, remove
from tests.live.scenes.judge import Court
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.thinning import THOROUGH
from tests.live.tool import NewTool, Tool

TURNS = ("replace", "copy", "absent", "replace", "absent", "copy", "replace", "empty")
"""The mode of a quick run, scene by scene; an empty server costs as much as all the others."""


def cases() -> Iterator[object]:
    """Every scene and version with the modes to try."""
    for number, scene in enumerate(SCENES):
        versions = [version for version in VERSIONS if version in scene.versions]
        turn = TURNS[number % len(TURNS)]
        if not THOROUGH:
            versions = versions[number // len(TURNS) % len(versions) :][:1] if versions else []
        for version in versions:
            modes = [mode for mode in MODES if mode in scene.modes and (THOROUGH or mode == turn)]
            yield pytest.param(scene, modes or scene.modes[:1], version, id=f"{scene.name}-{version}")


@pytest.fixture
def stage(scene: Scene, incus_server: Daemon) -> Iterator[Project]:
    project = project_for(scene, incus_server)
    yield project
    remove(project)


@pytest.mark.parametrize(("scene", "modes", "incus_server"), list(cases()), indirect=["incus_server"])
def test_what_the_official_client_imports_comes_back(
    scene: Scene, modes: list[str], stage: Project, tool: Tool, new_tool: NewTool
) -> None:
    scene.build(stage)
    Court(scene, stage, scene.client(tool, stage), new_tool).judge(modes)


def test_there_are_scenes_enough() -> None:
    """Each has a name of its own, and a quick run tries every mode."""
    assert len({scene.name for scene in SCENES}) == len(SCENES) >= 25
