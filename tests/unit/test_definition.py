"""Instance definitions: what is put back, what is made harmless."""

import re
from typing import Any

import pytest

from incusbak.errors import Unplannable
from incusbak.kinds.instance import InstanceKind, definition
from incusbak.model.policies import Destination, Maps
from incusbak.model.refs import ResourceRef, instance_ref

ROOT = ("root", {"type": "disk", "path": "/", "pool": "default"})


def document(**more: Any) -> dict[str, Any]:
    return {
        "name": "c1",
        "project": "default",
        "architecture": "x86_64",
        "description": "a container",
        "ephemeral": True,
        "stateful": False,
        "status": "Running",
        "profiles": ["default", "web"],
        "config": {
            "boot.autostart": "true",
            "limits.cpu": "2",
            "snapshots.schedule": "@daily",
            "security.protection.delete": "true",
            "user.team": "shop",
            "volatile.uuid": "u1",
            "volatile.uuid.generation": "g1",
            "volatile.eth0.hwaddr": "00:16:3e:00:00:01",
            "volatile.eth0.host_name": "veth1",
            "volatile.cloud-init.instance-id": "i1",
            "volatile.idmap.base": "0",
            "volatile.last_state.idmap": "[]",
            "volatile.last_state.power": "RUNNING",
        },
        "devices": {
            "eth0": {
                "type": "nic",
                "network": "br0",
                "hwaddr": "00:16:3e:00:00:02",
                "ipv4.address": "10.0.0.5",
            },
            "data": {"type": "disk", "pool": "fast", "source": "vol1", "path": "/data"},
        },
        "expanded_devices": {"root": ROOT[1], "eth0": {"type": "nic"}, "data": {"type": "disk"}},
        **more,
    }


def test_a_neutral_definition_disturbs_nobody() -> None:
    neutral = definition.neutral(document(), ROOT, {"user.incusbak.run": "t"})
    assert neutral["devices"] == {"root": ROOT[1]}
    assert neutral["profiles"] == []
    assert neutral["ephemeral"] is False
    assert neutral["config"] == {
        "boot.autostart": "false",
        "limits.cpu": "2",
        "user.team": "shop",
        "user.incusbak.run": "t",
        "volatile.idmap.base": "0",
        "volatile.last_state.idmap": "[]",
    }


def test_a_restore_puts_everything_back_but_the_last_run() -> None:
    imported = {"config": {"volatile.idmap.base": "65536", "volatile.uuid": "new", "user.incusbak.run": "t"}}
    wanted = definition.restored(definition.adapted(document(), Maps(), seed=""), imported)
    dropped = {"volatile.eth0.host_name", "volatile.last_state.power", "volatile.last_state.idmap"}
    expected = {k: v for k, v in document()["config"].items() if k not in dropped}
    assert wanted["config"] == {**expected, "volatile.idmap.base": "65536", "user.incusbak.run": "t"}
    assert wanted["devices"] == document()["devices"]
    assert wanted["profiles"] == ["default", "web"]


def test_an_imported_instance_is_never_without_a_uuid() -> None:
    imported = {"config": {"volatile.uuid": "new", "volatile.eth0.hwaddr": "00:16:3e:00:00:01"}}
    assert definition.restored({"config": {}}, imported)["config"] == {"volatile.uuid": "new"}


def test_a_copy_with_an_identity_of_its_own_shares_no_address() -> None:
    copy = definition.adapted(document(), Maps(), seed="s")
    before, after = document()["config"], copy["config"]
    changed = {key for key in before if after[key] != before[key]}
    assert changed == {
        "volatile.uuid",
        "volatile.uuid.generation",
        "volatile.eth0.hwaddr",
        "volatile.cloud-init.instance-id",
    }
    assert re.fullmatch("00:16:3e(:[0-9a-f]{2}){3}", after["volatile.eth0.hwaddr"])
    assert copy["devices"]["eth0"] == {"type": "nic", "network": "br0"}


def test_a_copy_shares_no_address_that_its_profiles_fix() -> None:
    fixed = {"type": "nic", "network": "br0", "ipv4.address": "10.0.0.9", "hwaddr": "00:16:3e:00:00:09"}
    plain = {"type": "nic", "network": "br1"}
    profiles = [{"devices": {"eth0": fixed, "eth1": fixed}}, {"devices": {"eth1": plain, "eth2": fixed}}]
    own = {"eth0": {"type": "nic", "network": "br9"}}
    wanted = definition.without_profile_addresses({"devices": own, "profiles": []}, profiles)
    assert wanted["devices"] == {**own, "eth2": {"type": "nic", "network": "br0"}}


