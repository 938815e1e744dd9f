"""Instances come back with the custom volumes that they use: what is missing, what stays, of which moment."""

from datetime import timedelta
from typing import Any

import pytest

from incusbak.errors import ApprovalRequired, Unplannable
from incusbak.model.notes import Inspection
from incusbak.model.plans import Plan, Stay
from incusbak.model.policies import IfPresent, Volumes
from incusbak.model.refs import BackupId, format_timestamp, instance_ref, volume_ref
from incusbak.render import render_plan, render_report
from tests.fake_incus.world import Content
from tests.fakes import MemoryRepository
from tests.world.estates import Clock
from tests.world.mortal import MortalEstate
from tests.world.session import Estate

DB, DATA = instance_ref("default", "db-1"), volume_ref("default", "fast", "data")
BACKED_UP, SINCE = b"as it was backed up", b"as it is since"
KEY = ("default", "fast", "data")
PROTECT = """
version: 1
protect: [{name: all, select: {kind: [instance, volume], projects: ["*"]}, backup: {every: 1s}}]
"""


def disk(**parts: str) -> dict[str, str]:
    return {"type": "disk", "pool": "fast", "source": "data", "path": "/data", **parts}


def rule(more: str = "", names: str = "db-1") -> str:
    select = f"{{kind: instance, names: [{names}]}}"
    return f"version: 1\nrestore: [{{name: back, select: {select}, if_present: replace{more}}}]\n"


def furnished(estate: Estate, status: str = "Running") -> Estate:
    """An instance with its database on a volume of its own."""
    world = estate.server.world
    world.add_pool("fast", "btrfs")
    world.add_volume("data", pool="fast")
    world.contents[KEY] = Content({"rows": BACKED_UP})
    world.add_instance("db-1", status=status, devices={"data": disk()})
    return estate


@pytest.fixture
def estate() -> Estate:
    """One that was backed up, and whose volume was ruined since."""
    estate = furnished(Estate(clock=Clock()))
    back_up(estate)
    ruin(estate)
    return estate


def back_up(estate: Estate) -> str:
    """Back everything up; return when."""
    assert isinstance(estate.clock, Clock)
    estate.clock.now += timedelta(hours=1)
    assert estate.apply(estate.plan(PROTECT)) == 0
    return format_timestamp(estate.clock.now)


def ruin(estate: Estate, content: bytes = SINCE) -> None:
    estate.server.world.contents[KEY].files["rows"] = content


def lose_volume(estate: Estate) -> None:
    del estate.server.world.volumes[KEY], estate.server.world.contents[KEY]


def lose(estate: Estate) -> None:
    del estate.server.world.instances["default", "db-1"]
    lose_volume(estate)


def rows(estate: Estate, key: tuple[str, str, str] = KEY) -> bytes:
    return estate.server.world.contents[key].files["rows"]


def restore(estate: Estate, volumes: Volumes = Volumes.MISSING, **more: Any) -> int:
    return estate.restore("db-1", volumes=volumes, **{"if_present": IfPresent.REPLACE, **more})


def planned(estate: Estate, policy: str) -> Plan:
    return estate.plan(policy).plan


def ids(plan: Plan) -> list[str]:
    return [step.id for step in plan.steps]


def newest(estate: Estate) -> BackupId:
    return max(backup for backup in estate.disk.backups if backup.ref == DATA)


# -- what is missing ----------------------------------------------------------------------------------


def test_a_missing_volume_comes_back_before_its_instance(estate: Estate) -> None:
    lose(estate)
    assert restore(estate, if_present=IfPresent.FAIL) == 0
    assert rows(estate) == BACKED_UP
    assert estate.server.world.instance("db-1").status == "Running"


def test_it_is_one_of_a_plan_by_a_policy_and_after_that_there_is_nothing_to_do(estate: Estate) -> None:
    lose(estate)
    plan_file = estate.plan(rule())
    assert ids(plan_file.plan) == [f"restore:{DATA}", f"restore:{DB}"]
    assert plan_file.plan.steps[1].after == (f"restore:{DATA}",)
    assert estate.apply(plan_file) == 0
    assert ids(planned(estate, rule())) == []


