"""Instances come back with the custom volumes that they use: what is missing, of which moment."""

import pytest

from incusbak.errors import Unplannable
from incusbak.kinds.volume import VolumeKind
from incusbak.model.facts import Foreseen
from incusbak.model.notes import Inspection
from incusbak.model.policies import IfPresent
from incusbak.model.refs import BackupId, volume_ref
from tests.fake_incus.world import Content
from tests.fakes import MemoryRepository
from tests.world.attached_scene import (
    BACKED_UP,
    DATA,
    DB,
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
from tests.world.session import Estate


@pytest.fixture
def estate() -> Estate:
    return ruined_estate()


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
    assert raised.value.hint.startswith("`incus-backup restore volume fast/data --version ")
    assert "reads it again, and takes it only if it is whole by then; create " in raised.value.hint


def test_one_whose_volume_can_not_come_back_keeps_no_other_away(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left undone with its volume; each says why."""
    estate.server.world.add_instance("db-2")
    back_up(estate)
    del estate.server.world.instances["default", "db-2"]
    lose(estate)
    monkeypatch.setattr(VolumeKind, "unrestorable", lambda *_: "too old")
    plan = planned(estate, rule(names='"db-*"'))
    assert ids(plan) == ["restore:instance/default/db-2"]
    assert [missed.address for missed in plan.missed] == [DB.address, DATA.address]
    assert "too old" in plan.missed[1].reason
    assert plan.missed[0].reason == f"needs {DATA}: not on the server"
    with pytest.raises(Unplannable, match="can't be restored here: too old"):
        estate.plan(rule())


def test_one_whose_volume_can_not_be_replaced_is_left_as_it_is(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would run on another content than it is of."""
    estate.server.world.add_instance("db-2")
    back_up(estate)
    ruin(estate)
    monkeypatch.setattr(VolumeKind, "foresee", lambda *_: Foreseen("Incus itself uses it"))
    plan = planned(estate, rule(", volumes: all", names='"db-*"'))
    assert ids(plan) == ["replace:instance/default/db-2"]
    [missed] = plan.missed
    assert (missed.address, missed.reason) == (DB.address, f"{DATA} can't be replaced: Incus itself uses it")


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
