"""A fake server with one of everything in its configuration, and words to speak of it."""

from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

from incusbak.kinds.config import ENTITIES, ConfigKind
from incusbak.model.documents import Json
from incusbak.model.inventory import Resource
from incusbak.model.policies import Maps
from incusbak.model.refs import CONFIG, ResourceRef
from incusbak.ports import IncusApi
from tests.fake_incus import FakeIncus

ALLOW: Json = {"action": "allow", "state": "enabled"}
PORT: Json = {"protocol": "tcp", "listen_port": "80", "target_backend": ["b1"]}
BACKEND: Json = {"name": "b1", "target_address": "10.0.0.4", "target_port": "80"}
UPLINK: Json = {"parent": "eth1", "ipv4.ovn.ranges": "192.0.2.10-192.0.2.20"}
OVN: Json = {
    "network": "uplink",
    "ipv4.address": "10.5.0.1/24",
    "volatile.network.ipv4.address": "192.0.2.10",
}
BRIDGE: Json = {"security.acls": "web", "dns.zone.forward": "example.org,shop.example"}
NIC: Json = {"type": "nic", "network": "br1", "security.acls": "web"}
EVERYTHING: tuple[tuple[str, str, Any], ...] = (
    # collection, project, body
    ("storage-pools", "", {"name": "fast", "driver": "btrfs", "config": {"size": "1GiB"}}),
    (
        "projects",
        "",
        {"name": "shop", "config": {"features.networks.zones": "true", "features.networks": "true"}},
    ),
    (
        "projects",
        "",
        {"name": "bare", "config": {"features.profiles": "false", "limits.disk.pool.fast": "1GiB"}},
    ),
    ("network-integrations", "", {"name": "far", "type": "ovn", "config": {"ovn.client_key": "secret"}}),
    ("network-address-sets", "", {"name": "lan", "addresses": ["10.0.0.1"]}),
    ("network-acls", "", {"name": "web", "ingress": [{**ALLOW, "source": "$lan", "description": ""}]}),
    ("network-acls", "", {"name": "app", "ingress": [{**ALLOW, "source": "web"}]}),
    ("network-zones", "", {"name": "example.org", "config": {"peers.ns.key": "abc"}}),
    ("network-zones", "shop", {"name": "shop.example"}),
    (
        "network-zones/example.org/records",
        "",
        {"name": "www", "entries": [{"type": "A", "value": "192.0.2.1"}]},
    ),
    ("networks", "", {"name": "uplink", "type": "physical", "config": UPLINK}),
    ("networks", "", {"name": "br1", "type": "bridge", "config": BRIDGE}),
    ("networks", "shop", {"name": "ovn1", "type": "ovn", "config": OVN}),
    ("networks/br1/forwards", "", {"listen_address": "198.51.100.1", "ports": [{**PORT, "snat": False}]}),
    (
        "networks/ovn1/load-balancers",
        "shop",
        {"listen_address": "198.51.100.2", "ports": [PORT], "backends": [BACKEND]},
    ),
    (
        "networks/ovn1/peers",
        "shop",
        {"name": "far", "type": "remote", "target_integration": "far", "status": "Created"},
    ),
    (
        "profiles",
        "",
        {"name": "web", "devices": {"eth0": NIC, "root": {"type": "disk", "path": "/", "pool": "fast"}}},
    ),
    ("profiles", "shop", {"name": "cart", "config": {"limits.cpu": "2"}}),
    ("certificates", "", {"fingerprint": "ab" * 32, "name": "me", "type": "client", "certificate": "MIIB"}),
)


def furnished() -> FakeIncus:
    fake = FakeIncus()
    for collection, project, body in EVERYTHING:
        fake.create(collection, body, project=project)
    return fake


def read(api: IncusApi) -> Json:
    found = ConfigKind().inspect(api, CONFIG)
    assert found is not None
    return found.document


def listed(state: Json) -> dict[ResourceRef, Resource]:
    """All entities of a state, in the order of ranks."""
    return {resource.ref: resource for entity in ENTITIES.values() for resource in entity.listed(state)}


def comparables(state: Json) -> dict[str, Json]:
    return {ref.address: ENTITIES[ref.kind].comparable(each.document) for ref, each in listed(state).items()}


def in_order(there: Mapping[ResourceRef, Resource]) -> list[ResourceRef]:
    """What others require first."""
    needed = {ref: ENTITIES[ref.kind].requires(ref, each.document) for ref, each in there.items()}
    return list(TopologicalSorter({ref: refs & there.keys() for ref, refs in needed.items()}).static_order())


def bring(api: IncusApi, state: Json, maps: Maps | None = None) -> None:
    """Make what is missing, change what differs: what a restore does, one entity after the other."""
    there = listed(state)
    for ref in in_order(there):
        entity = ENTITIES[ref.kind]
        if (to := entity.relocated(ref, maps or Maps())) is None:
            continue
        wanted, present = entity.wanted(there[ref].document, maps or Maps()), entity.inspect(api, to)
        if present is None:
            entity.create(api, to, wanted)
        elif entity.comparable(present.document) != entity.comparable(wanted):
            entity.update(api, to, wanted, etag=present.etag)
