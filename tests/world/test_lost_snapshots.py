"""Backups of snapshots that a server can't delete once it has mounted them leave none of their own."""

import pytest

from incusbak.errors import Refused, Unplannable
from incusbak.kinds.common.paths import path
from incusbak.kinds.common.replacement import name_snapshots, told_names
from incusbak.kinds.instance import InstanceKind
from incusbak.kinds.volume import VolumeKind
from incusbak.model.policies import IfPresent
from incusbak.model.refs import instance_ref
from tests.fake_incus.world import Content
from tests.world.mortal import MortalEstate, MortalIncus
from tests.world.session import Estate
from tests.world.volume_scene import REF, make_scene

NAMES = ("back\\slash", "ta\tb", "not\\found", "s1")


def estate_with(driver: str = "dir", status: str = "Running") -> MortalEstate:
    estate = MortalEstate(server=MortalIncus())
    estate.add_web(driver=driver, status=status)
    for name in NAMES[:3]:
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
    for name in (*NAMES, "v[1]x", "a[b", "tail\\"):
        estate.server.create(where, {"name": name})
    snapshots = {n: (s.document, s.files) for n, s in world.content(key).snapshots.items()}
    device = {"type": "disk", "pool": "fast", "source": "data", "path": "/data"}
    world.add_instance("web", status="Running", devices={"data": device})

    assert (estate.back_up(kind="volume"), estate.back_up(kind="volume"), estate.temporary()) == (0, 0, [])
    assert [each[2] for each in world.volumes] == ["data"]
    assert estate.restore("fast/data", kind="volume", target_name="copy") == 0
    copy = world.content(("default", "fast", "copy")).snapshots
    assert {n: (s.document, s.files) for n, s in copy.items()} == snapshots


def test_what_tar_misreads_of_a_volume_is_told() -> None:
    estate = Estate()
    estate.server.world.add_pool("fast", "btrfs")
    estate.server.world.add_volume("data", pool="fast")
    for name in ("v[1]x", "a.b"):
        estate.server.create("storage-pools/fast/volumes/custom/data/snapshots", {"name": name})
    assert estate.back_up(kind="volume") == 0
    [backup] = estate.disk.backups
    [words] = VolumeKind().caveats(estate.session().repository.manifest(backup).manifest)
    assert words.startswith("`incus storage volume import` alone can't unpack its snapshot 'v[1]x', which")


def test_a_backup_says_how_to_get_rid_of_the_name() -> None:
    estate = estate_with()
    estate.back_up_web()
    [backup] = estate.disk.backups
    lost, unfound = InstanceKind().caveats(estate.session().repository.manifest(backup).manifest)
    assert "snapshots 'back\\\\slash', 'not\\\\found', 'ta\\tb' from the first backup" in lost
    assert "`incus snapshot rename --project default web 'back\\slash' NEW`" in lost
    assert unfound.startswith("`incus import` alone can't unpack its snapshot 'not\\\\found'")


def test_where_no_server_can_unpack_anything_a_backup_says_so_and_no_restore_is_tried() -> None:
    estate = Estate()
    world = estate.server.world
    world.add_pool("po\\nl", "btrfs")
    root = {"type": "disk", "path": "/", "pool": "po\\nl"}
    world.add_instance("web", devices={"root": root})
    assert estate.back_up("web") == 0
    [backup] = estate.disk.backups
    manifest = estate.session().repository.manifest(backup).manifest
    assert "can only be restored elsewhere" in " ".join(InstanceKind().caveats(manifest))
    assert "tar misreads" in InstanceKind().unrehearsable(manifest.captured.resource, optimized=False)
    del world.instances["default", "web"]
    with pytest.raises(Unplannable, match="tar misreads"):
        estate.restore("web")


@pytest.mark.parametrize(("driver", "is_told"), [("dir", True), ("btrfs", False)])
def test_a_replace_warns_that_the_present_one_may_have_to_stay(driver: str, is_told: bool) -> None:
    estate = estate_with(driver, "Stopped")
    found = InstanceKind().inspect(estate.server, instance_ref("default", "web"))
    assert found is not None
    words = " ".join(InstanceKind().foresee(estate.server, found).warnings)
    assert ("can't delete its snapshots 'back\\\\slash', 'not\\\\found', 'ta\\tb'" in words) == is_told


def test_a_snapshot_that_the_servers_tar_can_not_find_can_be_rehearsed() -> None:
    estate = estate_with()
    estate.back_up_web()
    assert (estate.rehearse("web"), estate.left()) == (0, [])


def test_a_name_that_the_server_does_not_take_again_is_told() -> None:
    """Newer servers take fewer: what could not have its name back is there all the same, with its expiry."""
    estate = estate_with()
    estate.web().snapshots["not\\found"].document["expires_at"] = "2040-01-01T00:00:00Z"
    estate.back_up_web()
    del estate.server.world.instances["default", "web"]
    estate.server.fail_on(
        lambda method, path: method == "POST" and path.endswith("/snapshots/notafound"),
        Refused("Names must start and end with an alphanumeric character"),
    )
    assert estate.restore("web") == 0
    assert estate.web().snapshots["notafound"].document["expires_at"] == "2040-01-01T00:00:00Z"
    [words] = told_names({"not\\found": "notafound"})
    assert words.startswith("its snapshot 'not\\\\found' is called 'notafound'")


@pytest.mark.parametrize("status", ["Running", "Stopped"])
def test_what_has_a_snapshot_that_is_the_folder_of_all_is_neither_exported_nor_replaced(status: str) -> None:
    estate = MortalEstate(server=MortalIncus())
    estate.add_web(driver="dir", status=status)
    assert estate.back_up_web() == 0
    estate.server.create("instances/web/snapshots", {"name": ".."})
    asked = len(estate.server.requests)
    assert (estate.back_up_web(), estate.left(), len(estate.disk.backups)) == (1, [], 1)
    assert not any("backups" in path for _, path in list(estate.server.requests)[asked:])
    with pytest.raises(Unplannable, match="lies where the snapshots of all others on its pool do"):
        estate.restore("web", if_present=IfPresent.REPLACE)


def test_no_snapshot_is_ever_called_as_the_folder_of_all() -> None:
    """What a backup calls so keeps another name: Incus 6.0 would take this one, and lose those of others."""
    scene, above = make_scene(), {"..": "s1"}
    assert name_snapshots(scene.tools(), REF, {**above, "b": "s2"}) == above
    names = {each["name"].rpartition("/")[2] for each in scene.server.list(f"{path(REF)}/snapshots")}
    assert names == {"s1", "b"}
    [words] = told_names(above)
    assert words == "its snapshot '..' is called 's1', since that is where all of them lie"


def test_what_goes_through_a_scratch_project_leaves_nothing_there() -> None:
    """A move copies, and deletes what it copied: on its way no snapshot may have a name that is lost."""
    estate = MortalEstate(server=MortalIncus(extensions=()))
    estate.add_web(driver="dir", status="Stopped")
    for name in NAMES[:3]:
        estate.server.create("instances/web/snapshots", {"name": name})
    assert estate.back_up_web() == 0
    estate.server.world.projects["default"]["config"]["limits.instances"] = "5"
    del estate.server.world.instances["default", "web"]
    assert estate.restore("web") == 0
    assert any(path.startswith("instances") and "incusbak" in path for _, path in estate.server.requests)
    assert {*NAMES[:3]} < estate.web().snapshots.keys()
    assert estate.left() == []
