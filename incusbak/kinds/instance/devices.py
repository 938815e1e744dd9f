"""What of an instance is left out, what listens on the host, and what a network would not take. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

from attrs import evolve

from ...model.backups import Manifest
from ...model.documents import Json
from ...model.goals import RestoreOptions
from ...model.inventory import Listener
from ...model.policies import Identity, Maps
from ...model.refs import ResourceRef
from ...ports import NetworkOf
from .definition import adapted, references, root_device

_NOTHING = {"type": "none"}
"""What hides a device, also one that a profile gives."""
_INSIDE = ("instance", "guest", "container")
_TRUE = ("true", "1", "yes", "on")
_FAMILIES = (("ipv4", "ipv4.dhcp"), ("ipv6", "ipv6.dhcp.stateful"))


def leaving_out(manifest: Manifest, names: Iterable[str]) -> Manifest:
    """The manifest of an instance that has not these devices, now and in its snapshots."""
    wanted = frozenset(names)
    if not wanted:
        return manifest
    captured = manifest.captured
    resource, *snapshots = [_without(each, wanted) for each in (captured.resource, *captured.snapshots)]
    return evolve(manifest, captured=evolve(captured, resource=resource, snapshots=tuple(snapshots)))


def _without(document: Json, names: frozenset[str]) -> Json:
    there = names & devices(document)
    hidden = dict.fromkeys(sorted(there), _NOTHING)
    return {
        **document,
        "devices": {**document.get("devices", {}), **hidden},
        "expanded_devices": {**document.get("expanded_devices", {}), **hidden},
    }


def devices(document: Json) -> frozenset[str]:
    """Name the devices that can be left out: all but the root disk."""
    there = {**document.get("expanded_devices", {}), **document.get("devices", {})}
    return frozenset(there) - {root_device(document)[0]}


def brought(manifest: Manifest, options: RestoreOptions) -> Json:
    """The document of what a restore brings, as far as devices are concerned."""
    document = leaving_out(manifest, options.without_devices).captured.resource
    if options.identity is not Identity.REGENERATE:
        return document
    fresh = adapted(document, Maps(), seed="any")["devices"]
    return {**document, "devices": fresh, "expanded_devices": {**_devices_of(document), **fresh}}


def _devices_of(document: Json) -> Mapping[str, Json]:
    return document.get("expanded_devices") or document.get("devices") or {}


def attached(manifest: Manifest) -> dict[ResourceRef, bool]:
    """Find the volumes that an instance is attached to, through its profiles too, or a snapshot itself is."""
    captured, project = manifest.captured, manifest.id.ref.project
    own = [each.get("devices", {}) for each in (captured.resource, *captured.snapshots)]
    now = _volumes(_devices_of(captured.resource), project)
    before = {ref for found in own for ref in _volumes(found, project)}
    return {ref: ref in now for ref in sorted(now | before)}


def _volumes(devices: Json, project: str) -> frozenset[ResourceRef]:
    return frozenset(ref for ref in references({"devices": devices}, project) if ref.kind == "volume")


def host_paths(document: Json) -> dict[str, str]:
    """The files and folders of the host that its disks need, by device; without what may be missing."""
    return {
        name: str(device["source"])
        for name, device in sorted(_devices_of(document).items())
        if device.get("type") == "disk" and not device.get("pool")
        if str(device.get("source", "")).startswith("/")
        if device.get("required", "true") in _TRUE and device.get("optional", "false") not in _TRUE
    }


# -- listeners --------------------------------------------------------------------------------------


def listeners(document: Json) -> frozenset[Listener]:
    """The proxy devices that listen on the host, not inside; those that translate addresses do not listen."""
    found: set[Listener] = set()
    for name, device in _devices_of(document).items():
        is_inside = device.get("bind", "host") in _INSIDE
        if device.get("type") == "proxy" and not is_inside and device.get("nat") != "true":
            protocol, _, where = str(device.get("listen", "")).partition(":")
            address, ports = (where, []) if protocol == "unix" else _place(where)
            found.add(Listener(name, protocol, address, tuple(ports)))
    return frozenset(found)


def _place(where: str) -> tuple[str, list[tuple[int, int]]]:
    """Read ``ADDRESS:PORT[-PORT][,...]``; what makes no sense to us is left to the server."""
    address, _, ports = where.rpartition(":")
    address = {"*": "::", "": "::"}.get(address.strip("[]"), address.strip("[]"))
    found: list[tuple[int, int]] = []
    for part in ports.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            found.append((int(first), int(last or first)))
    return address, found


# -- networks ---------------------------------------------------------------------------------------


def networks(document: Json, maps: Maps) -> frozenset[str]:
    """Name the managed networks its devices are on."""
    found = (d.get("network", "") for d in _devices_of(document).values() if d.get("type") == "nic")
    return frozenset(maps.networks.get(name, name) for name in found if name)


def misfits(document: Json, maps: Maps, network_of: NetworkOf) -> Iterator[str]:
    """Say which fixed addresses the managed networks would refuse, as they are now."""
    for name, device in sorted(_devices_of(document).items()):
        if device.get("type") != "nic" or not device.get("network"):
            continue
        network = maps.networks.get(device["network"], device["network"])
        config = (network_of(network) or {}).get("config") or {}
        for family, dhcp in _FAMILIES:
            wanted = device.get(f"{family}.address", "none")
            if wanted not in ("", "none") and (why := _refusal(wanted, device, config, family, dhcp)):
                yield f"its device {name} has the fixed address {wanted}, but network {network} {why}"


def _refusal(wanted: str, device: Json, config: Mapping[str, str], family: str, dhcp: str) -> str:
    """Say why a network does not take an address; empty when it does, or nothing is known of it."""
    gateway = config.get(f"{family}.address")
    if gateway is None or f"security.{family}_filtering" in device:
        return ""
    served = config.get(dhcp, "true" if family == "ipv4" else "false") in _TRUE
    if gateway in ("", "none") or not served:
        return f"gives out no {family.replace('ip', 'IP')} addresses"
    try:
        interface, address = ip_interface(gateway), ip_address(wanted)
    except ValueError:
        return ""
    if address == interface.ip:
        return f"has that address itself, {gateway}"
    return "" if _holds(interface, wanted) else f"is {interface.network} now"


def _holds(interface: IPv4Interface | IPv6Interface, wanted: str) -> bool:
    return ip_address(wanted) in interface.network
