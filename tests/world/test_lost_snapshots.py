"""Backups of snapshots that a server can't delete once it has mounted them leave none of their own."""

import pytest

from incusbak.kinds.instance import InstanceKind
from incusbak.model.refs import instance_ref
from tests.fake_incus.world import Content
from tests.world.mortal import MortalEstate, MortalIncus
from tests.world.session import Estate

NAMES = ("back\\slash", "ta\tb", "s1")


def estate_with(driver: str = "dir", status: str = "Running") -> MortalEstate:
    estate = MortalEstate(server=MortalIncus())
    estate.add_web(driver=driver, status=status)
    for name in NAMES[:2]:
        estate.server.create("instances/web/snapshots", {"name": name})
        estate.web().snapshots[name].files[f"rootfs/{len(name)}"] = name.encode()
    return estate


@pytest.mark.parametrize("status", ["Running", "Stopped", "Frozen"])
def test_each_backup_is_whole_and_leaves_nothing(status: str) -> None:
    estate = estate_with(status=status)
    before = estate.look()
    assert (estate.back_up_web(), estate.back_up_web(), estate.left()) == (0, 0, [])
    del estate.server.world.instances["default", "web"]
    assert estate.restore("web") == 0
    assert estate.look()["snapshots"] == before["snapshots"]


def test_what_a_killed_backup_left_can_be_removed() -> None:
    estate, fatal = estate_with(), 0
    while estate.dies(fatal := fatal + 3, estate.back_up_web):
        estate.server.arm(0)
        assert (estate.back_up_web(), estate.left()) == (0, [])
    assert fatal > 30


def test_a_volume_in_use_is_backed_up_and_leaves_nothing() -> None:
    estate, key = Estate(), ("default", "fast", "data")
    world = estate.server.world
    world.add_pool("fast", "dir")
    world.add_volume("data", pool="fast")
    world.contents[key] = Content({"f": b"old"})
    where = "storage-pools/fast/volumes/custom/data/snapshots"
    for name in NAMES:
        estate.server.create(where, {"name": name})
    snapshots = {n: (s.document, s.files) for n, s in world.content(key).snapshots.items()}
    device = {"type": "disk", "pool": "fast", "source": "data", "path": "/data"}
    world.add_instance("web", status="Running", devices={"data": device})

    assert (estate.back_up(kind="volume"), estate.back_up(kind="volume"), estate.temporary()) == (0, 0, [])
    assert [each[2] for each in world.volumes] == ["data"]
    assert estate.restore("fast/data", kind="volume", target_name="copy") == 0
    copy = world.content(("default", "fast", "copy")).snapshots
    assert {n: (s.document, s.files) for n, s in copy.items()} == snapshots


def test_a_backup_says_how_to_get_rid_of_the_name() -> None:
    estate = estate_with()
    estate.back_up_web()
    [backup] = estate.disk.backups
    told = InstanceKind().caveats(estate.session().repository.manifest(backup).manifest)
    assert [word for words in told for word in words.split("`") if "NEW" in word] == [
        "incus snapshot rename --project default web 'back\\slash' NEW",
        "incus snapshot rename --project default web 'ta\tb' NEW",
    ]


@pytest.mark.parametrize(("driver", "is_told"), [("dir", True), ("btrfs", False)])
def test_a_replace_warns_that_the_present_one_may_have_to_stay(driver: str, is_told: bool) -> None:
    estate = estate_with(driver, "Stopped")
    found = InstanceKind().inspect(estate.server, instance_ref("default", "web"))
    assert found is not None
    words = " ".join(InstanceKind().foresee(estate.server, found).warnings)
    assert ("can't delete its snapshots 'back\\\\slash', 'ta\\tb'" in words) == is_told
