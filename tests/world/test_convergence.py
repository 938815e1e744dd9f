"""Applying a plan fully and planning again gives no changes; the same world gives the same bytes."""

import pytest

from incusbak import codec
from incusbak.model.policies import IfPresent
from tests.world.session import Estate, ShuffledIncus

PROTECT = """
version: 1
protect:
  - {name: all, select: {kind: instance}, backup: {every: 24h}}
"""
RESTORE = """
version: 1
restore:
  - {name: back, select: {kind: instance}, if_present: replace}
"""


@pytest.fixture(params=[["direct_backup"], []], ids=["direct", "staged"])
def estate(request: pytest.FixtureRequest) -> Estate:
    estate = Estate()
    estate.server = ShuffledIncus(extensions=request.param)
    estate.server.world.add_pool("fast", "btrfs")
    root = {"root": {"type": "disk", "path": "/", "pool": "fast"}}
    estate.server.world.add_instance("web", status="Running", files={"rootfs/data": b"web"})
    estate.server.world.add_instance("db", status="Running", files={"rootfs/data": b"db"}, devices=root)
    estate.server.world.add_instance("old", files={"rootfs/data": b"old"})
    return estate


def contents(estate: Estate, name: str) -> bytes:
    return estate.server.world.instances["default", name].files["rootfs/data"]


def test_after_a_backup_there_is_nothing_to_back_up(estate: Estate) -> None:
    plan_file = estate.plan(PROTECT)
    assert [step.id for step in plan_file.plan.steps] == [
        "back-up:instance/default/db",
        "back-up:instance/default/old",
        "back-up:instance/default/web",
    ]
    assert estate.apply(plan_file) == 0
    assert estate.plan(PROTECT).plan.steps == ()
    assert estate.temporary() == []
    assert not any(estate.shelf.runs.values())


def test_after_a_restore_there_is_nothing_to_restore(estate: Estate) -> None:
    estate.apply(estate.plan(PROTECT))
    world = estate.server.world
    del world.instances["default", "web"]
    world.instances["default", "db"].files["rootfs/data"] = b"damaged"
    plan_file = estate.plan(RESTORE)
    assert {step.id for step in plan_file.plan.steps} == {
        "restore:instance/default/web",
        "replace:instance/default/db",
        "replace:instance/default/old",
    }
    assert estate.apply(plan_file) == 0
    assert estate.plan(RESTORE).plan.steps == ()
    assert (contents(estate, "web"), contents(estate, "db")) == (b"web", b"db")
    assert [world.instances["default", n].status for n in ("web", "db", "old")] == [
        "Running",
        "Running",
        "Stopped",
    ]
    assert estate.temporary() == []


def test_the_same_world_gives_the_same_bytes(estate: Estate) -> None:
    estate.apply(estate.plan(PROTECT))
    plans = {codec.canonical(estate.plan(PROTECT + RESTORE.partition("1")[2]).plan) for _ in range(10)}
    assert len(plans) == 1


def test_a_copy_beside_its_original_is_another_one(estate: Estate) -> None:
    estate.back_up("web")
    assert estate.restore("web", target_name="web-2") == 0
    web, copy = (estate.server.world.instances["default", name] for name in ("web", "web-2"))
    assert copy.config["volatile.uuid"] != web.config["volatile.uuid"]
    assert copy.files == web.files
    assert (web.status, copy.status) == ("Running", "Running")


def test_what_exists_is_skipped_when_told_so(estate: Estate) -> None:
    estate.back_up("web")
    estate.server.requests.clear()
    assert estate.restore("web", if_present=IfPresent.SKIP) == 0
    assert {method for method, _ in estate.server.requests} == {"GET"}


def test_the_number_of_requests_does_not_depend_on_the_number_of_instances(estate: Estate) -> None:
    def requests() -> int:
        estate.server.requests.clear()
        estate.plan(PROTECT)
        return len(estate.server.requests)

    few = requests()
    for number in range(50):
        estate.server.world.add_instance(f"c{number}")
    assert requests() == few
