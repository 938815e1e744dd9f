"""Holes of files: Incus writes them out as zeros, so a file of 1 TiB with 1 GiB in it would come back full.

They are noted while an archive is made, and put back on its way to the server: such a member then goes in
GNU tar's sparse format 1.0, which is what the server unpacks with
(https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html).
"""

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import define, field

from ...errors import Corrupt

HOLES_FILE = "holes.json"
"""Name of the file beside the archive; there is none without holes."""

BLOCK = 512
UNIT = 1 << 12
"""What file systems give room by: no smaller hole is one."""
MAX_HOLES = 100_000
"""Beyond that the shortest are forgotten, so that neither memory nor the file beside the archive can grow."""
MAX_HOLES_BYTES = 64 << 20
"""Of the file beside the archive, names and all."""
_AFTER_MAX = MAX_HOLES // 4 * 3
_ZEROS = bytes(UNIT)
_MANY = 16 * UNIT
_MANY_ZEROS = bytes(_MANY)
_MAX_OCTAL = 8**11

Hole = tuple[int, int]
"""Where it starts and its length, in bytes."""
Holes = Mapping[str, Sequence[Hole]]
"""Those of each member by its name, in order, not touching."""


@define
class HoleFinder:
    """Note runs of zeros in the members of an archive, in units of ``UNIT``; the last one may be shorter.

    Mostly one byte of each unit is looked at: where that is not zero, there is no hole.
    """

    zero_bytes: int = 0
    """What lies in holes of the members that are over, also in those that are forgotten."""
    _holes: "dict[str, array[int]]" = field(factory=dict)  # start, end, start, end …
    _count: int = 0
    _least: int = 1
    _name: str = ""
    _size: int = 0
    _offset: int = 0
    _is_zero: bool = True  # of the unit that is begun
    _run: Hole = (0, 0)  # start and end

    def begin(self, name: str, size: int) -> None:
        """Say which member the next bytes are of."""
        self.finish()
        self._name, self._size = name, size
        self._offset, self._is_zero = 0, True

    def finish(self) -> None:
        """Say that the last member is over."""
        rest = self._offset % UNIT
        if rest and self._is_zero and self._offset == self._size:
            self._note(self._offset - rest, self._offset)
        self._keep_run()
        self._run, self._offset = (0, 0), 0

    def feed(self, window: bytes, start: int, end: int) -> None:
        """Look at the member's next bytes, ``window[start:end]``."""
        start += self._look(window, start, min(-self._offset % UNIT, end - start))
        units = (end - start) // UNIT * UNIT
        if units:
            self._look_at_units(window, start, start + units)
            self._offset += units
            self._is_zero = True
        self._look(window, start + units, end - start - units)

    def _look(self, window: bytes, start: int, size: int) -> int:
        """Look at a part of a unit; return its length."""
        if size:
            self._is_zero = self._is_zero and window.startswith(_ZEROS[:size], start)
            self._offset += size
            if self._offset % UNIT == 0:
                if self._is_zero:
                    self._note(self._offset - UNIT, self._offset)
                self._is_zero = True
        return size

    def _look_at_units(self, window: bytes, start: int, stop: int) -> None:
        firsts = window[start:stop:UNIT]
        there, at = self._offset - start, firsts.find(0)
        while at >= 0:
            begin = end = start + at * UNIT
            while end + _MANY <= stop and window.startswith(_MANY_ZEROS, end):
                end += _MANY
            while end < stop and window.startswith(_ZEROS, end):
                end += UNIT
            if end > begin:
                self._note(there + begin, there + end)
            at = firsts.find(0, max(at + 1, (end - start) // UNIT))

    def _note(self, start: int, end: int) -> None:
        if self._run[1] == start and self._run[1] > self._run[0]:
            self._run = self._run[0], end
        else:
            self._keep_run()
            self._run = start, end

    def _keep_run(self) -> None:
        start, end = self._run
        self.zero_bytes += end - start
        if end - start < self._least:
            return
        self._holes.setdefault(self._name, array("q")).extend((start, end))
        self._count += 1
        if self._count > MAX_HOLES:
            self._forget()

    def _forget(self) -> None:
        """Let go of the shortest, and of the later ones among equals; no more of that length are noted."""
        lengths = sorted((end - start for holes in self._holes.values() for start, end in _pairs(holes)))
        limit = lengths[-_AFTER_MAX]
        spare = _AFTER_MAX - sum(length > limit for length in lengths)
        kept: dict[str, array[int]] = {}
        for name, holes in self._holes.items():
            for start, end in _pairs(holes):
                spare -= end - start == limit
                if end - start > limit or (end - start == limit and spare >= 0):
                    kept.setdefault(name, array("q")).extend((start, end))
        self._holes, self._count, self._least = kept, _AFTER_MAX, limit + 1

    @property
    def found(self) -> Holes:
        """What is noted so far."""
        return {
            name: [(start, end - start) for start, end in _pairs(holes)]
            for name, holes in self._holes.items()
        }

    def dump(self) -> bytes:
        """Return what ``load_holes`` reads; nothing if there are none."""
        each = (
            f"{json.dumps(name)}: [{', '.join(f'[{start}, {end - start}]' for start, end in _pairs(holes))}]"
            for name, holes in self._holes.items()
        )
        return f"{{{', '.join(each)}}}".encode() if self._holes else b""


def _pairs(holes: "array[int]") -> Iterator[tuple[int, int]]:
    return zip(holes[::2], holes[1::2], strict=True)


def load_holes(content: bytes) -> Holes:
    """Read what a finder noted.

    Raises:
        Corrupt: it is not that.
    """
    try:
        read = json.loads(content)
        return {name: [_hole(pair) for pair in holes] for name, holes in read.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Corrupt(f"the list of holes can't be read: {error}") from error


def _hole(pair: Sequence[int]) -> Hole:
    start, size = pair
    if type(start) is not int or type(size) is not int:
        raise ValueError("a hole is not two numbers")
    return start, size


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
    return with_checksum(changed)


def with_checksum(header: bytearray) -> bytes:
    """Set the checksum in a header."""
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def _record(key: bytes, value: bytes) -> bytes:
    """Make ``LENGTH KEY=VALUE\\n``, where the length counts its own digits."""
    rest = b" %b=%b\n" % (key, value)
    size = len(rest) + len(str(len(rest)))
    size = len(rest) + len(str(size))
    return b"%d%b" % (size, rest)


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)
