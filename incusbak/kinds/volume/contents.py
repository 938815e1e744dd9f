"""What the export of a volume must hold to be a backup of it. Pure.

A folder that is empty since its disk is not mounted can't be told from one that is meant to be empty.
"""

from collections.abc import Iterable, Mapping

from ...model.documents import Json
from ..archive.contents import Area, Contents, lacks
from ..common.values import size_of
from .storage import ISO

_OWN = "backup/volume"
_SNAPSHOTS = "backup/volume-snapshots"


def own_area(document: Json, *, optimized: bool) -> str:
    """The path of what a volume takes itself, without its snapshots."""
    return _OWN + _suffix(document, optimized=optimized)


def of_iso(size_bytes: int) -> Contents:
    """What an ISO image holds, which is stored as it is."""
    return Contents(areas={f"{_OWN}.iso": Area(size_bytes=size_bytes)})


def shortcomings(
    areas: Mapping[str, Area], document: Json, snapshots: Iterable[Json], *, optimized: bool
) -> tuple[str, ...]:
    """Say what of a volume or of its snapshots the archive does not have; empty when it has all."""
    suffix = _suffix(document, optimized=optimized)
    volumes = [(_OWN + suffix, document), *((f"{_SNAPSHOTS}/{s['name']}{suffix}", s) for s in snapshots)]
    return tuple(filter(None, (_lacking(areas, path, each, suffix) for path, each in volumes)))


def _suffix(document: Json, *, optimized: bool) -> str:
    if optimized:
        return ".bin"
    return {"filesystem": "", ISO: ".iso"}.get(document.get("content_type", "filesystem"), ".img")


def _lacking(areas: Mapping[str, Area], path: str, document: Json, suffix: str) -> str:
    if not suffix:
        return "" if path in areas else f"no {path}"  # which may well be empty
    least = None if suffix == ".bin" else size_of((document.get("config") or {}).get("size", ""))
    return lacks(areas, path, least_bytes=least or 1)
