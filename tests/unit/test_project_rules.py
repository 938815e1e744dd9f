"""What projects with limits or restrictions let be done, from their configuration."""

import pytest

from incusbak.errors import ServerError
from incusbak.kinds.common.values import size_of
from incusbak.kinds.instance.admitting import admission
from incusbak.kinds.instance.project_rules import effective, is_guarding, is_limited, needs, unforced, unset
from incusbak.kinds.instance.restrictions import violations
from incusbak.kinds.volume.definition import admission as volume_admission
from incusbak.model.admissions import Admission
from incusbak.model.documents import Json
from incusbak.model.goals import RestoreOptions
from incusbak.model.inventory import ServerInfo
from incusbak.model.policies import Identity
from tests.unit.worlds import STORED, stored_manifest

NEW = ServerInfo("f", "host", "7.0.2", frozenset({"direct_backup"}))
OLD = ServerInfo("f", "host", "6.0.4")
ROOT: Json = {"type": "disk", "path": "/", "pool": "default", "size": "10MiB"}


def whole(**devices: Json) -> Json:
    return {"config": {}, "devices": {"root": ROOT, **devices}}


@pytest.mark.parametrize(
    ("config", "limited"),
    [
        ({}, False),
        ({"features.images": "true"}, False),
        ({"restricted": "false", "restricted.backups": "block"}, False),
        ({"restricted": "yes"}, True),
        ({"limits.disk.pool.x": "1GiB"}, True),
    ],
)
def test_limits_and_restrictions_make_the_server_check(config: dict[str, str], limited: bool) -> None:
    assert is_limited({"config": config}) == limited


def test_guarded_keys_stay_as_they_are() -> None:
    wanted = {
        "volatile.uuid": "old",
        "volatile.eth0.name": "eth0",
        "volatile.eth0.hwaddr": "00:16:3e:00:00:01",
        "volatile.apply_template": "create",
        "user.note": "old",
    }
    present = {"volatile.uuid": "new", "volatile.idmap.base": "0", "volatile.eth0.hwaddr": "x", "user.x": "y"}
    assert unforced(wanted, present) == {
        "volatile.uuid": "new",
        "volatile.idmap.base": "0",
        "volatile.eth0.hwaddr": "00:16:3e:00:00:01",
        "volatile.apply_template": "create",
        "user.note": "old",
    }


@pytest.mark.parametrize(
    ("message", "guards"),
    [
        ('PUT: Changing "volatile.uuid.generation" on container "c1" in project "rs" is forbidden', True),
        ('Setting "volatile.idmap.next" on container "c1" in project "rs" is forbidden', True),
        ('Use of low-level config "raw.lxc" on container "c1" of project "rs" is forbidden', False),
    ],
)
def test_a_guard_is_known_by_its_words(message: str, guards: bool) -> None:
    assert is_guarding(ServerError(message)) == guards


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("7", 7),
        ("1kB", 1000),
        ("2MiB", 2 << 20),
        ("3 GiB", 3 << 30),
        ("1TB", 10**12),
        ("50%", None),
        ("", None),
        ("0-3", None),
    ],
)
def test_sizes_are_read_as_the_server_reads_them(text: str, size: int | None) -> None:
    assert size_of(text) == size


def test_needs_and_what_is_missing_come_from_profiles_as_well() -> None:
    profiles = [{"config": {"limits.cpu": "4", "limits.memory": "1GiB"}, "devices": {"root": ROOT}}]
    found = effective({"config": {"limits.cpu": "2"}, "devices": {}}, profiles)
    assert needs(found, "container", {}) == {
        "instances": 1,
        "containers": 1,
        "cpu": 2,
        "memory": 1 << 30,
        "disk": 10 << 20,
        "disk.default": 10 << 20,
    }
    project = {"config": {"limits.cpu": "9", "limits.processes": "100", "limits.disk": "1GiB"}}
    assert unset(found, project, "container", {}) == ["limits.processes"]
    assert unset(found, project, "virtual-machine", {}) == []
    assert unset(
        {"config": {}, "devices": {"root": {"type": "disk", "path": "/"}}}, project, "container", {}
    ) == [
        "limits.cpu",
        "limits.processes",
        "size of its root disk",
    ]


