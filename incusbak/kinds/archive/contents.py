"""What an archive holds: how much of what, seen while it passes through."""

from collections.abc import Mapping

from attrs import define, field

from ...errors import Corrupt
from .sparse import UNIT, HoleFinder

_FOLDER = b"5"
_SNAPSHOTS = "snapshots"
_MOST_AREAS = 10_000
"""More snapshots and volumes than any one resource has."""


@define
class Area:
    """What the archive has of one volume: of the resource itself, or of a snapshot of it.

    ``entries``: members below its folder; ``in_root``: of those, files of a root file system.
    """

    entries: int = 0
    has_root: bool = False
    in_root: int = 0
    size_bytes: int = 0
    zero_bytes: int = 0

    @property
    def data_bytes(self) -> int:
        """What it takes, as far as its files have holes, or could have them."""
        return self.size_bytes - self.zero_bytes


@define
class Contents:
    """Take stock of the members of an export, each volume for itself.

    Areas have the path that a volume has in the archive, such as ``backup/container``,
    ``backup/snapshots/NAME`` or ``backup/volume.img``.

    Args:
        finder: is shown the content of files; without it, nothing is known of holes.
        parts: folders with the export of another volume each; its areas are ``backup/PART/volume`` and so on.
    """

    finder: HoleFinder | None = None
    parts: frozenset[str] = frozenset()
    areas: dict[str, Area] = field(factory=dict)
    _path: str = "/"
    _area: Area = field(factory=Area)
    _zeros_before: int = 0

    def begin(self, name: str, kind: bytes, size: int) -> HoleFinder | None:
        """Take note of a member; return who wants to see its content."""
        self.finish()
        if not name.startswith(self._path):
            self._enter(name.rstrip("/"))
        area, within = self._area, name[len(self._path) :].rstrip("/")
        area.size_bytes += size
        if within:
            area.entries += 1
            area.has_root = area.has_root or (within == "rootfs" and kind == _FOLDER)
            area.in_root += within.startswith("rootfs/")
        if self.finder is None or size < UNIT:
            return None
        self.finder.begin(name, size)
        return self.finder

    def finish(self) -> None:
        """Say that the last member is over."""
        if self.finder is not None:
            self.finder.finish()
            self._area.zero_bytes += self.finder.zero_bytes - self._zeros_before
            self._zeros_before = self.finder.zero_bytes

    def _enter(self, name: str) -> None:
        parts = name.split("/")
        depth = 3 if parts[1:2] and parts[1] in self.parts else 2
        depth += len(parts) > depth and parts[depth - 1].endswith(_SNAPSHOTS)
        path = "/".join(parts[:depth])
        if len(self.areas) >= _MOST_AREAS and path not in self.areas:
            raise Corrupt("the archive holds too many volumes to be an export")
        self._path = f"{path}/"
        self._area = self.areas.setdefault(path, Area())

    @property
    def data_bytes(self) -> int:
        """What all of it takes unpacked."""
        return sum(area.data_bytes for area in self.areas.values())


def lacks(areas: Mapping[str, Area], path: str, *, least_bytes: int = 1) -> str:
    """Say what is wrong with the image or the stream of one volume; empty when nothing is.

    Args:
        least_bytes: how large it has to be.
    """
    size = areas[path].size_bytes if path in areas else 0
    if size >= least_bytes:
        return ""
    return f"{path} has {size} of {least_bytes} bytes" if size else f"no {path}"
