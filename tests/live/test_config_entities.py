"""Every kind of configuration entity goes from one real server to another, and back from any change."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from incusbak.errors import ChangedMeanwhile, NotFound, ServerError
from incusbak.incus import IncusServer
from incusbak.incus.connecting import connect_to
from incusbak.incus.remotes import Endpoint
from incusbak.incus.retries import Limits
from incusbak.kinds.config import ENTITIES
from incusbak.model.documents import Json
from incusbak.model.policies import Maps
from incusbak.model.refs import ResourceRef, parse_address
from tests import config_samples
from tests.config_samples import ALLOW, bring, comparables, in_order, listed
from tests.live.conftest import VERSIONS
from tests.live.support import servers
from tests.live.support.client import IncusError
from tests.live.support.daemon import Daemon

WEB_RULE: Json = {**ALLOW, "source": "a2", "protocol": "tcp", "destination_port": "80", "description": "web"}
PORT: Json = {"protocol": "tcp", "listen_port": "80,81-85", "target_address": "10.77.0.6", "description": "p"}
RECORD: Json = {"type": "A", "ttl": 60, "value": "192.0.2.7"}
OVN: Json = {
    "ovn.northbound_connection": "tcp:192.0.2.1:6641",
    "ovn.southbound_connection": "tcp:192.0.2.1:6642",
}
NETWORK: Json = {
    "ipv4.address": "10.77.0.1/24",
    "ipv6.address": "none",
    "security.acls": "a2",
    "dns.zone.forward": "example.org, shop.example",
}
DEVICES: Json = {
    "eth0": {"type": "nic", "network": "net0", "name": "eth0", "security.acls": "a2"},
    "data": {"type": "disk", "pool": "data", "source": "missing", "path": "/data"},
}
SOURCE: tuple[tuple[str, Any], ...] = (
    (
        "storage-pools",
        {"name": "data", "driver": "btrfs", "config": {"size": "512MiB"}, "description": "loop"},
    ),
    (
        "storage-pools",
        {"name": "plain", "driver": "dir", "config": {"rsync.bwlimit": "10MiB", "user.k": "v"}},
    ),
    (
        "projects",
        {
            "name": "shop",
            "config": {
                "features.networks.zones": "true",
                "limits.disk.pool.data": "1GiB",
                "user.tier": "gold",
            },
        },
    ),
    ("projects", {"name": "bare", "config": {"features.profiles": "false", "features.images": "false"}}),
    ("network-integrations", {"name": "ovn1", "type": "ovn", "config": OVN}),
    ("network-acls", {"name": "a2", "egress": [ALLOW], "config": {"user.k": "v"}}),
    ("network-acls", {"name": "a1", "description": "rules", "ingress": [WEB_RULE]}),
    ("network-acls", {"name": "self"}),
    (
        "network-zones",
        {"name": "example.org", "config": {"dns.nameservers": "ns1.example.org", "peers.n.key": "abc"}},
    ),
    ("network-zones?project=shop", {"name": "shop.example"}),
    ("network-zones/example.org/records", {"name": "www", "entries": [RECORD], "description": "site"}),
    ("network-zones/example.org/records", {"name": "@", "config": {"user.k": "v"}}),
    ("network-zones/shop.example/records?project=shop", {"name": "cart", "entries": [RECORD]}),
    ("networks", {"name": "net0", "type": "bridge", "description": "bridge", "config": NETWORK}),
    ("networks", {"name": "net1", "type": "bridge"}),
    ("networks", {"name": "net2", "type": "macvlan", "config": {"parent": "lo"}}),
    ("networks/net0/forwards", {"listen_address": "198.51.100.1", "ports": [PORT], "description": "f"}),
    ("networks/net0/forwards", {"listen_address": "198.51.100.2", "config": {"target_address": "10.77.0.5"}}),
    ("profiles", {"name": "web", "description": "d", "config": {"limits.cpu": "2"}, "devices": DEVICES}),
    (
        "profiles?project=shop",
        {"name": "cart", "devices": {"x": {"type": "disk", "path": "/", "pool": "plain"}}},
    ),
)
ONLY_7_0: tuple[tuple[str, Any], ...] = (
    (
        "network-address-sets",
        {"name": "s1", "addresses": ["10.0.0.2", "10.0.0.1"], "config": {"user.k": "v"}},
    ),
    ("network-acls", {"name": "a3", "ingress": [{**ALLOW, "source": "$s1"}]}),
)
ONLY_6_0: tuple[tuple[str, Any], ...] = (  # later ones want OVN for it
    ("projects", {"name": "nets", "config": {"features.networks": "true"}}),
    ("network-acls?project=nets", {"name": "a1", "ingress": [ALLOW]}),
)
CHANGES: tuple[tuple[str, str, Json], ...] = (
    # what a PUT alone may say, differently from SOURCE
    ("pool/data", "storage-pools/data", {"config": {"user.k": "v"}}),
    ("pool/plain", "storage-pools/plain", {"config": {"rsync.bwlimit": "20MiB"}}),
    (
        "project/shop",
        "projects/shop",
        {"description": "other", "config": {"user.tier": "iron", "user.n": "1"}},
    ),
    ("integration/ovn1", "network-integrations/ovn1", {"config": {"ovn.transit.pattern": "t"}}),
    ("acl/default/a1", "network-acls/a1", {"ingress": [], "egress": [ALLOW]}),
    ("acl/default/self", "network-acls/self", {"ingress": [ALLOW]}),
    ("zone/default/example.org", "network-zones/example.org", {"config": {"peers.m.key": "x"}}),
    (
        "record/default/example.org/www",
        "network-zones/example.org/records/www",
        {"entries": [{**RECORD, "ttl": 61}]},
    ),
    ("network/default/net0", "networks/net0", {"description": "x", "config": {"user.k": "v"}}),
    ("network/default/net1", "networks/net1", {"config": {"ipv4.address": "10.78.0.1/24"}}),
    (
        "forward/default/net0/198.51.100.1",
        "networks/net0/forwards/198.51.100.1",
        {"ports": [{**PORT, "listen_port": "99"}], "description": ""},
    ),
    ("profile/default/default", "profiles/default", {"config": {"user.k": "v"}}),
    ("profile/default/web", "profiles/web", {"devices": {}, "config": {"limits.cpu": "3"}}),
    ("profile/shop/default", "profiles/default?project=shop", {"description": "other"}),
    ("address-set/default/s1", "network-address-sets/s1", {"addresses": ["10.9.9.9"]}),
)


def connect(server: Daemon) -> IncusServer:
    url = f"http+unix://{quote(str(server.socket), safe='')}"
    return connect_to(Endpoint("local", url), limits=Limits())


@pytest.fixture(scope="module", params=VERSIONS)
def pair(request: pytest.FixtureRequest, _installed: None) -> Iterator[tuple[Daemon, Daemon]]:
    """A server with some of everything, and another one to which all of it was brought."""
    with servers.server(request.param) as source, servers.server(request.param) as target:
        furnish(source)
        bring(connect(target), read(source))
        yield source, target


@pytest.fixture
def source(pair: tuple[Daemon, Daemon]) -> Daemon:
    return pair[0]


@pytest.fixture
def target(pair: tuple[Daemon, Daemon]) -> Daemon:
    return pair[1]


def furnish(server: Daemon) -> None:
    """Make some of everything, and bring it into states that a POST alone can't give."""
    for path, body in (*SOURCE, *(ONLY_6_0 if server.version == "6.0" else ONLY_7_0)):
        server.api("POST", f"/1.0/{path}", body)
    trusted = server.api("GET", "/1.0")["environment"]["certificate"]
    body = {"name": "me", "type": "client", "certificate": "".join(trusted.splitlines()[1:-1])}
    server.api("POST", "/1.0/certificates", body)
    own = {"ingress": [{**ALLOW, "source": "self,a1"}], "egress": [ALLOW]}
    server.api("PUT", "/1.0/network-acls/self", own)
    server.api("PUT", "/1.0/networks/net1", {"config": {}, "description": "no addresses at all"})
    server.api(
        "PUT", "/1.0/profiles/default?project=shop", {"description": "of the shop", "config": {"user.k": "v"}}
    )


