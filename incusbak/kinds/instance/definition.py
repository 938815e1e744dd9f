"""Instance definitions: what is compared, what is put back, what is made harmless. Pure.

A definition is what a PUT takes: architecture, config, devices, ephemeral, profiles, description. The
rules come from the real server: see ``restored`` and ``neutral``.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from ...errors import Unplannable
from ...model.documents import Json
from ...model.policies import Maps
from ...model.refs import ResourceRef, instance_ref
from ..common.marks import MARK
from ..common.values import size_of
from .dependents import disks, is_dependent

WRITABLE = ("architecture", "config", "description", "devices", "ephemeral", "profiles", "stateful")
_NAME = re.compile(r"(?!-|[0-9]+$)[A-Za-z0-9-]{1,63}(?<!-)", re.ASCII)
_RUNTIME = (
    "volatile.*.host_name",
    "volatile.*.last_state.*",
    "volatile.last_state.power",
    "volatile.last_state.ready",
)
_STORED_IDMAP = ("volatile.idmap.*", "volatile.last_state.idmap")
_UUIDS = ("volatile.uuid", "volatile.uuid.generation")
IDENTITY = (*_UUIDS, "volatile.*.hwaddr", "volatile.cloud-init.instance-id")
_STARTERS = ("boot.autostart*", "snapshots.*", "security.protection.delete", "volatile.*")


def check_name(name: str) -> None:
    """See that an instance can be called so: the server would tell only when all is uploaded.

    Raises:
        Unplannable: it can't.
    """
    if not _NAME.fullmatch(name):
        raise Unplannable(
            f"an instance can't be called {name!r}",
            hint="letters, digits and hyphens, 63 at most; no hyphen at either end, not a number alone",
        )


def matches_any(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def definition(document: Json) -> dict[str, Any]:
    """Take the writable part of a document."""
    return {key: document[key] for key in WRITABLE if key in document}


def comparable(document: Json) -> Json:
    """Take what a person would compare: no volatile keys, none of this tool's marks."""
    config = {
        key: value
        for key, value in (document.get("config") or {}).items()
        if not key.startswith(("volatile.", MARK))
    }
    return {**definition(document), "config": config}


def root_device(document: Json) -> tuple[str, Json]:
    """Return name and content of the root disk, wherever it comes from."""
    for name, device in sorted(document.get("expanded_devices", {}).items()):
        if device.get("type") == "disk" and device.get("path") == "/":
            return name, device
    return "root", {"type": "disk", "path": "/"}


def pool_of(document: Json) -> str:
    return str(root_device(document)[1].get("pool", ""))


def own_pools(document: Json) -> list[str]:
    """Name the pools on which an instance is: its root, and the volumes that are part of it."""
    return sorted({pool_of(document), *(str(device["pool"]) for device in disks(document).values())})


def mapped(document: Json, maps: Maps) -> dict[str, Any]:
    """Rename what the devices and profiles of a definition refer to; a profile can't be there twice."""
    devices = {name: _mapped_device(device, maps) for name, device in document.get("devices", {}).items()}
    profiles = dict.fromkeys(maps.profiles.get(name, name) for name in document.get("profiles") or ())
    return {**definition(document), "devices": devices, "profiles": list(profiles)}


def _mapped_device(device: Json, maps: Maps) -> Json:
    renamed = dict(device)
    if device.get("type") == "nic" and "network" in device:
        renamed["network"] = maps.networks.get(device["network"], device["network"])
    if device.get("type") == "disk" and "pool" in device:
        renamed["pool"] = maps.pools.get(device["pool"], device["pool"])
    return renamed


def references(definition: Json, project: str) -> frozenset[ResourceRef]:
    """Name what an instance with this definition needs in its project."""
    found = {ResourceRef("project", name=project)}
    found |= {ResourceRef("profile", project=project, name=name) for name in definition.get("profiles") or ()}
    for device in definition.get("devices", {}).values():
        if device.get("type") == "nic" and device.get("network"):
            found.add(ResourceRef("network", project=project, name=device["network"]))
        if device.get("type") == "disk" and device.get("pool"):
            found.add(ResourceRef("pool", name=device["pool"]))
            if device.get("source") and not is_dependent(device):  # else it comes along
                volume = device["source"].split("/")[0]
                found.add(ResourceRef("volume", project=project, pool=device["pool"], name=volume))
    return frozenset(found)


def addresses(document: Json, maps: Maps) -> frozenset[str]:
    """Name the MAC addresses and fixed IP addresses of an instance, each with its network, maps applied."""
    found = set()
    config = document.get("config") or {}
    for name, device in (document.get("expanded_devices") or document.get("devices") or {}).items():
        if device.get("type") != "nic":
            continue
        network = _mapped_device(device, maps).get("network") or device.get("parent", "")
        fixed = {
            "MAC": device.get("hwaddr") or config.get(f"volatile.{name}.hwaddr"),
            "IPv4": device.get("ipv4.address"),
            "IPv6": device.get("ipv6.address"),
        }
        found |= {
            f"{kind} address {at} on {network}" for kind, at in fixed.items() if at not in ("", "none", None)
        }
    return frozenset(found)


