"""Wherever work on a volume dies: no volume, no device and no user of it is lost."""

from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from incusbak.errors import ServerError
from incusbak.model.backups import Consistency, Method
from incusbak.model.refs import volume_ref
from tests.fakes import MemoryRepository
from tests.world.twins import twin
from tests.world.volume_scene import BACKED_UP, REF, SINCE, Scene, make_scene

_MOST = 600
SERVERS: dict[str, dict[str, Any]] = {
    "two passes": {"driver": "dir"},
    "two passes, staged": {"driver": "dir", "extensions": ()},
    "snapshot": {"driver": "lvm"},
    "direct, staged": {"driver": "btrfs", "extensions": ()},
    "disk": {"driver": "btrfs", "content": "block"},
    "iso": {"content": "iso"},
}
VOLUMES = ("filesystem", "iso")


def with_backup(content: str = "filesystem") -> Scene:
    """A scene with a backup of a volume that was changed since."""
    return twin(_with_backup(content))


@cache
def _with_backup(content: str) -> Scene:
    scene = make_scene(content=content)
    scene.back_up()
    scene.change()
    return scene


def before_and_after(content: str) -> tuple[dict[str, Any], dict[str, Any]]:
    scene = with_backup(content)
    before = deepcopy(scene.look())
    scene.restore()
    return before, deepcopy(scene.look())


@pytest.mark.parametrize("server", SERVERS)
def test_a_backup_leaves_everything_as_it_was(server: str) -> None:
    scene = make_scene(**SERVERS[server])
    before = deepcopy(scene.look())
    scene.back_up()
    assert scene.look() == before


def test_only_who_runs_is_frozen_under_guard() -> None:
    scene = make_scene()
    captured = scene.back_up()
    names = {f"{ref.project}/{ref.name}" for refs in scene.guarded for ref in refs}
    assert names == {"default/direct", "default/through", "default/brief", "other/far"}
    assert (captured.method, captured.consistency) == (Method.TEMPORARY_COPY, Consistency.POINT_IN_TIME)


@pytest.mark.no_cover  # see tests/conftest.py
@pytest.mark.parametrize("server", SERVERS)
def test_a_backup_that_is_killed_is_whole_or_not_there(server: str) -> None:
    for moment in range(1, _MOST, 2):
        scene = make_scene(**SERVERS[server])
        before = deepcopy(scene.look())
        died = scene.dies(moment, scene.back_up)
        for backup in scene.disk.backups:
            MemoryRepository(scene.disk).check(backup, lambda _: None)
        scene.recover()
        assert scene.look() == before, moment
        if not died:
            return
    raise AssertionError("it never got through")


@pytest.mark.no_cover  # see tests/conftest.py
@pytest.mark.parametrize("content", VOLUMES)
def test_a_volume_survives_the_death_of_its_replacement(content: str) -> None:
    """What is there in the end is either the original or its successor, all of it, with all users."""
    before, successor = before_and_after(content)
    seen = []
    for moment in range(1, _MOST, 2):
        scene = with_backup(content)
        died = scene.dies(moment, scene.restore)
        assert scene.is_safe(), moment
        scene.recover()
        assert scene.look() in (before, successor), moment
        seen.append(scene.look() == successor)
        if not died:
            break
    assert {*seen} == {False, True}
    assert seen[-1]


def test_a_replaced_volume_stays_while_those_who_used_it_do_not_run() -> None:
    _, successor = before_and_after("filesystem")
    scene = complete_and_dead()
    scene.server.world.instances["default", "direct"].status = "Stopped"
    with pytest.raises(
        ServerError, match=r"it is kept as incusbak-.*-old, since instance/default/direct ran"
    ):
        scene.recover()
    assert scene.server.world.contents["default", "fast", aside(scene)].files == {scene.file: SINCE}
    scene.server.world.instances["default", "direct"].status = "Running"
    scene.recover()
    assert scene.look() == successor


def complete_and_dead() -> Scene:
    """A replacement that was killed when all was done but to remove the old volume."""
    for moment in range(_MOST, 1, -1):
        scene = with_backup()
        if scene.dies(moment, scene.restore) and aside(scene):
            return scene
    raise AssertionError("it never died")


def aside(scene: Scene) -> str:
    waiting = [name for _, _, name in scene.server.world.contents if name.endswith("-old")]
    return waiting[0] if waiting else ""


@pytest.mark.parametrize("content", VOLUMES)
def test_a_volume_that_was_gone_comes_back_whole_or_not_at_all(content: str) -> None:
    for moment in range(1, _MOST, 2):
        scene = with_backup(content)
        to = volume_ref("default", "default", "copy")
        before = deepcopy(scene.look())
        died = scene.dies(moment, lambda scene=scene, to=to: scene.restore(to))  # type: ignore[misc]
        scene.recover()
        made = scene.server.world.contents.pop(("default", "default", "copy"), None)
        document = scene.server.world.volumes.pop(
            ("default", "default", "copy"), {"description": "of the shop"}
        )
        assert document["description"] == "of the shop"
        assert made is None or made.files == {scene.file: BACKED_UP}
        assert scene.look() == before, moment
        if not died:
            return
    raise AssertionError("it never got through")


@pytest.mark.parametrize("moment", [100, 130, 160, 190])
def test_the_run_that_cleans_up_may_die_as_well(moment: int) -> None:
    before, successor = before_and_after("filesystem")
    for second in range(1, _MOST, 5):
        scene = with_backup()
        assert scene.dies(moment, scene.restore)
        died = scene.dies(second, scene.recover)
        assert scene.is_safe(), second
        scene.recover()
        assert scene.look() in (before, successor), second
        if not died:
            return
    raise AssertionError("it never got through")


@pytest.mark.parametrize("server", SERVERS)
def test_a_backup_that_is_stopped_leaves_nothing(server: str) -> None:
    for at in range(1, _MOST):
        scene = make_scene(**SERVERS[server])
        before = deepcopy(scene.look())
        stopped = scene.is_stopped(at, scene.back_up)
        assert {**scene.look(), "unfinished": set()} == before, at
        if not stopped:
            return
    raise AssertionError("it never got through")


@pytest.mark.parametrize("content", VOLUMES)
def test_a_replacement_that_is_stopped_is_undone(content: str) -> None:
    before, successor = before_and_after(content)
    for at in range(1, _MOST):
        scene = with_backup(content)
        stopped = scene.is_stopped(at, scene.restore)
        assert scene.look() == (before if stopped else successor), at
        if not stopped:
            return
    raise AssertionError("it never got through")


def test_a_damaged_archive_changes_nothing() -> None:
    scene = make_scene()
    scene.server.spoil = lambda archive: archive[:2048]
    with pytest.raises(ServerError, match=r"the server broke its export off"):
        scene.back_up()
    assert scene.disk.backups == {}
    assert scene.look()["records"] == []


def test_a_replacement_gives_back_the_snapshots() -> None:
    scene = with_backup()
    content = scene.server.world.contents["default", "fast", "data"]
    before = deepcopy(content.snapshots)
    del content.snapshots["s1"]
    made = scene.restore()
    after = scene.server.world.contents["default", "fast", "data"].snapshots
    assert {name: s.document for name, s in after.items()} == {name: s.document for name, s in before.items()}
    inspected = scene.server.world.volumes["default", "fast", "data"]
    assert made.identity == inspected["created_at"]
    assert REF.name == inspected["name"]
