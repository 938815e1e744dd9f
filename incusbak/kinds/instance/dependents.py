"""Disks that depend on an instance (Incus 7.0): volumes that are part of it, in its archive as well. Pure.

The server exports, snapshots and deletes such volumes together with the instance, and takes an archive only
if the definition in it has their devices. So they come in under names that nobody uses, see ``placed``, and
their volumes are renamed in the archive on its way, see ``to_place``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import Corrupt
from ...model.backups import Captured, ExportWishes, Manifest
from ...model.documents import Json
from ...model.inventory import Resource, ServerInfo
from ...model.policies import Maps
from ...model.refs import ResourceRef, volume_ref
from ..common.values import is_true

EXTENSION = "dependent"
"""The API extension of servers that have such disks."""
FLAG = "dependent"
"""Key of a device, and of the configuration of its volume."""
_ID_MAP = "volatile.idmap."
_FEATURE = "features.storage.volumes"

Devices = dict[str, Json]
"""Dependent disks by their names, with ``pool`` and ``source`` as they are to be."""
NameOf = Callable[[int, str], str]
"""Choose the name of a volume by its number among an instance's, and its name in the archive."""


def is_dependent(device: Json) -> bool:
    """Whether a device is a disk whose volume is part of the instance."""
    is_volume = device.get("type") == "disk" and device.get("path") != "/" and bool(device.get("pool"))
    return is_volume and is_true(device.get(FLAG))


def disks(document: Json) -> Devices:
    """Find the dependent disks of an instance, wherever they come from."""
    return _of(document.get("expanded_devices") or document.get("devices") or {})


def _of(devices: Json) -> Devices:
    return {name: device for name, device in sorted(devices.items()) if is_dependent(device)}


def place_of(device: Json) -> tuple[str, str]:
    """Tell pool and name of a disk's volume."""
    return str(device["pool"]), str(device.get("source", ""))


def volumes(devices: Devices, project: str) -> tuple[ResourceRef, ...]:
    """Name the volumes of disks, in the project of their instance."""
    return tuple(volume_ref(project, *place_of(device)) for device in devices.values())


def keeps_volumes(project: Json) -> bool:
    """Whether a project has its volumes to itself; else it uses those of the default one."""
    return project["name"] == "default" or is_true((project.get("config") or {}).get(_FEATURE))


def counted_volumes(captured: Captured, project: Json) -> dict[str, Json]:
    """The volumes that come with an instance and count against the limits of its project, by their disks."""
    if not keeps_volumes(project):
        return {}
    return {name: captured.volumes.get(name, {}) for name in disks(captured.resource)}


# -- where they go ----------------------------------------------------------------------------------


def placed(document: Json, maps: Maps, name_of: NameOf) -> Devices:
    """Say how the dependent disks of an archived instance will be."""
    return {
        name: {
            **device,
            "pool": maps.pools.get(str(device["pool"]), str(device["pool"])),
            "source": name_of(number, str(device.get("source", ""))),
        }
        for number, (name, device) in enumerate(disks(document).items())
    }


def names_under(document: Json, name: str) -> NameOf:
    """Keep the names of an instance's volumes; of one with another name, have that in front."""
    same = name == document.get("name")
    return lambda _, source: source if same else f"{name}-{source}"


def numbered(prefix: str) -> NameOf:
    """Make names that are only used for a while."""
    return lambda number, _: f"{prefix}-{number}"


def in_definition(wanted: Json, document: Json, final: Devices) -> dict[str, Any]:
    """Give a definition its dependent disks; those of profiles become its own where they differ."""
    inherited = disks(document)
    ours = {
        name: device
        for name, device in final.items()
        if name in wanted["devices"] or inherited.get(name) != device
    }
    return {**wanted, "devices": {**wanted["devices"], **ours}}


def in_snapshot(wanted: Json, name_of: NameOf) -> dict[str, Any]:
    """Have the definition of a snapshot name the volumes as the instance does."""
    ours = {
        name: {**device, "source": name_of(0, str(device.get("source", "")))}
        for name, device in _of(wanted["devices"]).items()
    }
    return {**wanted, "devices": {**wanted["devices"], **ours}}


