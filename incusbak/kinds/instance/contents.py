"""What the export of an instance must hold to be a backup of it. Pure.

A server whose storage is not there, since a disk is not mounted or a folder was moved, makes the folder anew
and exports that, without a word.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from ...model.documents import Json
from ..archive.contents import Area, lacks
from ..common.values import size_of
from .definition import pool_of, root_device
from .dependents import disks

_SNAPSHOTS = {"container": "backup/snapshots", "virtual-machine": "backup/virtual-machine-snapshots"}
_IMAGES = (".img", ".iso")


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
    found += [
        _lacking_volume(areas, name, device, optimized=optimized) for name, device in disks(document).items()
    ]
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


def _lacking_volume(areas: Mapping[str, Area], name: str, device: Json, *, optimized: bool) -> str:
    """Say what there is not of the volume of a disk that depends on it; one of files may well be empty."""
    path = _volume(name)
    if device.get("path") and not optimized:
        return "" if path in areas else f"no {path}"
    ends = (".bin",) if optimized else _IMAGES
    return lacks(areas, next((path + end for end in ends if path + end in areas), path + ends[0]))


def elsewhere(areas: Mapping[str, Area], document: Json) -> dict[str, int]:
    """Say how much of what it takes lies on other pools than its root disk, by their names."""
    own, found = pool_of(document), Counter[str]()
    for name, device in disks(document).items():
        found[str(device["pool"])] += sum(areas[path].data_bytes for path in _areas_of(areas, name))
    return {pool: size for pool, size in sorted(found.items()) if pool != own}


def _areas_of(areas: Mapping[str, Area], name: str) -> Iterator[str]:
    return (path for path in areas if path.startswith(_volume(name)))


def _volume(name: str) -> str:
    return f"backup/{name}/volume"


def _is_made_of_something(document: Json) -> bool:
    """Whether it was made from an image; one that was made empty may still be."""
    return any(
        key == "volatile.base_image" or key.startswith("image.") for key in document.get("config") or ()
    )


def _image_bytes(document: Json) -> int:
    """How large the disk image has to be; a new size of a running machine waits for its next start."""
    name, device = root_device(document)
    waits = f"volatile.{name}.apply_quota" in (document.get("config") or {})
    return 1 if waits else size_of(device.get("size", "")) or 1
