"""Holes of files: Incus writes them out as zeros, so a file of 1 TiB with 1 GiB in it would come back full.

They are noted while an archive is made, and put back on its way to the server: such a member then goes in
GNU tar's sparse format 1.0, which is what the server unpacks with
(https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html).
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from attrs import define, field

from ..errors import Corrupt

HOLES_FILE = "holes.json"
"""Name of the file beside the archive; there is none without holes."""

BLOCK = 512
UNIT = 1 << 16
MIN_BYTES = 1 << 20
"""Smaller files are not worth it."""
MAX_HOLES = 50_000
"""More are not noted, so that neither memory nor the file beside the archive can grow without bound."""
_ZEROS = bytes(UNIT)
_MAX_OCTAL = 8**11

Hole = tuple[int, int]
"""Where it starts and its length, in bytes."""
Holes = Mapping[str, Sequence[Hole]]
"""Those of each member by its name, in order, not touching."""


@define
class HoleFinder:
    """Note runs of zeros in the members of an archive, in units of ``UNIT``."""

    found: dict[str, list[Hole]] = field(factory=dict)
    _count: int = 0
    _name: str = ""
    _holes: list[Hole] = field(factory=list)
    _offset: int = 0
    _is_zero: bool = True

    def begin(self, name: str) -> None:
        """Say which member the next bytes are of."""
        self._name, self._holes = name, []
        self._offset, self._is_zero = 0, True

    def feed(self, window: bytes, start: int, end: int) -> None:
        """Look at the member's next bytes, ``window[start:end]``."""
        while start < end:
            size = min(UNIT - self._offset % UNIT, end - start)
            self._is_zero = self._is_zero and window.startswith(
                _ZEROS if size == UNIT else _ZEROS[:size], start
            )
            start += size
            self._offset += size
            if self._offset % UNIT == 0:
                if self._is_zero:
                    self._note(self._offset - UNIT)
                self._is_zero = True

    def _note(self, offset: int) -> None:
        if self._holes and sum(self._holes[-1]) == offset:
            self._holes[-1] = (self._holes[-1][0], self._holes[-1][1] + UNIT)
        elif self._count < MAX_HOLES:
            self._holes.append((offset, UNIT))
            self._count += 1
            self.found[self._name] = self._holes

    def dump(self) -> bytes:
        """Return what ``load_holes`` reads; nothing if there are none."""
        return json.dumps(self.found).encode() if self.found else b""


def load_holes(content: bytes) -> Holes:
    """Read what a finder noted.

    Raises:
        Corrupt: it is not that.
    """
    try:
        read = json.loads(content)
        return {str(name): [(int(at), int(size)) for at, size in holes] for name, holes in read.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise Corrupt(f"the list of holes can't be read: {error}") from error


def data_between(holes: Iterable[Hole], size: int) -> list[Hole]:
    """List the runs between holes of a file of this size; the last one ends the file, maybe with no bytes.

    Raises:
        Corrupt: the holes are not those of such a file.
    """
    runs, end = [], 0
    for offset, length in holes:
        if offset < end or length <= 0 or offset + length > size:
            raise Corrupt("the list of holes does not fit the archive")
        if offset > end:
            runs.append((end, offset - end))
        end = offset + length
    runs.append((end, size - end))
    return runs


def sparse_head(
    header: bytes, records: Iterable[tuple[bytes, bytes]], name: bytes, runs: Sequence[Hole]
) -> bytes:
    """Make all that precedes the data of a sparse member: extension header, header and the map of its runs.

    Args:
        header: the member's own, of the POSIX format.
        records: its extended attributes.
    """
    numbers = [len(runs), *(number for run in runs for number in run)]
    sparse_map = _filled(b"".join(b"%d\n" % number for number in numbers))
    stored = len(sparse_map) + sum(length for _, length in runs)
    kept = [(key, value) for key, value in records if key not in (b"path", b"size")]
    added = {b"major": b"1", b"minor": b"0", b"name": name, b"realsize": b"%d" % sum(runs[-1])}
    kept += [(b"GNU.sparse." + key, value) for key, value in added.items()]
    if stored >= _MAX_OCTAL:
        kept.append((b"size", b"%d" % stored))
    extension = b"".join(_record(key, value) for key, value in kept)
    own = with_size(header, stored if stored < _MAX_OCTAL else 0)
    before = with_size(header[:156] + b"x" + header[157:], len(extension))
    return before + _filled(extension) + own + sparse_map


def with_size(header: bytes, size: int) -> bytes:
    """Set the size in a header, and its checksum."""
    changed = bytearray(header)
    changed[124:136] = b"%011o\0" % size
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


def _record(key: bytes, value: bytes) -> bytes:
    """Make ``LENGTH KEY=VALUE\\n``, where the length counts its own digits."""
    rest = b" %b=%b\n" % (key, value)
    size = len(rest) + len(str(len(rest)))
    size = len(rest) + len(str(size))
    return b"%d%b" % (size, rest)


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)