def read(server: Daemon) -> Json:
    return config_samples.read(connect(server))


def test_what_is_made_equals_what_was_read(source: Daemon, target: Daemon) -> None:
    assert comparables(read(target)) == comparables({**read(source), "certificates": []})


def test_the_source_has_one_of_everything_that_needs_no_ovn(source: Daemon) -> None:
    kinds = {ref.kind for ref in listed(read(source))}
    without = {"load-balancer", "peer"} | ({"address-set"} if source.version == "6.0" else set())
    assert kinds == ENTITIES.keys() - without


def test_the_same_configuration_gives_the_same_bytes(source: Daemon) -> None:
    assert json.dumps(read(source)) == json.dumps(read(source))


def test_one_entity_alone_reads_as_in_the_state(source: Daemon) -> None:
    api, state = connect(source), listed(read(source))
    alone = {ref: ENTITIES[ref.kind].inspect(api, ref) for ref in state}
    assert all(each is not None and each.etag for each in alone.values())
    assert {ref: ENTITIES[ref.kind].comparable(each.document) for ref, each in alone.items() if each} == {
        ref: ENTITIES[ref.kind].comparable(each.document) for ref, each in state.items()
    }


@pytest.mark.parametrize(("address", "path", "change"), CHANGES, ids=[address for address, *_ in CHANGES])
def test_an_update_brings_back_what_was_changed(
    source: Daemon, target: Daemon, address: str, path: str, change: Json
) -> None:
    ref, api = parse_address(address), connect(target)
    if ref not in (there := listed(read(source))):
        pytest.skip("this version has none")
    entity, before = ENTITIES[ref.kind], read(target)
    wanted = entity.wanted(there[ref].document, Maps())
    present = target.api("GET", f"/1.0/{path}")
    config = {**present["config"], **change.get("config", {})}
    stale = etag_of(api, ref)
    target.api("PUT", f"/1.0/{path}", {**present, **change, "config": config})
    assert comparables(read(target)) != comparables(before)
    with pytest.raises(ChangedMeanwhile):
        entity.update(api, ref, wanted, etag=stale)
    entity.update(api, ref, wanted, etag=etag_of(api, ref))
    assert read(target) == before


