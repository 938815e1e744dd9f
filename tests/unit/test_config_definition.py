"""What of an entity is compared, renamed, needed and in the way."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incusbak.kinds.config import ENTITIES
from incusbak.kinds.config.definition import to_update
from incusbak.kinds.config.rows import ROWS
from incusbak.model.documents import Json
from incusbak.model.plans import Hazard
from incusbak.model.policies import Maps
from incusbak.model.refs import ResourceRef, parse_address
from tests.config_samples import ALLOW, furnished, listed, read

STATE = read(furnished())
KEYS = st.sampled_from(
    ["volatile.x", "volatile.initial_source", "source", "source.wipe", "features.images", "user.k", "size"]
)
CONFIGS = st.dictionaries(KEYS, st.sampled_from(["", "true", "false", "1GiB", "/dev/sdb"]))
ITEMS = st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", False, 0, 7])), max_size=3)
DOCUMENTS = st.fixed_dictionaries(
    {"name": st.just("x"), "config": st.none() | CONFIGS},
    optional={
        "description": st.text(max_size=3),
        "type": st.sampled_from(["bridge", "ovn"]),
        "driver": st.just("dir"),
        "ports": st.none() | ITEMS,
        "ingress": ITEMS,
        "used_by": st.just(["/1.0/profiles/x"]),
        "status": st.just("Created"),
    },
)
EVERY_ENTITY = pytest.mark.parametrize("name", ENTITIES)


@EVERY_ENTITY
@given(document=DOCUMENTS)
def test_what_is_compared_stays_the_same_when_taken_again(name: str, document: Json) -> None:
    entity = ENTITIES[name]
    once = entity.comparable(document)
    assert entity.comparable(once) == once
    assert entity.comparable(entity.wanted(document, Maps())) == once


@EVERY_ENTITY
@given(document=DOCUMENTS)
def test_nothing_of_the_server_s_own_is_compared_or_wanted(name: str, document: Json) -> None:
    for found in (ENTITIES[name].comparable(document), ENTITIES[name].wanted(document, Maps())):
        assert [key for key in found.get("config", {}) if key.startswith("volatile.")] == []
        assert {"used_by", "status"}.isdisjoint(found)


# -- pools ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "source"),
    [
        ({"source": "/var/lib/incus/storage-pools/p"}, None),
        ({"source": "/srv/incus/disks/p.img", "size": "30GiB"}, None),
        ({}, None),
        ({"source": "/srv/data"}, "/srv/data"),
        ({"source": "tank/incus", "zfs.pool_name": "tank/incus"}, "tank/incus"),
        ({"source": "/dev/disk/by-uuid/1", "volatile.initial_source": "/dev/sdb"}, "/dev/sdb"),
        ({"source": "/srv/storage-pools/other"}, "/srv/storage-pools/other"),
    ],
)
def test_a_pool_is_made_where_a_person_put_it(config: Json, source: str | None) -> None:
    """Where the server put it by itself, another server finds a place by itself."""
    pool = {"name": "p", "driver": "dir", "config": config}
    assert ENTITIES["pool"].wanted(pool, Maps())["config"].get("source") == source
    assert "source" not in ENTITIES["pool"].comparable(pool)["config"]


def test_making_a_pool_never_wipes_a_disk() -> None:
    pool = {"name": "p", "driver": "btrfs", "config": {"source": "/dev/sdb", "source.wipe": "true"}}
    assert ENTITIES["pool"].wanted(pool, Maps())["config"] == {"source": "/dev/sdb"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("600MiB", "512MiB", "its size is 600MiB and can't become 512MiB"),
        ("1GiB", "1GB", "its size is 1GiB and can't become 1GB"),
        ("1000", "10", "its size is 1000 and can't become 10"),
        ("512MiB", "1GiB", ""),
        ("1GiB", "1024MiB", ""),
        ("1GiB", "", "its size is 1GiB and can't become none"),
        ("odd", "1GiB", ""),
    ],
)
def test_a_pool_does_not_shrink(before: str, after: str, words: str) -> None:
    pools = [{"driver": "btrfs", "config": {"size": size}} for size in (before, after)]
    assert ENTITIES["pool"].obstacle(*pools) == words


@pytest.mark.parametrize(
    ("name", "key"), [("pool", "driver"), ("network", "type"), ("peer", "target_network")]
)
def test_what_is_said_at_creation_can_not_be_changed(name: str, key: str) -> None:
    assert ENTITIES[name].obstacle({key: "a"}, {key: "b"}) == f"its {key} is 'a' and can't become 'b'"
    assert ENTITIES[name].obstacle({key: "a"}, {key: "a"}) == ""


def test_fields_that_this_version_does_not_know_survive_an_update() -> None:
    row = next(row for row in ROWS if row.name == "profile")
    present = {"name": "x", "description": "old", "config": {}, "devices": {}, "novelty": "kept"}
    body = to_update(row, present, {"description": "new", "config": {}, "devices": {}})
    assert body == {**present, "description": "new"}


# -- maps -------------------------------------------------------------------------------------------

MAPS = Maps(pools={"old": "new"}, networks={"br0": "br1"}, projects={"a": "b"}, profiles={"web": "site"})


@pytest.mark.parametrize(
    ("address", "goes_to"),
    [
        ("project/a", "project/b"),
        ("project/c", "project/c"),
        ("pool/old", None),
        ("pool/other", "pool/other"),
        ("network/a/br0", None),
        ("network/a/net", "network/b/net"),
        ("forward/a/br0/192.0.2.1", None),
        ("peer/a/net/p", "peer/b/net/p"),
        ("profile/a/web", None),
        ("profile/a/default", "profile/b/default"),
        ("acl/a/web", "acl/b/web"),
        ("record/a/br0/www", "record/b/br0/www"),
        ("integration/a", "integration/a"),
    ],
)
def test_maps_lead_entities_to_other_projects_or_put_others_in_their_place(
    address: str, goes_to: str | None
) -> None:
    ref = parse_address(address)
    found = ENTITIES[ref.kind].relocated(ref, MAPS)
    assert (found and found.address) == goes_to


def config_of(name: str, **config: str) -> Any:
    given = {key.replace("__", "-").replace("_", "."): value for key, value in config.items()}
    return ENTITIES[name].wanted({"name": "x", "config": given}, MAPS)["config"]


def test_maps_rename_what_limits_and_restrictions_of_projects_name() -> None:
    found = config_of(
        "project",
        limits_disk_pool_old="1GiB",
        restricted_networks_access="br0, net",
        restricted_networks_uplinks="other,net",
        restricted_storage__pools_access="old",
    )
    assert found == {
        "limits.disk.pool.new": "1GiB",
        "restricted.networks.access": "br1,net",
        "restricted.networks.uplinks": "other,net",
        "restricted.storage-pools.access": "new",
    }


def test_maps_rename_the_uplink_of_a_network() -> None:
    assert config_of("network", network="br0", bridge_mtu="1500") == {"network": "br1", "bridge.mtu": "1500"}


def test_maps_rename_what_devices_of_profiles_use() -> None:
    devices = {
        "eth0": {"type": "nic", "network": "br0"},
        "root": {"type": "disk", "path": "/", "pool": "old"},
        "gpu": {"type": "gpu"},
    }
    assert ENTITIES["profile"].wanted({"name": "x", "devices": devices}, MAPS)["devices"] == {
        "eth0": {"type": "nic", "network": "br1"},
        "root": {"type": "disk", "path": "/", "pool": "new"},
        "gpu": {"type": "gpu"},
    }


def test_maps_rename_the_other_end_of_a_peer() -> None:
    peer = {"name": "p", "target_project": "a", "target_network": "br0"}
    found = ENTITIES["peer"].wanted(peer, MAPS)
    assert (found["target_project"], found["target_network"]) == ("b", "br1")


# -- what must be there -----------------------------------------------------------------------------


def required(address: str, wanted: Json) -> set[str]:
    ref = parse_address(address)
    return {found.address for found in ENTITIES[ref.kind].requires(ref, wanted)}


@pytest.mark.parametrize(
    ("address", "wanted", "needed"),
    [
        ("pool/p", {}, set()),
        ("project/a", {"config": {"limits.disk.pool.fast": "1GiB"}}, {"pool/fast"}),
        ("zone/a/z", {}, {"project/a"}),
        ("record/a/z/www", {}, {"project/a", "zone/a/z"}),
        ("forward/a/n/192.0.2.1", {}, {"project/a", "network/a/n"}),
        ("load-balancer/a/n/192.0.2.1", {}, {"project/a", "network/a/n"}),
        ("peer/a/n/p", {"target_integration": "i"}, {"project/a", "network/a/n", "integration/i"}),
        (
            "network/a/n",
            {"config": {"network": "up", "security.acls": "x, y", "dns.zone.reverse.ipv4": "z"}},
            {"project/a", "network/default/up", "acl/a/x", "acl/a/y", "zone/a/z"},
        ),
        ("network/a/n", {"config": {"network": "none"}}, {"project/a"}),
        (
            "profile/a/p",
            {
                "devices": {
                    "n": {"type": "nic", "network": "net", "security.acls": "x"},
                    "d": {"type": "disk", "pool": "fast", "source": "missing"},
                }
            },
            {"project/a", "network/a/net", "acl/a/x", "pool/fast"},
        ),
    ],
)
def test_what_an_entity_needs(address: str, wanted: Json, needed: set[str]) -> None:
    assert required(address, wanted) == needed


@pytest.mark.parametrize(
    ("subjects", "needed"),
    [
        ("web", {"acl/a/web"}),
        ("$lan", {"address-set/a/lan"}),
        ("@internal,@net/peer", set()),
        ("10.0.0.1,10.0.0.0/8,10.0.0.1-10.0.0.9", set()),
        ("fd00::1,fd00::/64,fd00::1-fd00::9", set()),
        ("", set()),
    ],
)
@pytest.mark.parametrize(("way", "end"), [("ingress", "source"), ("egress", "destination")])
def test_rules_need_the_acls_and_address_sets_they_name(
    subjects: str, needed: set[str], way: str, end: str
) -> None:
    assert required("acl/a/x", {way: [{**ALLOW, end: subjects}]}) == needed | {"project/a"}


def test_a_network_needs_zones_in_whichever_project_they_are() -> None:
    ref = parse_address("network/default/br1")
    document = listed(STATE)[ref].document
    wanted = ENTITIES["network"].wanted(document, Maps(projects={"shop": "store"}))
    zones = {each for each in required("network/default/br1", wanted) if each.startswith("zone/")}
    assert zones == {"zone/default/example.org", "zone/store/shop.example"}


# -- what it means ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "permanent"),
    [
        ("project/default", True),
        ("profile/a/default", True),
        ("network/default/default", False),
        ("pool/default", False),
    ],
)
def test_the_server_makes_some_by_itself(address: str, permanent: bool) -> None:
    ref = parse_address(address)
    assert ENTITIES[ref.kind].is_permanent(ref) == permanent


FEATURES = {"features.images": "true", "features.networks": "true"}


@pytest.mark.parametrize(
    ("address", "document", "as_made"),
    [
        ("profile/default/default", {"description": "Default Incus profile"}, True),
        ("profile/shop/default", {"description": "Default Incus profile for project shop"}, True),
        ("profile/shop/default", {"config": {}, "devices": {}}, True),
        ("profile/shop/default", {"description": "Default Incus profile"}, False),
        ("profile/shop/default", {"devices": {"root": {"type": "disk"}}}, False),
        ("profile/shop/web", {}, False),
        ("project/default", {"description": "Default Incus project", "config": FEATURES}, True),
        ("project/default", {"config": {**FEATURES, "user.owner": "ops"}}, False),
        ("project/shop", {"config": FEATURES}, False),
        ("certificate/ab", {"type": "client"}, False),
    ],
)
def test_what_the_server_made_is_told_from_what_somebody_changed(
    address: str, document: Json, as_made: bool
) -> None:
    ref = parse_address(address)
    assert ENTITIES[ref.kind].is_as_made(ref, document) == as_made


def test_changes_of_networks_and_pools_are_hazards() -> None:
    found = {name: set(entity.hazards(ResourceRef(name))) for name, entity in ENTITIES.items()}
    without = {"project", "profile", "integration", "certificate"}
    network = {Hazard.CHANGES_NETWORK}
    expected = {name: set() if name in without else network for name in ENTITIES}
    assert found == {**expected, "pool": {Hazard.CHANGES_POOL}}