def test_a_copy_and_its_snapshots_share_their_new_identity() -> None:
    snapshot = document(config={"volatile.eth0.hwaddr": "00:16:3e:00:00:01", "volatile.uuid": "u0"})
    of_copy, of_snapshot, of_other = (
        definition.adapted(of, Maps(), seed=seed)["config"]
        for of, seed in ((document(), "s"), (snapshot, "s"), (document(), "t"))
    )
    assert of_snapshot["volatile.eth0.hwaddr"] == of_copy["volatile.eth0.hwaddr"]
    assert of_snapshot["volatile.uuid"] != of_copy["volatile.uuid"]
    assert of_other["volatile.eth0.hwaddr"] != of_copy["volatile.eth0.hwaddr"]


def test_maps_rename_what_devices_and_profiles_refer_to() -> None:
    maps = Maps(pools={"fast": "slow"}, networks={"br0": "br1"}, profiles={"web": "www"})
    mapped = definition.mapped(document(), maps)
    assert mapped["profiles"] == ["default", "www"]
    assert mapped["devices"]["eth0"]["network"] == "br1"
    assert mapped["devices"]["data"]["pool"] == "slow"


def test_references_name_what_must_be_there() -> None:
    assert definition.references(document(), "p") == {
        ResourceRef("project", name="p"),
        ResourceRef("profile", project="p", name="default"),
        ResourceRef("profile", project="p", name="web"),
        ResourceRef("network", project="p", name="br0"),
        ResourceRef("pool", name="fast"),
        ResourceRef("volume", project="p", pool="fast", name="vol1"),
    }


def test_the_root_disk_is_local_only_where_the_profiles_do_not_say_so() -> None:
    wanted: dict[str, Any] = {"devices": {}}
    profile = {"devices": {"root": {"type": "disk", "path": "/", "pool": "default"}}}
    assert definition.with_root(wanted, ROOT, "default", [profile])["devices"] == {}
    assert definition.with_root(wanted, ROOT, "fast", [profile])["devices"] == {
        "root": {**ROOT[1], "pool": "fast"}
    }


def test_a_local_root_disk_follows_the_target_pool() -> None:
    wanted = {"devices": {"root": {**ROOT[1], "size": "5GiB"}}}
    moved = definition.with_root(wanted, ROOT, "fast", [])
    assert moved["devices"]["root"] == {"type": "disk", "path": "/", "pool": "fast", "size": "5GiB"}


def test_an_instance_set_aside_keeps_its_uuid_and_holds_no_address() -> None:
    aside = definition.set_aside(document(), {"user.incusbak.aside": "instance/default/c1"})
    assert aside["config"]["volatile.uuid"] == "u1"
    assert "volatile.eth0.hwaddr" not in aside["config"]
    assert aside["config"]["boot.autostart"] == "false"
    assert aside["devices"] == {"eth0": {"type": "none"}, "data": {"type": "none"}, "root": ROOT[1]}


def test_only_what_a_person_would_compare_is_compared() -> None:
    compared = definition.comparable(
        document(config={"user.a": "1", "volatile.x": "2", "user.incusbak.run": "3"})
    )
    assert compared["config"] == {"user.a": "1"}
    assert "status" not in compared


def test_the_kind_knows_identity_and_generation() -> None:
    kind = InstanceKind()
    assert (kind.identity(document()), kind.generation(document())) == ("u1", "g1")


@pytest.mark.parametrize("name", ["a", "1a", "A-9", "a--b", "x" * 63])
def test_a_new_name_is_one_that_the_server_takes(name: str) -> None:
    assert (
        InstanceKind().relocated(instance_ref("default", "web"), Maps(), Destination(name=name)).name == name
    )


@pytest.mark.parametrize("name", ["9", "12", "a-", "-a", "a_b", "a.b", "a b", "ä", "٣a", "a\n", "x" * 64])
def test_a_new_name_that_no_instance_can_have_is_refused(name: str) -> None:
    with pytest.raises(Unplannable, match="can't be called"):
        InstanceKind().relocated(instance_ref("default", "web"), Maps(), Destination(name=name))
