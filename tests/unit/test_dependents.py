"""Disks that depend on an instance: found, placed, and renamed in an archive."""

from typing import Any

import pytest
from attrs import evolve

from incusbak.errors import Corrupt
from incusbak.kinds import KINDS
from incusbak.kinds.common.marks import is_temporary_name
from incusbak.kinds.instance import definition, dependents
from incusbak.kinds.instance.devices import leaving_out
from incusbak.kinds.volume.definition import to_temporary
from incusbak.model.backups import ExportOptions, ExportWishes, Manifest
from incusbak.model.goals import RestoreOptions
from incusbak.model.inventory import Resource, ServerInfo
from incusbak.model.policies import Maps
from incusbak.model.refs import ResourceRef, instance_ref, volume_ref
from tests.samples import manifest_of
from tests.unit.worlds import STORED

WEB, COPY = instance_ref("default", "web"), instance_ref("shop", "copy")
ROOT = {"type": "disk", "path": "/", "pool": "fast"}
DATA = {"type": "disk", "path": "/srv", "pool": "fast", "source": "dv", "dependent": "true"}
MORE = {**DATA, "path": "/more", "pool": "big", "source": "more"}
SHARED = {"type": "disk", "path": "/shared", "pool": "fast", "source": "shared"}
NEW = ServerInfo("f", "host", "7.0", frozenset({"dependent"}))
OLD = ServerInfo("f", "host", "6.0")
TO_BIG = Maps(pools={"fast": "big"})


def document(inherited: dict[str, Any] | None = None, **devices: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "project": "default",
        "status": "Running",
        "config": {},
        "devices": devices,
        "expanded_devices": {"root": ROOT, **devices, **(inherited or {})},
        "profiles": [],
    }


def manifest(resource: dict[str, Any], *, optimized: bool = False) -> Manifest:
    made = manifest_of(STORED, ())
    return evolve(
        made,
        captured=evolve(made.captured, resource=resource),
        options=ExportOptions(optimized=optimized),
    )


@pytest.mark.parametrize(
    ("device", "depends"),
    [
        (DATA, True),
        ({**DATA, "dependent": "1"}, True),
        ({**DATA, "dependent": "false"}, False),
        (SHARED, False),
        ({**ROOT, "dependent": "true"}, False),
        ({**DATA, "pool": ""}, False),
        ({"type": "none"}, False),
    ],
)
def test_a_disk_depends_if_it_says_so_and_has_a_volume(device: dict[str, str], depends: bool) -> None:
    assert dependents.is_dependent(device) == depends


def test_their_volumes_are_neither_companions_nor_needed_but_their_pools_are() -> None:
    kind, whole = KINDS["instance"], document(more=MORE, shared=SHARED)
    shared = volume_ref("default", "fast", "shared")
    assert {ref for ref in kind.companions(whole) if ref.kind == "volume"} == {shared}
    needed = kind.requires(manifest(whole), WEB, RestoreOptions())
    assert {ref for ref in needed if ref.kind == "volume"} == {shared}
    assert ResourceRef("pool", name="big") in needed


def test_a_restore_brings_them_along_under_names_that_the_original_has_not() -> None:
    kind, stored = KINDS["instance"], manifest(document(data=DATA, more=MORE))
    assert kind.brings(stored, WEB, RestoreOptions()) == (
        volume_ref("default", "fast", "dv"),
        volume_ref("default", "big", "more"),
    )
    assert kind.brings(stored, COPY, RestoreOptions(maps=TO_BIG)) == (
        volume_ref("shop", "big", "copy-dv"),
        volume_ref("shop", "big", "copy-more"),
    )


def test_a_disk_of_a_profile_becomes_its_own_only_where_it_differs() -> None:
    whole = document({"data": DATA}, more=MORE)
    same = dependents.placed(whole, Maps(), dependents.names_under(whole, "web"))
    assert dependents.in_definition({"devices": {"more": MORE}}, whole, same) == {"devices": {"more": MORE}}
    other = dependents.placed(whole, Maps(), dependents.names_under(whole, "copy"))
    found = dependents.in_definition({"devices": {"more": MORE}}, whole, other)["devices"]
    assert {name: device["source"] for name, device in found.items()} == {
        "data": "copy-dv",
        "more": "copy-more",
    }


def test_snapshots_name_the_volumes_as_the_instance_does() -> None:
    names = dependents.names_under(document(), "copy")
    found = dependents.in_snapshot({"devices": {"data": DATA, "shared": SHARED}}, names)
    assert found == {"devices": {"data": {**DATA, "source": "copy-dv"}, "shared": SHARED}}


def test_names_on_the_way_are_only_this_tools() -> None:
    names = dependents.numbered("incusbak-0123456789ab")
    made = [names(12, "dv") + suffix for suffix in ("", "-old", "-new", "-old-back")]
    assert all(map(is_temporary_name, made))


def archived(name: str = "dv", pool: str = "fast") -> dict[str, Any]:
    volume = {"name": name, "project": "default", "config": {"user.x": "1"}, "created_at": "then"}
    return {"dependent_volumes": [{"pool": {"name": pool, "driver": "dir"}, "volume": volume}]}


def test_archived_volumes_are_renamed_to_where_they_go() -> None:
    whole, config = document(data=DATA), archived()
    places = dependents.placed(whole, TO_BIG, dependents.numbered("t"))
    dependents.to_place(whole, places, project="shop", marks={"user.incusbak.run": "r"})(config)
    (entry,) = config["dependent_volumes"]
    assert entry["pool"]["name"] == "big"
    assert entry["volume"] == {
        "name": "t-0",
        "project": "shop",
        "config": {"user.x": "1", "dependent": "true", "user.incusbak.run": "r"},
        "created_at": "then",
    }


