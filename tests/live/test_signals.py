"""Interrupted or terminated: the tool cleans up before it ends, and its exit code says what happened."""

import signal
import time
from collections.abc import Iterator

import pytest

from tests.live.crash_scene import BACKED_UP, SINCE, Scene, make_scene
from tests.live.mortal import Moment
from tests.live.support.project import Project
from tests.live.tool import Tool

INT, TERM = signal.SIGINT, signal.SIGTERM
EXIT_CODES = {INT: 130, TERM: 143}
_HALF = 4 << 20


@pytest.fixture
def scene(project: Project, tool: Tool) -> Iterator[Scene]:
    with make_scene(project, tool, "default") as scene:
        yield scene


def is_staged(scene: Scene) -> bool:
    return scene.project.server.version == "6.0"


@pytest.mark.once
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        pytest.param(INT, Moment(1), id="before the first change"),
        pytest.param(TERM, Moment(2, direction="down"), id="in the copy"),
        pytest.param(INT, Moment(4, direction="down"), id="in the export"),
        pytest.param(TERM, Moment(4, direction="down", at=_HALF), id="in the transfer"),
    ],
)
def test_an_interrupted_backup_leaves_nothing(scene: Scene, number: signal.Signals, moment: Moment) -> None:
    if moment.at and is_staged(scene):
        moment = Moment(suffix="/export", direction="down", at=_HALF)
    ended = scene.mortal.signal_at(moment, number, *scene.back_up())
    assert ended.code == EXIT_CODES[number], ended.err
    assert "stopped" in ended.err
    assert scene.check_backups() == 0
    scene.check_in_order(BACKED_UP)


@pytest.mark.once
@pytest.mark.parametrize(
    ("number", "moment", "data"),
    [
        pytest.param(INT, Moment(1, at=_HALF), SINCE, id="in the upload"),
        pytest.param(TERM, Moment(1, direction="down"), SINCE, id="in the import"),
        pytest.param(TERM, Moment(4, direction="down"), SINCE, id="in the swap"),
        pytest.param(INT, Moment(8), SINCE, id="before the start"),
        pytest.param(TERM, Moment(11), BACKED_UP, id="when it is complete"),
    ],
)
def test_an_interrupted_replacement_is_undone_or_finished(
    scene: Scene, number: signal.Signals, moment: Moment, data: bytes
) -> None:
    scene.tool.do(*scene.back_up())
    scene.change_data()
    ended = scene.mortal.signal_at(moment, number, *scene.replace())
    assert ended.code == EXIT_CODES[number], ended.err
    assert "stopped; what had begun was cleaned up" in ended.err
    scene.check_in_order(data)


@pytest.mark.once
def test_a_second_interrupt_ends_at_once_and_the_next_run_cleans_up(scene: Scene) -> None:
    scene.tool.do(*scene.back_up())
    scene.change_data()
    with scene.mortal.armed(Moment(4, direction="down"), INT, *scene.replace()) as (process, fired):
        assert fired.wait(30)
        scene.mortal.proxy.rule("stall", down=0)  # cleaning up gets nowhere
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(INT)
        assert process.wait(5) == 130
    scene.mortal.proxy.clear()
    scene.check_not_lost()
    assert scene.tool.leftovers() != []
    scene.tool.do(*scene.back_up())
    scene.check_in_order(SINCE)


@pytest.mark.once
def test_an_interrupt_waits_for_what_the_server_is_doing(scene: Scene) -> None:
    """The server can't be told to stop an import: it ends, and what came of it is removed."""
    scene.tool.do(*scene.back_up())
    scene.change_data()
    with scene.mortal.armed(Moment(1, direction="down"), TERM, *scene.replace()) as (process, fired):
        scene.mortal.proxy.rule(rate=2 << 20)  # the upload takes some seconds, and so do the answers
        assert fired.wait(60)
        scene.mortal.proxy.clear()
        assert process.wait(60) == 143
    scene.check_in_order(SINCE)


@pytest.mark.once
def test_a_plan_leaves_alone_what_a_live_run_is_working_with(scene: Scene) -> None:
    scene.tool.do(*scene.back_up())
    scene.change_data()
    with scene.mortal.armed(Moment(3), signal.SIGCONT, *scene.replace()) as (process, fired):
        assert fired.wait(30)
        scene.mortal.proxy.rule("stall", down=0)  # in the swap: the original waits under another name
        time.sleep(1)
        assert scene.planned_cleaning() == []
        scene.mortal.proxy.clear()
        process.kill()
        process.wait(10)
    scene.tool.do(*scene.back_up())
    scene.check_in_order(SINCE)
