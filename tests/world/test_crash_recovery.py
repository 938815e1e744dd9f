"""Wherever a run dies: no half backup is seen, no instance is lost, and the next run puts all in order."""

from functools import cache
from typing import Any

import pytest

from tests.fakes import MemoryRepository
from tests.world.mortal import DAMAGED, RESTORED, MortalEstate, MortalIncus
from tests.world.twins import twin

_MOST = 400

SERVERS = {
    "staged from a copy": ([], "dir"),
    "staged": ([], "btrfs"),
    "direct": (["direct_backup"], "btrfs"),
    "direct from a copy": (["direct_backup"], "dir"),
}
ORIGINALS: dict[str, dict[str, Any]] = {
    "running": {"status": "Running"},
    "frozen": {"status": "Frozen"},
    "stopped": {"status": "Stopped"},
    "ephemeral": {"status": "Running", "ephemeral": True},
    "protected": {"status": "Running", "config": {"security.protection.delete": "true"}},
}


def fresh(server: str = "direct", original: str = "running") -> MortalEstate:
    return twin(_fresh(server, original))


@cache
def _fresh(server: str, original: str) -> MortalEstate:
    extensions, driver = SERVERS[server]
    estate = MortalEstate(server=MortalIncus(extensions=extensions))
    estate.add_web(driver=driver, **ORIGINALS[original])
    return estate


def with_backup(original: str = "running") -> MortalEstate:
    """An estate with a backup of an instance that has been damaged since."""
    return twin(_with_backup(original))


@cache
def _with_backup(original: str) -> MortalEstate:
    estate = fresh(original=original)
    assert estate.back_up_web() == 0
    estate.web().files["rootfs/data"] = DAMAGED
    return estate


def check_backups(estate: MortalEstate) -> None:
    for backup in estate.disk.backups:
        MemoryRepository(estate.disk).check(backup, lambda _: None)


@pytest.mark.parametrize(("server", "stride"), [*zip(SERVERS, (5, 7, 7, 7), strict=True)])
def test_a_backup_that_is_killed_is_whole_or_not_there(server: str, stride: int) -> None:
    for moment in range(1, _MOST, stride):
        estate = fresh(server)
        before = estate.look()
        died = estate.dies(moment, estate.back_up_web)
        check_backups(estate)
        there = len(estate.disk.backups)
        assert estate.back_up_web() == 0, moment
        check_backups(estate)
        assert len(estate.disk.backups) == there + 1, moment
        assert (estate.look(), estate.left()) == (before, []), moment
        if not died:
            return
    raise AssertionError("it never got through")


@pytest.mark.parametrize(("original", "stride"), [*zip(ORIGINALS, (3, 9, 13, 9, 13), strict=True)])
def test_an_instance_survives_the_death_of_its_replacement(original: str, stride: int) -> None:
    """What the next run finds is either the original, all of it, or its whole successor."""
    before, successor = before_and_after(original)
    for moment in range(1, _MOST, stride):
        estate = with_backup(original)
        died = estate.dies(moment, estate.replace_web)
        assert estate.holds() & {DAMAGED, RESTORED}, moment
        assert estate.back_up_web() == 0, moment
        assert estate.look() in (before, successor), moment
        assert estate.left() == [], moment
        if not died:
            return
    raise AssertionError("it never got through")


def test_what_was_frozen_when_it_was_backed_up_is_frozen_again() -> None:
    estate = with_backup("frozen")
    assert estate.replace_web() == 0
    assert estate.web().status == "Frozen"


@pytest.mark.parametrize("moment", [62, 78])
def test_the_run_that_cleans_up_may_die_as_well(moment: int) -> None:
    before, successor = before_and_after("frozen")
    for second in range(1, _MOST, 9):
        estate = with_backup("frozen")
        assert estate.dies(moment, estate.replace_web)
        died = estate.dies(second, estate.back_up_web)
        assert estate.holds() & {DAMAGED, RESTORED}, second
        assert estate.back_up_web() == 0, second
        assert estate.look() in (before, successor), second
        assert estate.left() == [], second
        if not died:
            return
    raise AssertionError("it never got through")


def test_a_replacement_goes_on_after_any_death() -> None:
    _, successor = before_and_after("running")
    for moment in range(1, 100, 9):
        estate = with_backup()
        assert estate.dies(moment, estate.replace_web), moment
        assert estate.replace_web() == 0, moment
        assert (estate.look(), estate.left()) == (successor, []), moment


def before_and_after(original: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the instance looks like before an undisturbed replacement, and after it."""
    estate = with_backup(original)
    before = estate.look()
    assert estate.replace_web() == 0
    return before, estate.look()
