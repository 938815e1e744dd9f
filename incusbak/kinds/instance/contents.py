"""What the export of an instance must hold to be a backup of it. Pure.

A server whose storage is not there, since a disk is not mounted or a folder was moved, makes the folder anew
and exports that, without a word.
"""

from collections.abc import Iterable, Mapping

from ...model.documents import Json
from ..contents import Area, lacks
from ..values import size_of
from .definition import root_device

_SNAPSHOTS = {"container": "backup/snapshots", "virtual-machine": "backup/virtual-machine-snapshots"}


def own_area(document: Json, *, optimized: bool) -> str:
    """The path of what an instance takes itself, without its snapshots."""
    return f"backup/{document['type']}{_suffix(document, optimized=optimized)}"


def shortcomings(
    areas: Mapping[str, Area], document: Json, snapshots: Iterable[Json], *, optimized: bool
) -> tuple[str, ...]:
    """Say what of an instance or of its snapshots the archive does not have; empty when it has all."""
    suffix, folder = _suffix(document, optimized=optimized), _SNAPSHOTS[str(document["type"])]
    least = 1 if optimized else _image_bytes(document)
    named = ((f"{folder}/{snapshot['name']}{suffix}", snapshot) for snapshot in snapshots)
    found = [_lacking(areas, own_area(document, optimized=optimized), document, suffix, least)]
    found += [_lacking(areas, path, snapshot, suffix, 1) for path, snapshot in named]
    return tuple(filter(None, found))


def _suffix(document: Json, *, optimized: bool) -> str:
    if optimized:
        return ".bin"
    return "" if document["type"] == "container" else ".img"


def _lacking(areas: Mapping[str, Area], path: str, document: Json, suffix: str, least: int) -> str:
    if suffix:
        return lacks(areas, path, least_bytes=least)
    area = areas.get(path, Area())
    if not (area.has_root or area.in_root):
        return f"no {path}/rootfs"
    if not area.in_root and _is_made_of_something(document):
        return f"nothing in {path}/rootfs"
    return ""


def _is_made_of_something(document: Json) -> bool:
    """Whether it was made from an image; one that was made empty may still be."""
    return any(
        key == "volatile.base_image" or key.startswith("image.") for key in document.get("config") or ()
    )


def _image_bytes(document: Json) -> int:
    """How large the disk image has to be; a new size of a running machine waits for its next start."""
    name, device = root_device(document)
    waits = f"volatile.{name}.apply_quota" in document.get("config", {})
    return 1 if waits else size_of(device.get("size", "")) or 1