def test_a_volume_of_a_profile_comes_back_too() -> None:
    estate = furnished(Estate(clock=Clock()))
    world = estate.server.world
    world.add_profile("db", devices={"data": disk()})
    world.instance("db-1").document.update(devices={}, profiles=["default", "db"])
    back_up(estate)
    lose(estate)
    assert restore(estate) == 0
    assert rows(estate) == BACKED_UP


def test_without_its_device_a_volume_is_not_needed(estate: Estate) -> None:
    lose(estate)
    assert ids(planned(estate, rule(", without_devices: [data]"))) == [f"restore:{DB}"]


def test_where_none_shall_be_touched_a_missing_one_is_missed(estate: Estate) -> None:
    lose(estate)
    with pytest.raises(Unplannable, match=f"{DB} needs {DATA}: not on the server") as raised:
        estate.plan(rule(", volumes: none"))
    assert "--volumes missing" in raised.value.hint


def test_a_volume_goes_where_the_maps_lead() -> None:
    estate = furnished(Estate(clock=Clock()))
    world = estate.server.world
    back_up(estate)
    lose(estate)
    world.add_pool("big", "dir")
    world.add_project("stage", {"features.storage.volumes": "true"})
    maps = "maps: {pools: {fast: big}, projects: {default: stage}}\n"
    assert estate.apply(estate.plan(rule() + maps)) == 0
    assert rows(estate, ("stage", "big", "data")) == BACKED_UP
    assert set(world.instances) == {("stage", "db-1")}


def test_projects_that_share_the_volumes_of_the_default_one_get_those_back() -> None:
    estate = furnished(Estate(clock=Clock()))
    world = estate.server.world
    world.add_project("shop", {"features.storage.volumes": "false", "features.profiles": "false"})
    world.add_instance("till", project="shop", devices={"data": disk()})
    back_up(estate)
    del world.instances["shop", "till"]
    lose(estate)
    shop = rule(names="till").replace("kind: instance", "kind: instance, projects: [shop]")
    assert ids(planned(estate, shop)) == [f"restore:{DATA}", "restore:instance/shop/till"]


def test_the_volume_of_another_project_is_no_substitute() -> None:
    """Of one name in the default project there is a backup; the project's own was never backed up."""
    estate = furnished(Estate(clock=Clock()))
    world = estate.server.world
    world.add_project("shop", {"features.storage.volumes": "true", "features.profiles": "false"})
    world.add_volume("data", pool="fast", project="shop")
    world.add_instance("till", project="shop", devices={"data": disk()})
    back_up(estate)
    own = volume_ref("shop", "fast", "data")
    for backup in [each for each in estate.disk.backups if each.ref == own]:
        del estate.disk.backups[backup]
    del world.instances["shop", "till"], world.volumes["shop", "fast", "data"]
    shop = rule(names="till").replace("kind: instance", "kind: instance, projects: [shop]")
    with pytest.raises(Unplannable, match=f"not on the server; {own}: no backup"):
        estate.plan(shop)


def test_a_project_that_is_gone_had_the_volumes_that_were_backed_up_of_it() -> None:
    """Whatever the one has that its instances come to."""
    estate = furnished(Estate(clock=Clock()))
    world = estate.server.world
    world.add_project("shop", {"features.storage.volumes": "true", "features.profiles": "false"})
    world.add_volume("data", pool="fast", project="shop")
    world.contents["shop", "fast", "data"] = Content({"rows": b"of the shop"})
    world.add_instance("till", project="shop", devices={"data": disk()})
    back_up(estate)
    lose(estate)
    del world.instances["shop", "till"], world.volumes["shop", "fast", "data"], world.projects["shop"]
    world.add_project("stage", {"features.storage.volumes": "false", "features.profiles": "false"})
    maps = "maps: {projects: {shop: stage}}\n"
    shop = rule(names="till").replace("kind: instance", "kind: instance, projects: [shop]")
    assert estate.apply(estate.plan(shop + maps)) == 0
    assert rows(estate) == b"of the shop"
    assert set(world.instances) == {("stage", "till")}