BRIDGED: Json = {"type": "nic", "nictype": "bridged", "parent": "br0"}
FORBIDDEN: list[tuple[Json, dict[str, str], str]] = [
    ({"config": {"security.nesting": "true"}}, {}, "security.nesting needs"),
    ({"config": {"security.privileged": "true"}}, {}, "security.privileged needs"),
    ({"config": {"raw.lxc": "x"}}, {}, "raw.lxc needs restricted.containers.lowlevel=allow"),
    ({"config": {"security.syscalls.intercept.mount": "true"}}, {}, "interception=allow"),
    ({"config": {"security.syscalls.intercept.sched_setscheduler": "true"}}, {}, "lowlevel=allow"),
    (
        {"config": {"security.idmap.isolated": "false"}},
        {"restricted.containers.privilege": "isolated"},
        "needs security.idmap.isolated=true",
    ),
    ({"devices": {"d": {"type": "unix-char", "source": "/dev/null"}}}, {}, "restricted.devices.unix-char"),
    ({"devices": {"d": BRIDGED}}, {}, "restricted.devices.nic=allow"),
    ({"devices": {"d": {"type": "nic", "network": "br0"}}}, {"restricted.devices.nic": "block"}, "=managed"),
    (
        {"devices": {"d": {"type": "nic", "network": "br0"}}},
        {"restricted.networks.access": "br1, br2"},
        "restricted.networks.access does not name",
    ),
    ({"devices": {"d": {"type": "disk", "source": "/srv", "path": "/srv"}}}, {}, "disk=allow"),
    (
        {"devices": {"d": {"type": "disk", "source": "/srv2", "path": "/srv"}}},
        {"restricted.devices.disk": "allow", "restricted.devices.disk.paths": "/srv"},
        "restricted.devices.disk.paths does not name",
    ),
    (
        {"devices": {"d": {"type": "disk", "pool": "p", "source": "v", "path": "/srv"}}},
        {"restricted.devices.disk": "block"},
        "restricted.devices.disk=managed",
    ),
    ({"devices": {"root": ROOT}}, {"restricted.storage-pools.access": "fast"}, "is on pool default"),
    ({"devices": {"root": ROOT}}, {"limits.disk.pool.default": "0"}, "is on pool default"),
]


@pytest.mark.parametrize(("definition", "config", "words"), FORBIDDEN)
def test_what_a_restricted_project_forbids_is_named(
    definition: Json, config: dict[str, str], words: str
) -> None:
    found = list(violations(effective(definition, []), {"restricted": "true", **config}, "container"))
    assert len(found) == 1
    assert words in found[0]
    if not words.startswith("is on"):
        assert list(violations(effective(definition, []), config, "container")) == []


def test_what_is_allowed_is_not_named() -> None:
    devices: Json = {
        "root": ROOT,
        "eth0": {"type": "nic", "network": "br0"},
        "data": {"type": "disk", "pool": "p", "source": "v", "path": "/srv"},
        "seed": {"type": "disk", "source": "cloud-init:config"},
        "files": {"type": "disk", "source": "/srv/a/../b", "path": "/b"},
        "null": {"type": "unix-char"},
        "gone": {"type": "none"},
    }
    config = {
        "restricted": "true",
        "restricted.containers.nesting": "allow",
        "restricted.containers.privilege": "allow",
        "restricted.containers.lowlevel": "allow",
        "restricted.containers.interception": "allow",
        "restricted.devices.disk": "allow",
        "restricted.devices.disk.paths": "/srv/b",
        "restricted.devices.unix-char": "allow",
        "restricted.networks.access": "br0",
        "restricted.storage-pools.access": "default,p",
    }
    settings = {
        "security.nesting": "true",
        "security.privileged": "true",
        "raw.lxc": "x",
        "security.syscalls.intercept.mount": "true",
    }
    assert list(violations({"config": settings, "devices": devices}, config, "container")) == []