def test_an_archived_volume_that_no_disk_is_on_is_no_archive_of_this_instance() -> None:
    change = dependents.to_place(document(data=DATA), {"data": DATA}, project="shop", marks={})
    with pytest.raises(Corrupt, match="fast/other"):
        change(archived("other"))


def test_the_volume_of_a_disk_that_is_left_out_stays_in_the_archive() -> None:
    kind, stored = KINDS["instance"], manifest(document(data=DATA, more=MORE))
    options = RestoreOptions(without_devices=("data",))
    assert kind.brings(stored, WEB, options) == (volume_ref("default", "big", "more"),)
    assert kind.unrestorable(stored, RestoreOptions(without_devices=("data", "more")), OLD, None) == ""
    left = leaving_out(stored, ["data"]).captured.resource
    places = dependents.placed(left, Maps(), dependents.numbered("t"))
    config = {**archived(), "container": document(data=DATA, more=MORE)}
    config["dependent_volumes"] += archived("more", "big")["dependent_volumes"]
    dependents.to_place(left, places, project="default", marks={})(config)
    assert [entry["volume"]["name"] for entry in config["dependent_volumes"]] == ["t-0"]


def test_the_export_of_a_copy_gets_the_originals_volumes_but_for_how_files_lie_on_the_disk() -> None:
    config = archived("copy-0")
    config["dependent_volumes"][0]["volume"]["config"] = {"volatile.idmap.last": "copy's", "user.x": "2"}
    original = {
        "name": "dv",
        "project": "shop",
        "config": {"volatile.idmap.last": "its own", "user.x": "1"},
        "created_at": "before",
        "used_by": ["/1.0/instances/web"],
    }
    dependents.to_original({"copy-0": original})(config)
    assert config["dependent_volumes"][0]["volume"] == {
        **original,
        "config": {"volatile.idmap.last": "copy's", "user.x": "1"},
        "used_by": [],
    }


def test_in_the_drivers_own_format_they_are_not_backed_up() -> None:
    words = dependents.obstacle(document(data=DATA), ExportWishes(optimized=True))
    assert words.startswith("disks that depend on it (data): in the storage driver's own format")
    assert dependents.obstacle(document(shared=SHARED), ExportWishes(optimized=True)) == ""


@pytest.mark.parametrize(
    ("status", "snapshot", "possible"),
    [("Running", True, False), ("Frozen", True, False), ("Running", False, True), ("Stopped", True, True)],
)
def test_of_a_running_one_those_of_a_profile_are_not(status: str, snapshot: bool, possible: bool) -> None:
    whole = {**document({"data": DATA}), "status": status}
    assert (dependents.obstacle(whole, ExportWishes(snapshot=snapshot)) == "") == possible
    assert dependents.obstacle({**document(data=DATA), "status": status}, ExportWishes()) == ""


def test_what_a_server_can_not_take_is_known_before() -> None:
    stored = manifest(document(data=DATA))
    assert dependents.unrestorable(stored, NEW) == ""
    assert "Incus 6.0" in dependents.unrestorable(stored, OLD)
    assert "incus import" in dependents.unrestorable(manifest(document(data=DATA), optimized=True), NEW)
    assert dependents.unrestorable(manifest(document(), optimized=True), OLD) == ""


def test_one_with_a_disk_of_a_profile_is_not_replaced() -> None:
    own, inherited = document(data=DATA), document({"data": DATA})
    assert dependents.irreplaceable(manifest(own), Resource(WEB, own)) == ""
    assert dependents.irreplaceable(manifest(own), Resource(WEB, inherited)) != ""
    assert dependents.irreplaceable(manifest(inherited), Resource(WEB, own)) != ""
    assert dependents.irreplaceable(manifest(inherited), Resource(WEB, document())) == ""
    assert dependents.irreplaceable(manifest(inherited), None) == ""


def test_a_volume_is_part_of_the_instance_whose_disk_depends_on_it() -> None:
    kind, used = KINDS["volume"], ["/1.0/profiles/p", "/1.0/instances/web"]
    assert kind.part_of({"config": {"dependent": "true"}, "used_by": used}) == WEB
    assert kind.part_of({"config": {}, "used_by": used}) is None
    assert kind.part_of({"config": {"dependent": "true"}, "used_by": []}) is None


def test_a_volume_that_comes_back_by_itself_is_part_of_nothing() -> None:
    volume = {"config": {"dependent": "true", "user.x": "1"}}
    to_temporary({"mark": "m"})(volume)
    assert volume["config"] == {"user.x": "1", "mark": "m"}


def test_references_of_a_definition_leave_them_out() -> None:
    found = definition.references({"devices": {"data": DATA}}, "default")
    assert found == {ResourceRef("project", name="default"), ResourceRef("pool", name="fast")}


@pytest.mark.parametrize(
    ("project", "counted"),
    [
        ({"name": "default", "config": {}}, True),
        ({"name": "shop", "config": {"features.storage.volumes": "true"}}, True),
        ({"name": "shop", "config": {"features.storage.volumes": "false"}}, False),
    ],
)
def test_volumes_count_where_a_project_has_its_own(project: dict[str, Any], counted: bool) -> None:
    stored = manifest(document(data=DATA, more=MORE))
    sized = {"config": {"size": "1MiB"}}
    captured = evolve(stored.captured, volumes={"data": sized})
    assert dependents.counted_volumes(captured, project) == ({"data": sized, "more": {}} if counted else {})