# -- of which moment ----------------------------------------------------------------------------------


def test_the_backup_of_the_same_moment_is_taken_not_the_newest(estate: Estate) -> None:
    first = newest(estate).timestamp
    back_up(estate)
    lose(estate)
    steps = planned(estate, rule(f", version: {first}")).steps
    assert [step.action.source.timestamp for step in steps] == [first, first]  # type: ignore[union-attr]
    assert estate.apply(estate.plan(rule(f", version: {first}"))) == 0
    assert rows(estate) == BACKED_UP


def test_else_the_nearest_before_it_is_taken(estate: Estate) -> None:
    old = newest(estate)
    second = back_up(estate)
    back_up(estate)
    del estate.disk.backups[BackupId(DATA, second)]
    lose(estate)
    steps = planned(estate, rule(f", version: {second}")).steps
    assert steps[0].action.source == old  # type: ignore[union-attr]


def test_where_there_is_none_so_old_the_restore_is_refused_and_says_what_there_is(estate: Estate) -> None:
    first = newest(estate)
    second = back_up(estate)
    del estate.disk.backups[first]
    lose(estate)
    with pytest.raises(Unplannable) as raised:
        estate.plan(rule(f", version: {first.timestamp}"))
    assert raised.value.message == (
        f"{DB} needs {DATA}: not on the server; {DATA}: no backup from {first.timestamp} or "
        f"earlier; the nearest: {second}"
    )
    assert f"`incus-backup restore volume fast/data --version {second}`" in raised.value.hint


def test_a_damaged_one_is_passed_over(estate: Estate) -> None:
    old = newest(estate)
    second = BackupId(DATA, back_up(estate))
    estate.disk.backups[second]["manifest.json"] = b"{"
    lose(estate)
    plan = planned(estate, rule())
    assert plan.steps[0].action.source == old  # type: ignore[union-attr]
    assert plan.steps[0].passed_over == (second,)


def test_where_all_are_damaged_that_is_said(estate: Estate) -> None:
    MemoryRepository(estate.disk).note(Inspection(newest(estate), estate.clock(), "cut"))
    lose(estate)
    with pytest.raises(Unplannable, match=f"{DATA}: its only backup is known to be damaged") as raised:
        estate.plan(rule())
    assert "try one all the same, `incus-backup restore volume fast/data --version" in raised.value.hint


def test_of_a_volume_that_two_share_the_newest_that_fits_is_taken(estate: Estate) -> None:
    world = estate.server.world
    world.add_instance("db-2", devices={"data": disk()})
    back_up(estate)
    for backup in [each for each in estate.disk.backups if each == BackupId(DB, newest(estate).timestamp)]:
        del estate.disk.backups[backup]
    taken = newest(estate)
    del world.instances["default", "db-2"]
    lose(estate)
    plan = planned(estate, rule(names='"db-*"'))
    assert ids(plan) == [f"restore:{DATA}", f"restore:{DB}", "restore:instance/default/db-2"]
    assert plan.steps[0].action.source == taken  # type: ignore[union-attr]
    assert any("is shared by instances of several times" in warning for warning in plan.warnings)


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


def test_all_are_replaced_before_their_instance(estate: Estate) -> None:
    plan = planned(estate, rule(", volumes: all"))
    assert ids(plan) == [f"replace:{DATA}", f"replace:{DB}"]
    assert plan.steps[1].after == (f"replace:{DATA}",)
    assert any(f"{DB} as it is now is started on {DATA.address}" in warning for warning in plan.warnings)
    assert restore(estate, Volumes.ALL) == 0  # --yes is enough: nobody else has to be stopped
    assert rows(estate) == BACKED_UP
    assert estate.server.world.instance("db-1").status == "Running"
    assert estate.temporary() == []


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
    assert ids(planned(estate, rule(", volumes: all"))) == [f"replace:{DATA}", f"replace:{DB}"]
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