def etag_of(api: IncusServer, ref: ResourceRef) -> str:
    found = ENTITIES[ref.kind].inspect(api, ref)
    assert found is not None
    return found.etag


def test_everything_made_can_be_deleted_in_reverse_order_and_made_again(fresh_incus: Daemon) -> None:
    api, empty = connect(fresh_incus), read(fresh_incus)
    furnish(fresh_incus)
    full = read(fresh_incus)
    for ref in reversed(in_order(listed(full))):
        entity = ENTITIES[ref.kind]
        if ref not in listed(empty) and not entity.is_permanent(ref):
            entity.delete(api, ref)
            assert entity.inspect(api, ref) is None
            entity.delete(api, ref)
    assert read(fresh_incus) == {**empty, "certificates": full["certificates"]}
    bring(api, full)
    assert read(fresh_incus) == full


def test_certificates_are_listed_and_stay_as_they_are(source: Daemon, target: Daemon) -> None:
    listed_there, made_here = (read(server)["certificates"] for server in (source, target))
    assert [each["name"] for each in listed_there] == ["me"]
    assert made_here == []


def test_a_project_without_profiles_of_its_own_has_none_to_be_changed(source: Daemon) -> None:
    """The server would answer with the default project's, and change or delete it."""
    api, entity, ref = connect(source), ENTITIES["profile"], parse_address("profile/bare/web")
    before = read(source)
    assert source.api("GET", "/1.0/profiles/web?project=bare")["description"] == "d"
    assert entity.inspect(api, ref) is None
    entity.delete(api, ref)
    for change in (entity.create, lambda api, ref, wanted: entity.update(api, ref, wanted, etag="")):
        with pytest.raises(NotFound, match="default project"):
            change(api, ref, {"description": "", "config": {}, "devices": {}})
    assert read(source) == before


def test_a_pool_is_made_where_the_server_puts_pools_or_where_a_person_put_it(fresh_incus: Daemon) -> None:
    chosen = fresh_incus.add_small_pool("mine")
    pools = {each["name"]: each for each in read(fresh_incus)["storage_pools"]}
    sources = {
        name: ENTITIES["pool"].wanted(document, Maps())["config"].get("source")
        for name, document in pools.items()
    }
    assert sources == {"default": None, "bt": None, "mine": str(chosen)}


def test_a_pool_grows_and_does_not_shrink(fresh_incus: Daemon) -> None:
    api, ref = connect(fresh_incus), parse_address("pool/bt")
    entity, small = ENTITIES["pool"], listed(read(fresh_incus))[ref].document
    large = {**small, "config": {**small["config"], "size": "2200MiB"}}
    entity.update(api, ref, entity.wanted(large, Maps()), etag="")
    grown = listed(read(fresh_incus))[ref].document
    assert grown == large
    assert entity.obstacle(grown, entity.wanted(small, Maps())).startswith("its size is 2200MiB")
    with pytest.raises(ServerError, match="shrunk"):
        entity.update(api, ref, entity.wanted(small, Maps()), etag="")


def test_interfaces_of_the_host_are_no_networks(source: Daemon) -> None:
    names = {each["name"] for each in source.api("GET", "/1.0/networks?recursion=1")}
    ref = parse_address("network/default/lo")
    assert "lo" in names
    assert ref not in listed(read(source))
    assert ENTITIES["network"].inspect(connect(source), ref) is None


def test_a_rule_may_not_name_an_acl_that_is_not_there(source: Daemon) -> None:
    """So rules need what they name; an ACL that names itself is made without that rule first."""
    for rule in ({**ALLOW, "source": "missing"}, {**ALLOW, "source": "new"}):
        with pytest.raises(IncusError, match="Invalid subject"):
            source.api("POST", "/1.0/network-acls", {"name": "new", "ingress": [rule]})
