"""What can't be cleaned up is told once, and tried again only when there is a reason to."""

from collections.abc import Callable

from attrs import evolve

from incusbak.errors import OperationFailed
from incusbak.model.records import Phase, Restoration
from tests.fake_incus.world import Content
from tests.world.mortal import DAMAGED, RESTORED, MortalEstate, MortalIncus

_POLICY = """
version: 1
protect:
  - {name: all, select: {kind: instance, names: [db]}}
"""
_REPLACE = """
version: 1
restore:
  - {name: back, select: {kind: volume, names: [fast/data]}, if_present: replace}
"""


def with_stuck_snapshot(*, status: str = "Running") -> MortalEstate:
    """An estate with an instance that the server can't delete any more: its snapshot was exported."""
    estate = MortalEstate(server=MortalIncus())
    estate.add_web(driver="dir", status=status)
    estate.server.world.add_instance("db")
    estate.server.create("instances/web/snapshots", {"name": "back\\slash"})
    assert estate.back_up_web() == 0
    estate.web().files["rootfs/data"] = DAMAGED
    return estate


def with_quarantine() -> tuple[MortalEstate, str]:
    """One in which a replaced instance can't be removed, which was told already; with its name."""
    estate = with_stuck_snapshot()
    assert estate.replace_web() == 1
    assert estate.back_up("db") == 3
    [(_, aside)] = [key for key in estate.server.world.instances if key[1].startswith("incusbak-")]
    return estate, aside


def restart(estate: MortalEstate) -> None:
    estate.server.server = evolve(estate.server.server, process=f"{estate.server.server.process}1")


def release(estate: MortalEstate) -> None:
    """Have the host restarted: nothing is mounted any more."""
    for instance in estate.server.world.instances.values():
        for snapshot in instance.snapshots.values():
            snapshot.is_stuck = False
    restart(estate)


def cleans_up(estate: MortalEstate) -> bool:
    return estate.plan(_POLICY).plan.summary.clean_up > 0


CHANGES: dict[str, Callable[[MortalEstate], object]] = {
    "stopped": lambda e: e.server.replace("instances/web/state", {"action": "stop", "force": True}),
    "configured": lambda e: e.web().config.update({"user.note": "another"}),
    "snapshotted": lambda e: e.server.create("instances/web/snapshots", {"name": "new"}),
    "deleted": lambda e: e.server.world.instances.pop(("default", "web")),
}


def test_what_becomes_of_the_living_is_no_reason_to_try_again() -> None:
    estate, _ = with_quarantine()
    for change in CHANGES.values():
        change(estate)
        assert not cleans_up(estate)
    assert estate.back_up("db") == 0


def test_a_restart_of_the_server_is_a_reason_and_the_same_end_is_no_news() -> None:
    estate, aside = with_quarantine()
    restart(estate)
    assert cleans_up(estate)
    assert estate.back_up("db") == 0
    assert ("default", aside) in estate.server.world.instances
    assert not cleans_up(estate)


def test_another_end_is_told() -> None:
    estate, aside = with_quarantine()
    restart(estate)

    def refuse(method: str, path: str) -> None:
        if (method, path) == ("DELETE", f"instances/{aside}"):
            raise OperationFailed("the disk is on fire")

    estate.server.before(refuse)
    assert estate.back_up("db") == 3
    estate.server.before(lambda *_: estate.server.moment())
    restart(estate)
    assert estate.back_up("db") == 3


def test_after_a_restart_of_the_host_it_is_removed_whatever_has_become_of_the_restored_one() -> None:
    """Who has stopped or deleted that meanwhile meant to: it is neither started nor made again."""
    for name in ("stopped", "deleted"):
        estate, aside = with_quarantine()
        CHANGES[name](estate)
        release(estate)
        assert estate.back_up("db") == 0
        assert ("default", aside) not in estate.server.world.instances
        there = estate.server.world.instances.get(("default", "web"))
        assert (there.status if there else "deleted") == {"stopped": "Stopped"}.get(name, name)
        assert estate.left() == []


def with_unremovable_successor() -> MortalEstate:
    """A replace that failed and was undone, but for what was new: the server can't remove that."""
    estate = with_stuck_snapshot(status="Running")

    def spoil(method: str, path: str) -> None:
        for (_, name), instance in estate.server.world.instances.items():
            if name.startswith("incusbak-") and not name.endswith("-old"):
                instance.snapshots["s1"].is_stuck = True
        if (method, path) == ("PUT", "instances/web/state") and estate.web().files["rootfs/data"] == RESTORED:
            raise OperationFailed("it does not start")

    estate.server.before(spoil)
    assert estate.replace_web() == 1
    estate.server.before(lambda *_: estate.server.moment())
    return estate


def test_an_original_that_is_back_is_nobodys_business_any_more() -> None:
    """That alone which is new remains to be removed; who stops the original finds it stopped."""
    estate = with_unremovable_successor()
    assert (estate.web().status, estate.web().files["rootfs/data"]) == ("Running", DAMAGED)
    [record] = [r for pile in estate.shelf.runs.values() for r in pile.values()]
    assert isinstance(record, Restoration)
    assert (record.phase, record.victim) == (Phase.IMPORTING, None)

    assert estate.back_up("db") == 3
    CHANGES["stopped"](estate)
    assert not cleans_up(estate)
    release(estate)
    assert (estate.back_up("db"), estate.left(), estate.web().status) == (0, [], "Stopped")


def with_replaced_volume() -> MortalEstate:
    """One in which a volume was replaced that can't be removed, while an instance that runs uses it."""
    estate, key = MortalEstate(server=MortalIncus()), ("default", "fast", "data")
    world = estate.server.world
    world.add_pool("fast", "dir")
    world.add_volume("data", pool="fast")
    world.contents[key] = Content({"f": RESTORED})
    estate.server.create("storage-pools/fast/volumes/custom/data/snapshots", {"name": "back\\slash"})
    device = {"type": "disk", "pool": "fast", "source": "data", "path": "/data"}
    world.add_instance("web", status="Running", devices={"data": device})
    world.add_instance("db")
    assert estate.back_up(kind="volume") == 0
    assert estate.apply(estate.plan(_REPLACE)) == 1
    assert estate.back_up("db") == 3
    return estate


def test_who_uses_a_replaced_volume_may_be_stopped() -> None:
    """They ran with the new one: that is all that the old one was kept for."""
    estate = with_replaced_volume()
    CHANGES["stopped"](estate)
    estate.server.create("storage-pools/fast/volumes/custom/data/snapshots", {"name": "new"})
    assert not cleans_up(estate)
    for content in estate.server.world.contents.values():
        for snapshot in content.snapshots.values():
            snapshot.is_stuck = False
    restart(estate)
    assert (estate.back_up(kind="volume"), estate.left(), estate.web().status) == (0, [], "Stopped")
    assert list(estate.server.world.volumes) == [("default", "fast", "data")]
