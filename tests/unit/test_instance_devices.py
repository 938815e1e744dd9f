"""What of an instance is left out, where it listens, and which fixed addresses a network refuses."""

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from incusbak.kinds.instance import devices
from incusbak.model.documents import Json
from incusbak.model.inventory import Listener
from incusbak.model.policies import Maps
from incusbak.model.refs import BackupId, instance_ref
from tests.samples import manifest_of

ROOT = {"type": "disk", "path": "/", "pool": "default"}


def document(**devices: Json) -> Json:
    return {"name": "web", "devices": devices, "expanded_devices": {"root": ROOT, **devices}}


def listener(listen: str) -> Listener:
    [found] = devices.listeners(document(door={"type": "proxy", "listen": listen}))
    return found


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ("tcp:127.0.0.1:80", "tcp:127.0.0.1:80", True),
        ("tcp:127.0.0.1:80", "udp:127.0.0.1:80", False),
        ("tcp:127.0.0.1:80", "tcp:127.0.0.1:81", False),
        ("tcp:127.0.0.1:80", "tcp:127.0.0.2:80", False),
        ("tcp:0.0.0.0:80", "tcp:127.0.0.2:80", True),
        ("tcp:0.0.0.0:80", "tcp:[::1]:80", False),
        ("tcp:[::]:80", "tcp:127.0.0.2:80", True),
        ("tcp:[::]:80", "tcp:[::1]:80", True),
        ("tcp:127.0.0.1:79-81", "tcp:127.0.0.1:80", True),
        ("tcp:127.0.0.1:79,81", "tcp:127.0.0.1:80", False),
        ("tcp:127.0.0.1:79,80-90", "tcp:127.0.0.1:85", True),
        ("unix:/run/a", "unix:/run/a", True),
        ("unix:/run/a", "unix:/run/b", False),
        ("tcp:nonsense", "tcp:nonsense", False),
    ],
)
def test_two_devices_meet_where_they_can_not_listen_both(one: str, other: str, meets: bool) -> None:
    assert listener(one).meets(listener(other)) is meets
    assert listener(other).meets(listener(one)) is meets


def test_what_listens_inside_is_nobody_s_concern() -> None:
    inside = {"type": "proxy", "listen": "tcp:127.0.0.1:80", "bind": "instance"}
    assert devices.listeners(document(door=inside, eth0={"type": "nic"})) == frozenset()


NET = {"ipv4.address": "10.0.0.1/24", "ipv6.address": "fd00::1/64"}
STATEFUL = {**NET, "ipv6.dhcp.stateful": "true"}


@pytest.mark.parametrize(
    ("device", "network", "problem"),
    [
        ({"ipv4.address": "10.0.0.9"}, NET, ""),
        ({"ipv4.address": "none"}, NET, ""),
        ({}, {}, ""),
        ({"ipv4.address": "10.0.1.9"}, NET, "is 10.0.0.0/24 now"),
        ({"ipv4.address": "10.0.0.1"}, NET, "has that address itself, 10.0.0.1/24"),
        ({"ipv4.address": "10.0.0.9"}, {"ipv4.address": "none"}, "gives out no IPv4 addresses"),
        ({"ipv4.address": "10.0.0.9"}, {**NET, "ipv4.dhcp": "false"}, "gives out no IPv4 addresses"),
        ({"ipv4.address": "10.0.0.9"}, {}, ""),  # nothing is known of it
        ({"ipv6.address": "fd00::9"}, NET, "gives out no IPv6 addresses"),
        ({"ipv6.address": "fd00::9"}, STATEFUL, ""),
        ({"ipv6.address": "fd01::9"}, STATEFUL, "is fd00::/64 now"),
        ({"ipv6.address": "fd01::9", "security.ipv6_filtering": "true"}, NET, ""),
    ],
)
def test_a_fixed_address_must_fit_its_network(
    device: Mapping[str, str], network: Mapping[str, str], problem: str
) -> None:
    seen = document(eth0={"type": "nic", "network": "old", **device})
    maps = Maps(networks={"old": "new"})
    found = list(devices.misfits(seen, maps, lambda name: {"config": network} if name == "new" else None))
    assert [line.partition("network new ")[2] for line in found] == ([problem] if problem else [])


def test_a_device_is_left_out_of_the_snapshots_too_and_what_a_profile_gives_is_hidden() -> None:
    manifest = manifest_of(BackupId(instance_ref("default", "web"), "20260101T000000Z"), ())
    data = {"type": "disk", "source": "/srv", "path": "/srv"}
    parts: dict[str, Any] = {"resource": {**document(), "expanded_devices": {"root": ROOT, "data": data}}}
    parts["snapshots"] = (document(data=data), document())
    manifest = evolve(manifest, captured=evolve(manifest.captured, **parts))
    assert devices.leaving_out(manifest, ()) is manifest
    found = devices.leaving_out(manifest, ("data", "root", "other")).captured
    assert found.resource["devices"] == {"data": {"type": "none"}}
    assert found.resource["expanded_devices"] == {"root": ROOT, "data": {"type": "none"}}
    assert [each["devices"] for each in found.snapshots] == [{"data": {"type": "none"}}, {}]