# -- in the archive ---------------------------------------------------------------------------------


def to_place(
    document: Json, places: Devices, *, project: str, marks: Mapping[str, str]
) -> Callable[[dict[str, Any]], None]:
    """Rename the archived volumes of an instance to where they go; those of left out devices stay behind.

    Args:
        document: the instance as it was backed up, but for devices that are left out.
        project: that which has the volumes.
    """
    by_place = {place_of(device): places[name] for name, device in disks(document).items() if name in places}

    def change(config: dict[str, Any]) -> None:
        entries = config.get("dependent_volumes") or ()
        known = {place_of(device) for device in disks(config.get("container") or {}).values()}
        config["dependent_volumes"] = [
            entry for entry in entries if _was(entry) not in known - by_place.keys()
        ]
        for entry in config["dependent_volumes"]:
            was = _was(entry)
            if was not in by_place:
                raise Corrupt(f"the archive holds the volume {'/'.join(was)}, which no device is on")
            pool, name = place_of(by_place[was])
            own = {**(entry["volume"].get("config") or {}), FLAG: "true", **marks}
            entry["pool"] = {**entry["pool"], "name": pool}
            entry["volume"] |= {"name": name, "project": project, "config": own}

    return change


def _was(entry: Json) -> tuple[str, str]:
    return str(entry["pool"]["name"]), str(entry["volume"]["name"])


def to_original(originals: Mapping[str, Json]) -> Callable[[dict[str, Any]], None]:
    """Put the definitions of the originals' volumes into the export of a copy.

    Args:
        originals: the volumes' documents by the names of their copies.
    """

    def change(config: dict[str, Any]) -> None:
        for entry in config.get("dependent_volumes") or ():
            original = originals[str(entry["volume"]["name"])]
            copied = entry["volume"].get("config") or {}
            own = {key: value for key, value in copied.items() if key.startswith(_ID_MAP)}
            kept = {key: value for key, value in original["config"].items() if not key.startswith(_ID_MAP)}
            entry["volume"] = {**original, "config": {**kept, **own}, "used_by": []}

    return change


# -- what can't be ----------------------------------------------------------------------------------


def obstacle(document: Json, options: ExportWishes) -> str:
    """Say why an instance with such disks can't be backed up so; empty when it can."""
    found = disks(document)
    if found and options.optimized:
        return (
            f"disks that depend on it ({', '.join(found)}): in the storage driver's own format they could "
            "not be brought back beside the living ones; back it up without that"
        )
    inherited = _inherited(document)
    if inherited and options.snapshot and document.get("status") != "Stopped":
        return (
            f"disks that depend on it come from a profile ({', '.join(inherited)}): the server "
            "can't copy it while it runs; give it these devices as its own, stop it, or back it up without "
            "a snapshot"
        )
    return ""


def _inherited(document: Json) -> list[str]:
    return sorted(disks(document).keys() - _of(document.get("devices") or {}).keys())


def irreplaceable(manifest: Manifest, current: Resource | None) -> str:
    """Say why an instance can't be replaced; empty when it can.

    The volumes of the old and the new one are renamed, and the server does more than that to a volume that a
    profile names.
    """
    if current is None:
        return ""
    found = sorted({*_inherited(current.document), *_inherited(manifest.captured.resource)})
    if not found or not disks(current.document):
        return ""
    return (
        f"disks that depend on it come from a profile ({', '.join(found)}), so it can't be replaced while it "
        "lives; delete it first, or bring the backup back under another name"
    )


def unrestorable(manifest: Manifest, server: ServerInfo) -> str:
    """Say why a server can't take a backup with such disks; empty when it can."""
    found = disks(manifest.captured.resource)
    if not found:
        return ""
    if not server.has(EXTENSION):
        return (
            f"it has disks that depend on it ({', '.join(found)}), which Incus {server.version} does not know"
        )
    if manifest.options.optimized:
        return (
            f"it has disks that depend on it ({', '.join(found)}) and is in the storage driver's own format; "
            "`incus import` of its archive brings it back where neither it nor these volumes are"
        )
    return ""