@pytest.mark.parametrize(
    ("config", "extensions", "identity", "loses"),
    [
        ({"restricted": "true"}, {"direct_backup"}, Identity.PRESERVE, True),
        ({"restricted": "true"}, {"direct_backup"}, Identity.REGENERATE, False),
        (
            {"restricted": "true", "restricted.containers.lowlevel": "allow"},
            {"direct_backup"},
            Identity.PRESERVE,
            False,
        ),
        ({"limits.instances": "9"}, {"direct_backup"}, Identity.PRESERVE, False),
        ({"limits.instances": "9"}, set(), Identity.PRESERVE, True),
        ({}, set(), Identity.PRESERVE, False),
    ],
)
def test_new_ids_are_told_where_the_server_gives_some(
    config: dict[str, str], extensions: set[str], identity: Identity, loses: bool
) -> None:
    stored = stored_manifest(STORED).manifest
    stored.captured.resource["type"] = "container"  # type: ignore[index]  # a dictionary, in tests
    server = ServerInfo("f", "host", "x", frozenset(extensions))
    found = admission(
        stored,
        RestoreOptions(identity=identity),
        server,
        project={"name": "p", "config": config},
        profile_of=lambda _: None,
    )
    assert bool(found.losses) == loses


def test_a_volume_takes_its_size_where_that_is_limited() -> None:
    sized: Json = {"config": {"size": "1MiB"}}
    unsized: Json = {"config": {}}
    limited: Json = {"config": {"limits.disk": "9MiB"}}
    of_pool: Json = {"config": {"limits.disk.pool.fast": "9MiB"}}
    for project in (limited, of_pool):
        found = volume_admission(sized, project, "fast", NEW)
        assert found == Admission(needs={"disk": 1 << 20, "disk.fast": 1 << 20})
        problems = volume_admission(unsized, project, "fast", NEW).problems
        assert problems == ("it has no size, which the project demands",)
    for project in (of_pool, {"config": {"limits.instances": "1"}}):
        assert volume_admission(unsized, project, "other", NEW) == Admission()
    assert volume_admission(unsized, of_pool, "fast", OLD) == Admission()
    assert volume_admission(unsized, limited, "fast", OLD).problems != ()


def test_volumes_that_come_with_an_instance_take_their_sizes_as_well() -> None:
    whole, limited = {"config": {}, "devices": {"root": ROOT}}, {"config": {"limits.disk": "1GiB"}}
    volumes: dict[str, Json] = {"data": {"config": {"size": "1MiB"}}, "more": {"config": {}}}
    assert needs(whole, "container", volumes)["disk"] == 11 << 20
    assert unset(whole, limited, "container", volumes) == ["size of the volume under more"]
    assert unset(whole, {"config": {"limits.cpu": ""}}, "container", volumes) == []


def test_limits_of_a_pool_are_about_what_is_on_it() -> None:
    root = {"type": "disk", "path": "/", "pool": "fast", "size": "2MiB"}
    data = {"type": "disk", "path": "/data", "pool": "slow", "source": "d", "dependent": "true"}
    whole = {"config": {}, "devices": {"root": root, "data": data}}
    volumes: dict[str, Json] = {"data": {"config": {"size": "1MiB"}}}
    taken = needs(whole, "container", volumes)
    assert {key: size >> 20 for key, size in taken.items() if "disk" in key} == {
        "disk": 3,
        "disk.fast": 2,
        "disk.slow": 1,
    }
    unsized: dict[str, Json] = {"data": {"config": {}}}
    for pool, missing in (("slow", ["size of the volume under data"]), ("fast", [])):
        project = {"config": {f"limits.disk.pool.{pool}": "1GiB"}}
        assert unset(whole, project, "container", unsized) == missing
