"""Recovery is as hard to kill as what it mends, and knows every state an original can be in."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from tests.live.crash_scene import BACKED_UP, SINCE, Scene, make_scene, said
from tests.live.mortal import Moment
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.tool import Tool

_ALL = "{version: 1, protect: [{name: all, select: {kind: instance}}]}"


@pytest.fixture
def scene(project: Project, tool: Tool) -> Iterator[Scene]:
    with make_scene(project, tool, "default") as scene:
        tool.do(*scene.back_up())
        yield scene


@pytest.mark.once
def test_the_run_that_cleans_up_may_be_killed_as_well(scene: Scene) -> None:
    """Each goes on where the one before it died: it never gets to do what comes after its moment."""
    scene.change_data()
    assert scene.mortal.kill_at(Moment(7), *scene.replace())
    for moment in (
        Moment(1),  # the new one is to be removed
        Moment(1, direction="down"),
        Moment(1),  # the old one gets its name back
        Moment(1, direction="down"),
        Moment(2),  # and its definition, twice
        Moment(3),  # and loses its marks
        Moment(3, direction="down"),
        Moment(1, direction="down"),  # and is started
    ):
        with said(moment):
            assert scene.mortal.kill_at(moment, *scene.back_up())
            scene.check_not_lost()
    scene.check_plan_cleans()
    scene.check_in_order(SINCE)


@pytest.mark.parametrize(
    ("original", "moment"),
    [
        pytest.param("Frozen", Moment(8), id="frozen"),
        pytest.param("ephemeral", Moment(5, direction="down"), id="ephemeral"),
        pytest.param("protected", Moment(3, direction="down"), id="protected"),
    ],
)
def test_an_original_is_put_back_whatever_it_was_like(scene: Scene, original: str, moment: Moment) -> None:
    scene.change_data()
    definition = scene.project.api("GET", "/1.0/instances/web")
    match original:
        case "Frozen":
            scene.project.api("PUT", "/1.0/instances/web/state", {"action": "freeze"})
        case "ephemeral":
            scene.project.api("PUT", "/1.0/instances/web", {**definition, "ephemeral": True})
        case "protected":
            config = {**definition["config"], "security.protection.delete": "true"}
            scene.project.api("PUT", "/1.0/instances/web", {**definition, "config": config})
    scene = evolve(scene, before={**scene.before, "look": scene.look()})
    assert scene.mortal.kill_at(moment, *scene.replace())
    scene.check_not_lost()
    scene.check_plan_cleans()
    scene.check_in_order(SINCE)
    scene.project.api("PUT", "/1.0/instances/web", definition)  # so that the project can be removed


@pytest.mark.once
@pytest.mark.parametrize("moment", [Moment(1, direction="down"), Moment(5)], ids=["import", "swap"])
def test_a_server_may_crash_as_well(fresh_incus: Daemon, workdir: Path, moment: Moment) -> None:
    project, tool = Project(fresh_incus), Tool(fresh_incus.socket, workdir)
    with make_scene(project, tool, "default") as scene:
        tool.do(*scene.back_up())
        scene.change_data()
        assert scene.mortal.kill_at(moment, *scene.replace())
        fresh_incus.kill9()
        fresh_incus.start()
        scene.check_not_lost()
        tool.do(*scene.back_up())
        scene.check_in_order(SINCE)


@pytest.mark.once
def test_servers_with_one_state_folder_do_not_meddle(scene: Scene, fresh_incus: Daemon) -> None:
    scene.change_data()
    assert scene.mortal.kill_at(Moment(5), *scene.replace())
    other = Tool(fresh_incus.socket, scene.tool.folder)
    left = scene.tool.leftovers()
    (scene.tool.folder / "all.yaml").write_text(_ALL)
    other.do("plan", "-f", "all.yaml")
    other.do("apply", "plan.json")
    assert scene.tool.leftovers() == left != []
    scene.tool.do(*scene.back_up())
    scene.check_in_order(SINCE)


@pytest.mark.once
def test_without_a_journal_nothing_is_begun(scene: Scene) -> None:
    scene.change_data()
    (scene.tool.folder / "file").write_text("")
    state = {"INCUS_BACKUP_STATE_DIR": str(scene.tool.folder / "file" / "state")}
    result = scene.tool.run(*scene.replace(), env=state)
    assert result.code == 1
    assert "file" in result.err
    scene.check_in_order(SINCE)


@pytest.mark.once
def test_an_interrupted_plan_changes_nothing(scene: Scene) -> None:
    ended = scene.mortal.signal_at(
        Moment(suffix="/1.0/instances", direction="down"), signal.SIGINT, *scene.replace()
    )
    assert ended.code == 130, ended.err
    scene.check_in_order(BACKED_UP)
