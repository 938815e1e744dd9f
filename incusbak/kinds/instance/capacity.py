"""How large the root disk of an instance may become where it is brought back. Pure."""

from collections.abc import Iterable, Mapping

from ...model.documents import Json
from ...model.policies import Maps
from ...model.refs import ResourceRef
from ...ports import DocumentOf
from ..values import size_of
from .definition import mapped, root_device


def limit_of(
    document: Json, to: ResourceRef, maps: Maps, *, pool: str, document_of: DocumentOf
) -> int | None:
    """Tell the least ``size`` that its root disk has on the way: as it was, and by its profiles as they are.

    Returns:
        None where nothing limits it.
    """
    name, root = root_device(document)
    sizes, wanted = [root.get("size", "")], mapped(document, maps)
    if name not in wanted["devices"]:
        refs = (ResourceRef("profile", project=to.project, name=profile) for profile in wanted["profiles"])
        device = _root_of(document_of(ref) or {} for ref in refs)
        if device.get("pool") == pool:  # else the restore makes it a device of its own, as it was
            sizes.append(device.get("size", ""))
    return min(filter(None, map(size_of, sizes)), default=None)


def _root_of(profiles: Iterable[Json]) -> Mapping[str, str]:
    """The root disk that profiles give; later ones win."""
    found: Mapping[str, str] = {}
    for profile in profiles:
        for device in (profile.get("devices") or {}).values():
            if device.get("type") == "disk" and device.get("path") == "/":
                found = device
    return found
