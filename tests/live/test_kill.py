"""SIGKILL at any moment: no half backup, no lost instance, and the next run puts everything in order."""

from collections.abc import Iterator, Sequence

import pytest

from tests.live.crash_scene import BACKED_UP, SINCE, Scene, make_scene, said
from tests.live.mortal import Moment, Touch
from tests.live.support.faultproxy import Direction
from tests.live.support.project import Project
from tests.live.thinning import some
from tests.live.tool import Tool

_MB = 1 << 20
PARTS = range(3)  # so that workers can share a test
# by version: the pool, of how many moments one is taken, and at least how many these are
BACKUPS = {"6.0": ("default", 9, 3), "7.0": ("bt", 3, 3)}
REPLACEMENTS = {"6.0": ("bt", 11, 2), "7.0": ("default", 5, 4)}
TOUCHES: list[Moment | Touch] = [Touch(number) for number in (1, 5, 9)]
WAYS: tuple[Direction, ...] = ("up", "down")


@pytest.fixture
def backup_scene(project: Project, tool: Tool) -> Iterator[Scene]:
    with make_scene(project, tool, BACKUPS[project.server.version][0]) as scene:
        yield scene


@pytest.fixture
def restore_scene(project: Project, tool: Tool) -> Iterator[Scene]:
    with make_scene(project, tool, REPLACEMENTS[project.server.version][0]) as scene:
        tool.do(*scene.back_up())
        yield scene


def around(writes: Sequence[object], turn: int) -> list[Moment | Touch]:
    """Before every other writing request reaches the server, before the answer to the others comes back."""
    return [Moment(n, direction=WAYS[(n + turn) % 2]) for n in range(1, len(writes) + 1)]


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_backup_is_whole_or_not_there(backup_scene: Scene, part: int) -> None:
    scene = backup_scene
    _, every, least = BACKUPS[scene.project.server.version]
    writes = scene.mortal.writes_of(*scene.back_up())
    direct = len(writes) == 1
    inside = [Moment(int(direct), "" if direct else "/export", "down", at) for at in (1, 4 * _MB)]
    moments = some([*around(writes, 0), *around(writes, 1), *inside, *TOUCHES], every)
    assert len(moments) >= least
    for number, moment in enumerate(moments[part :: len(PARTS)]):
        with said(moment):
            scene.forget_backups()
            assert scene.mortal.kill_at(moment, *scene.back_up())
            there = scene.check_backups()
            assert there <= 1
            if number % 4 == 0:
                assert len(scene.tool.backups()) == there
            scene.tool.do(*scene.back_up())
            assert scene.check_backups() == there + 1
            scene.check_in_order(BACKED_UP)


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_replacement_loses_nothing(restore_scene: Scene, part: int) -> None:
    scene = restore_scene
    _, every, least = REPLACEMENTS[scene.project.server.version]
    writes = scene.mortal.writes_of(*scene.replace())
    moments = some([Moment(1, at=4 * _MB), *around(writes, every), *TOUCHES], every)
    assert len(moments) >= least
    for number, moment in enumerate(moments[part :: len(PARTS)]):
        with said(moment):
            scene.change_data()
            assert scene.mortal.kill_at(moment, *scene.replace())
            scene.check_not_lost()
            if number % 4 == 0:
                scene.check_plan_cleans()
                scene.check_in_order(SINCE, BACKED_UP)
            scene.tool.do(*scene.restore("--version", first_version(scene), "--replace", "--yes"))
            scene.check_in_order(BACKED_UP)


def first_version(scene: Scene) -> str:
    """Plans that protect the instance make newer backups, of what it was then."""
    return min(path.parent.name for path in scene.tool.repository.rglob("manifest.json"))


def test_a_killed_restore_of_what_is_gone_leaves_all_of_it_or_nothing(restore_scene: Scene) -> None:
    scene = restore_scene
    scene.project.incus("delete", "--force", "web")
    writes = scene.mortal.writes_of(*scene.restore())
    every = REPLACEMENTS[scene.project.server.version][1]
    for moment in some(around(writes, every), every):
        scene.project.incus("delete", "--force", "web")
        with said(moment):
            assert scene.mortal.kill_at(moment, *scene.restore())
            scene.tool.do(*scene.restore("--skip-existing"))
            scene.check_in_order(BACKED_UP)
