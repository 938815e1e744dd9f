"""Wherever a rehearsal dies, the next run removes all of it, and its original is as it was."""

from functools import cache

import pytest

from tests.world.mortal import MortalEstate, MortalIncus
from tests.world.rehearse_scene import GOOD
from tests.world.twins import twin

_MOST = 400


def with_backup() -> MortalEstate:
    return twin(_with_backup())


@cache
def _with_backup() -> MortalEstate:
    estate = MortalEstate(server=MortalIncus())
    estate.add_web(driver="btrfs", status="Running")
    assert estate.back_up_web() == 0
    return estate


def rehearse(estate: MortalEstate) -> int:
    return estate.rehearse("web", probe=GOOD)


@pytest.mark.parametrize("first", [1, 2])
def test_what_a_killed_rehearsal_left_is_removed_by_the_next_run(first: int) -> None:
    for moment in range(first, _MOST, 2):
        estate = with_backup()
        before = estate.look()
        died = estate.dies(moment, lambda: rehearse(estate))  # noqa: B023  # called before the next round
        assert estate.look() == before, moment
        assert estate.back_up_web() == 0, moment
        assert (estate.look(), estate.left()) == (before, []), moment
        if not died:
            return
    raise AssertionError("it never got through")


def test_the_run_that_cleans_up_may_die_as_well() -> None:
    for second in range(1, _MOST, 13):
        estate = with_backup()
        before = estate.look()
        assert estate.dies(_in_probe(), lambda: rehearse(estate))  # noqa: B023  # called before the next round
        died = estate.dies(second, estate.back_up_web)
        assert estate.back_up_web() == 0, second
        assert (estate.look(), estate.left()) == (before, []), second
        if not died:
            return
    raise AssertionError("it never got through")


def test_an_interrupted_rehearsal_leaves_nothing() -> None:
    for moment in range(1, _MOST, 3):
        estate = with_backup()
        before = estate.look()
        interrupted = estate.is_interrupted(moment, lambda: rehearse(estate))  # noqa: B023  # as above
        assert (estate.look(), estate.left()) == (before, []), moment
        if not interrupted:
            return
    raise AssertionError("it never got through")


def test_what_another_machine_left_is_removed_when_its_time_is_up() -> None:
    estate = with_backup()
    assert estate.dies(_in_probe(), lambda: rehearse(estate))
    estate.shelf.runs.clear()
    assert estate.back_up_web() == 0
    assert len(estate.temporary()) > 0
    for instance in estate.server.world.instances.values():
        if "user.incusbak.expires" in instance.config:
            instance.config["user.incusbak.expires"] = "2020-01-01T00:00:00Z"
    assert estate.back_up_web() == 0
    assert estate.temporary() == []


def _in_probe() -> int:
    """The first moment at which what is brought up runs."""
    for moment in range(1, _MOST):
        estate = with_backup()
        assert estate.dies(moment, lambda: rehearse(estate))  # noqa: B023  # called before the next round
        instances = estate.server.world.instances
        if any(each.status == "Running" for (project, _), each in instances.items() if project != "default"):
            return moment
    raise AssertionError("it never ran")
