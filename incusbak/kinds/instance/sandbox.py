"""What an instance is while it is rehearsed: as it was, but out of everybody's reach and way. Pure."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ...model.documents import Json
from ...model.policies import Maps
from ..archive.renaming import unreachable
from .definition import adapted, matches_any, neutral, pool_of, root_device

_MASK = {"type": "none"}
_TEMPLATES = ("agent:config", "cloud-init:config")
"""Sources of disks that the server makes up for one instance."""
_OUTWARD = ("raw.qemu*", "security.protection.*")
_OUTWARD_LXC = ("lxc.mount", "lxc.net", "lxc.hook")
"""What raw configuration could reach the host or a network with."""


def obstacle(captured: Json, *, optimized: bool) -> str:
    """Why a backup can't be brought in, or not without disturbing its original; empty when it can.

    The definition inside of an optimized archive can't be changed before the server takes it: it would have
    the addresses of its original for a moment.
    """
    if not optimized:
        return unreachable(pool_of(captured))
    root_name, _ = root_device(captured)
    own = sorted(
        name
        for name, device in captured.get("devices", {}).items()
        if name != root_name and _is_outward(device) and device != _MASK
    )
    if not own:
        return ""
    return (
        "it is in the storage driver's own format, which would bring the devices "
        f"{', '.join(own)} of the original in before they can be masked"
    )


def sandboxed(document: Json, *, pool: str, marks: Mapping[str, str], identity: UUID) -> dict[str, Any]:
    """Make the definition for a rehearsal: what profiles gave is its own, what could reach out is masked."""
    name, root = root_device(document)
    whole = {**document, "config": _effective(document)}
    harmless = neutral(whole, (name, {**root, "pool": pool}), marks)
    config = {k: v for k, v in harmless["config"].items() if not matches_any(k, _OUTWARD)}
    if "raw.lxc" in config:
        config["raw.lxc"] = _inward(config["raw.lxc"])
    own = {"volatile.uuid": str(identity), "volatile.uuid.generation": str(identity)}
    devices = {**_masked(document), **harmless["devices"]}
    return {**harmless, "config": {**config, "snapshots.schedule": "", **own}, "devices": devices}


def sandboxed_snapshot(snapshot: Json, *, seed: str) -> dict[str, Any]:
    """Make the definition of a snapshot in a rehearsal: it is never gone back to."""
    name, root = root_device(snapshot)
    other = adapted(snapshot, Maps(), seed=seed)
    return {**snapshot, **other, "profiles": [], "devices": {**_masked(snapshot), name: dict(root)}}


def _effective(document: Json) -> Mapping[str, str]:
    return {**(document.get("expanded_config") or {}), **(document.get("config") or {})}


def _masked(document: Json) -> dict[str, Json]:
    return {
        name: _MASK if _is_outward(device) else dict(device)
        for name, device in document.get("expanded_devices", {}).items()
    }


def _is_outward(device: Json) -> bool:
    """Whether a device is of anything but the instance itself."""
    if device.get("type") == "disk":
        return device.get("source") not in _TEMPLATES
    return device.get("type") != "tpm"


def _inward(raw: str) -> str:
    lines = raw.splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith(_OUTWARD_LXC))