def with_root(
    wanted: Json, root: tuple[str, Json], pool: str, profiles: Iterable[Json], *, holds: int = 0
) -> dict[str, Any]:
    """Have the root disk on ``pool``: from the profiles where they say so, else as a local device.

    A PUT can't move a root disk, so what the definition says must be where the import put it. Nor can it make
    one smaller than the ``holds`` bytes that are in it.
    """
    name, device = root
    devices = dict(wanted["devices"])
    if name in devices:
        devices[name] = {**devices[name], "pool": pool}
        return {**wanted, "devices": devices}
    given = profile_root(profiles)
    size = size_of(given.get("size", ""))
    if given.get("pool", "") != pool or (size is not None and size < holds):
        devices[name] = {**device, "pool": pool}
    return {**wanted, "devices": devices}


def profile_root(profiles: Iterable[Json]) -> Json:
    """Return the root disk that profiles give; later ones win."""
    found: Json = {}
    for profile in profiles:
        for device in (profile.get("devices") or {}).values():
            if device.get("type") == "disk" and device.get("path") == "/":
                found = device
    return found


def adapted(document: Json, maps: Maps, *, seed: str) -> dict[str, Any]:
    """Fit the definition of an instance, or of a snapshot of it, to its new place.

    A ``seed`` gives it another identity: each uuid, MAC address and cloud-init id is replaced, equal ones by
    equal ones, so that going back to a snapshot keeps the copy what it is; addresses fixed in devices are
    dropped, since the original has them. An empty seed keeps all.
    """
    wanted = mapped(document, maps)
    if seed:
        config = wanted.get("config") or {}
        wanted["config"] = {
            k: _another(v, seed) if matches_any(k, IDENTITY) else v for k, v in config.items()
        }
        wanted["devices"] = {name: _without_addresses(device) for name, device in wanted["devices"].items()}
    return wanted


def _another(value: str, seed: str) -> str:
    """Derive another uuid or MAC address; the latter keeps its maker's half."""
    new = uuid5(NAMESPACE_OID, f"{seed} {value}")
    if not re.fullmatch("..(:..){5}", value):
        return str(new)
    return ":".join([value[:8], *re.findall("..", new.hex[:6])])


def _without_addresses(device: Json) -> Json:
    if device.get("type") != "nic":
        return device
    return {k: v for k, v in device.items() if k not in ("hwaddr", "ipv4.address", "ipv6.address")}


def without_profile_addresses(wanted: Json, profiles: Iterable[Json]) -> dict[str, Any]:
    """Give a copy network cards of its own where those of its profiles have an address that is fixed.

    The original has the same from the same profile, and two that have one keep each other from starting.
    """
    given = {name: device for each in profiles for name, device in each.get("devices", {}).items()}
    own = {
        name: _without_addresses(device)
        for name, device in given.items()
        if name not in wanted["devices"] and device != _without_addresses(device)
    }
    return {**wanted, "devices": {**wanted["devices"], **own}}


def restored(wanted: Json, current: Json) -> dict[str, Any]:
    """Make the PUT that gives an imported instance its definition.

    State of the original's last run is dropped. The id map stays what the import set: it says how the files
    lie on this server's disk. The uuid stays where the definition has none.
    """
    uuids = {k: v for k, v in current["config"].items() if matches_any(k, _UUIDS)}
    config = {k: v for k, v in wanted["config"].items() if not matches_any(k, _RUNTIME + _STORED_IDMAP)}
    kept = {k: v for k, v in current["config"].items() if matches_any(k, _STORED_IDMAP) or k.startswith(MARK)}
    return {**wanted, "config": {**uuids, **config, **kept}}


def neutral(document: Json, root: tuple[str, Json], marks: Mapping[str, str]) -> dict[str, Any]:
    """Make a definition that disturbs nobody and does not start by itself.

    No devices but the root disk, no profiles; no identity: an imported copy that keeps its original's MAC
    address keeps the original from starting. Storage id map and what the image said stay.
    """
    config = {
        k: v
        for k, v in (document.get("config") or {}).items()
        if matches_any(k, _STORED_IDMAP) or not matches_any(k, _STARTERS)
    }
    name, device = root
    return {
        **definition(document),
        "config": {**config, **marks, "boot.autostart": "false"},
        "devices": {name: dict(device)},
        "profiles": [],
        "ephemeral": False,
    }


def set_aside(document: Json, marks: Mapping[str, str]) -> dict[str, Any]:
    """Make the definition under which a replaced instance waits: nothing in it can clash or start.

    Volatile keys stay, but for addresses: where a project is restricted they could not be put back.
    """
    name, device = root_device(document)
    masked = {other: {"type": "none"} for other in document.get("expanded_devices", {}) if other != name}
    config = {
        k: v
        for k, v in (document.get("config") or {}).items()
        if (k.startswith("volatile.") and not k.endswith(".hwaddr")) or not matches_any(k, _STARTERS)
    }
    return {
        **definition(document),
        "config": {**config, **marks, "boot.autostart": "false", "snapshots.schedule": ""},
        "devices": {**masked, name: dict(device)},
        "ephemeral": False,
    }


def to_ref(document: Json) -> ResourceRef:
    return instance_ref(str(document["project"]), str(document["name"]))
