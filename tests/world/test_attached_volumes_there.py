"""Instances come back with the custom volumes that they use: what is there stays, or not."""

import pytest

from incusbak.errors import ApprovalRequired
from incusbak.model.plans import Stay
from incusbak.model.policies import Volumes
from incusbak.model.refs import volume_ref
from incusbak.render import render_plan, render_report
from tests.fake_incus.world import Content
from tests.world.attached_scene import (
    BACKED_UP,
    DATA,
    DB,
    KEY,
    SINCE,
    back_up,
    disk,
    furnished,
    ids,
    lose,
    newest,
    planned,
    restore,
    rows,
    ruin,
    ruined_estate,
    rule,
)
from tests.world.estates import Clock
from tests.world.mortal import MortalEstate
from tests.world.session import Estate


@pytest.fixture
def estate() -> Estate:
    return ruined_estate()


# -- what is there ------------------------------------------------------------------------------------


def test_what_is_there_stays_and_plan_and_result_say_so(estate: Estate) -> None:
    plan_file = estate.plan(rule())
    [step] = plan_file.plan.steps
    assert (step.id, step.stays) == (f"replace:{DB}", (Stay(DATA, newest(estate)),))
    told = (
        f"{DATA} stays as it is; --volumes all (in a policy: volumes) brings {newest(estate).timestamp} back"
    )
    assert told in " ".join(render_plan(plan_file, form="text").split())
    assert restore(estate) == 0
    assert rows(estate) == SINCE
    report, _, _ = estate.disk.runs[-1]
    assert f"    {told}\n" in render_report(report)


def test_where_none_shall_be_touched_nothing_is_said_of_it(estate: Estate) -> None:
    [step] = planned(estate, rule(", volumes: none")).steps
    assert step.stays == ()
    assert restore(estate, Volumes.NONE) == 0
    assert rows(estate) == SINCE


def test_all_are_replaced_after_the_instance_that_runs_on_them(estate: Estate) -> None:
    """Never does the instance as it is now run on the volume as it was."""
    world, seen = estate.server.world, set()
    world.instance("db-1").config["user.note"] = "since"

    def look(*_: object) -> None:
        there = world.instances.get(("default", "db-1"))
        if there and there.status == "Running" and KEY in world.contents:
            seen.add((there.config.get("user.note"), rows(estate)))

    plan = planned(estate, rule(", volumes: all"))
    assert ids(plan) == [f"replace:{DB}", f"replace:{DATA}"]
    assert plan.steps[1].after == (f"replace:{DB}",)
    estate.server.after(look)
    assert restore(estate, Volumes.ALL) == 0  # --yes is enough: nobody else has to be stopped
    assert rows(estate) == BACKED_UP
    assert world.instance("db-1").status == "Running"
    assert estate.temporary() == []
    assert seen == {("since", SINCE), (None, SINCE), (None, BACKED_UP)}


def test_after_that_a_policy_has_nothing_to_do(estate: Estate) -> None:
    assert estate.apply(estate.plan(rule(", volumes: all"))) == 0
    assert ids(planned(estate, rule(", volumes: all"))) == []


def test_who_else_has_to_be_stopped_for_it_is_not_agreed_to_by_yes(estate: Estate) -> None:
    estate.server.world.add_instance("other", status="Running", devices={"data": disk()})
    with pytest.raises(
        ApprovalRequired, match=f"{DATA} can't be replaced without stopping instance/default/other"
    ):
        restore(estate, Volumes.ALL)
    assert rows(estate) == SINCE


def test_a_copy_replaces_what_its_original_uses_only_with_the_hazards_of_that(estate: Estate) -> None:
    with pytest.raises(ApprovalRequired, match=f"without stopping {DB}"):
        restore(estate, Volumes.ALL, target_name="copy")
    assert restore(estate, target_name="copy") == 0
    assert rows(estate) == SINCE


def test_what_has_no_backup_stays_and_is_told(estate: Estate) -> None:
    first = newest(estate)
    del estate.disk.backups[first]
    plan = planned(estate, rule(", volumes: all"))
    assert ids(plan) == [f"replace:{DB}"]
    assert plan.steps[0].stays == (Stay(DATA, None),)
    found = [warning for warning in plan.warnings if "no backup" in warning]
    why = f"{DATA}: no backup from {first.timestamp} or earlier"
    assert found == [f"{DATA}, which {DB} is attached to, stays as it is; {why}"]


def test_a_volume_that_only_a_snapshot_of_the_instance_has_is_not_replaced(estate: Estate) -> None:
    world = estate.server.world
    world.add_volume("old", pool="fast")
    world.contents["default", "fast", "old"] = Content({"rows": b"x"})
    world.instance("db-1").document["devices"]["old"] = disk(source="old", path="/old")
    estate.server.create("instances/db-1/snapshots", {"name": "s1"})
    del world.instance("db-1").document["devices"]["old"]
    back_up(estate)
    assert ids(planned(estate, rule(", volumes: all"))) == [f"replace:{DB}", f"replace:{DATA}"]
    del world.volumes["default", "fast", "old"], world.contents["default", "fast", "old"]
    old = volume_ref("default", "fast", "old")
    assert ids(planned(estate, rule())) == [f"restore:{old}", f"replace:{DB}"]


def test_what_is_asked_for_by_itself_is_restored_as_was_asked(estate: Estate) -> None:
    policy = rule(", volumes: all") + "  - {name: v, select: {kind: volume}, if_present: skip}\n"
    policy = policy.replace("restore: [{", "restore:\n  - {").replace("}]\n", "}\n")
    assert ids(planned(estate, policy)) == [f"replace:{DB}"]


# -- runs that end in the middle ----------------------------------------------------------------------


RUINED = {"missing": Volumes.MISSING, "all": Volumes.ALL, "there": Volumes.ALL}


@pytest.mark.no_cover  # see tests/conftest.py
@pytest.mark.parametrize("way", RUINED)
def test_a_run_that_is_killed_is_mended_by_the_next(way: str) -> None:
    for moment in range(1, 600, 7):
        estate = ruined(is_lost=way != "there")
        died = estate.dies(moment, lambda estate=estate: restore(estate, RUINED[way]))  # type: ignore[misc]
        assert restore(estate, RUINED[way]) == 0, moment
        assert rows(estate) == BACKED_UP, moment
        assert estate.server.world.instance("db-1").status == "Running", moment
        assert (estate.temporary(), len(estate.server.world.volumes)) == ([], 1), moment
        if not died:
            return
    raise AssertionError("it never got through")


def ruined(*, is_lost: bool) -> MortalEstate:
    estate = MortalEstate(clock=Clock())
    furnished(estate)
    back_up(estate)
    if is_lost:
        lose(estate)
    else:
        ruin(estate)
    return estate
