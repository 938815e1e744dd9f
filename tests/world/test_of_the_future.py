"""A backup that is dated in the future: whoever's clock was wrong, it satisfies nothing and costs nothing."""

from datetime import timedelta

import pytest

from incusbak.cli.session import now
from incusbak.cli.status_cmd import survey
from incusbak.model.actions import Prune, Restore
from incusbak.model.refs import BackupId
from incusbak.model.standings import State
from incusbak.policyfile import parse_policy
from tests.world.aging import date_back
from tests.world.session import Estate

PROTECT = (
    "protect: [{name: all, select: {kind: instance}, backup: {every: 24h, images: none}, keep: {last: 1}}]"
)
POLICY = f"version: 1\n{PROTECT}\n"
BACK = "version: 1\nrestore: [{name: back, select: {kind: instance}}]\n"
CENTURY = timedelta(days=36500)
HOUR = timedelta(hours=1)


@pytest.fixture
def estate() -> Estate:
    """A server with one instance."""
    estate = Estate()
    estate.server.world.add_instance("web", files={"rootfs/data": b"real"})
    return estate


def back_up(estate: Estate, age: timedelta) -> BackupId:
    there = set(estate.disk.backups)
    estate.back_up("web")
    [new] = set(estate.disk.backups) - there
    date_back(estate.disk, new, age)
    [dated] = set(estate.disk.backups) - there
    return dated


def standing(estate: Estate) -> tuple[State, str]:
    [web] = survey(estate.session(), parse_policy(POLICY, "p.yaml"), at=now(), history=2).protected
    return web.state, web.reason


def test_it_keeps_no_promise_and_is_not_taken_for_a_backup(estate: Estate) -> None:
    late = back_up(estate, -CENTURY)
    assert standing(estate) == (State.MISSING, f"no backup exists but {late.timestamp}, of the future")
    plan = estate.plan(POLICY).plan
    assert [step.id for step in plan.steps] == ["back-up:instance/default/web"]
    assert [text for text in plan.warnings if late.timestamp in text and "check the clocks" in text]
    assert estate.apply(estate.plan(POLICY)) == 0
    assert standing(estate)[0] is State.FUTURE
    assert estate.plan(POLICY).plan.steps == ()


def test_it_costs_no_real_one_its_place(estate: Estate) -> None:
    old, new, late = back_up(estate, 2 * HOUR), back_up(estate, HOUR), back_up(estate, -CENTURY)
    [step] = estate.plan(POLICY).plan.steps
    assert isinstance(step.action, Prune)
    assert step.action.backups == (old,)
    assert {kept.backup: kept.reasons for kept in step.action.keep} == {
        new: ("last",),
        late: ("dated in the future",),
    }
    assert estate.apply(estate.plan(POLICY)) == 0
    assert set(estate.disk.backups) == {new, late}


def test_a_restore_takes_the_newest_real_one_and_says_so(estate: Estate) -> None:
    new, late = back_up(estate, HOUR), back_up(estate, -CENTURY)
    del estate.server.world.instances["default", "web"]
    plan = estate.plan(BACK).plan
    assert [step.action.source for step in plan.steps if isinstance(step.action, Restore)] == [new]
    assert [text for text in plan.warnings if late.timestamp in text] == [
        f"instance/default/web: {late.timestamp} is dated in the future: check the clocks; "
        f"it counts for nothing; {new.timestamp} is taken"
    ]


def test_where_it_is_all_there_is_nothing_is_restored_and_the_way_is_told(estate: Estate) -> None:
    late = back_up(estate, -CENTURY)
    del estate.server.world.instances["default", "web"]
    [missed] = estate.plan(BACK).plan.missed
    assert missed.reason == f"its only backup is dated in the future: {late.timestamp}"
    assert missed.hint == (
        "check the clocks; named by its time, one is taken: "
        f"`incus-backup restore instance web --version {late.timestamp}`"
    )
    named = BACK.replace("select:", f"version: {late.timestamp}, select:")
    assert [step.id for step in estate.plan(named).plan.steps] == ["restore:instance/default/web"]


def test_clocks_that_are_some_minutes_apart_are_fine(estate: Estate) -> None:
    back_up(estate, timedelta(minutes=-4))
    assert standing(estate) == (State.OK, "")
    assert estate.plan(POLICY).plan.steps == ()
