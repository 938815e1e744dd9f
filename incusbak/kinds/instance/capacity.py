"""How large the root disk of an instance may become where it is brought back. Pure."""

from ...model.admissions import Capacity
from ...model.backups import Captured
from ...model.policies import Maps
from ...model.refs import ResourceRef
from ...ports import DocumentOf
from ..common.values import size_of
from .definition import mapped, profile_root, root_device


def capacity_of(
    captured: Captured, to: ResourceRef, maps: Maps, *, pool: str, document_of: DocumentOf
) -> Capacity:
    """Tell the ``size`` of its root disk: as profiles say by now, or as it was where they say too little."""
    name, root = root_device(captured.resource)
    own, wanted = size_of(root.get("size", "")), mapped(captured.resource, maps)
    if name in wanted["devices"]:
        return Capacity(own)
    refs = (ResourceRef("profile", project=to.project, name=profile) for profile in wanted["profiles"])
    device = profile_root(document_of(ref) or {} for ref in refs)
    size = size_of(device.get("size", ""))
    if device.get("pool") != pool or size is None:  # on another pool it gets a device of its own, as it was
        return Capacity(own)
    return Capacity(own, size) if size < held_bytes(captured) else Capacity(_least(own, size))


def _least(*sizes: int | None) -> int | None:
    """Each is the size on the way: as it was until it is whole, then as it shall be."""
    return min(filter(None, sizes), default=None)


def held_bytes(captured: Captured) -> int:
    """What its root disk has to hold, at most where that is not known better."""
    return captured.content_bytes if captured.own_bytes is None else captured.own_bytes
