"""Read a tar stream through a window: members' headers with their extensions, and content that goes by.

What does not hold is told as damage: checksums, lengths, and sizes that nothing real has.
"""

import re
from collections.abc import Iterator
from itertools import islice

from attrs import define, field

from ...errors import Corrupt, Cut
from .sparse import BLOCK, HoleFinder

END = bytes(BLOCK)
NO_CONTENT = frozenset(b"123456")
"""Types of links, devices, folders and fifos."""
LONG_NAME, LONG_LINK, PAX, PAX_GLOBAL = b"L", b"K", b"x", b"g"
POSIX = b"ustar\0"
_MAX_EXTENDED = 4 << 20
"""Of all headers that precede one member; an attribute has 64 KiB at most."""
_MOST_BITS = 63
_OCTAL = re.compile(rb"[0-7]*")
_MAX_DIGITS = 19
_MOST_RECORDS = 10_000


@define
class Extended:
    """What extension headers say about the member that follows."""

    name: str = ""
    size: int | None = None
    length: int = 0
    records: list[tuple[bytes, bytes]] = field(factory=list)
    is_plain: bool = True
    """Whether there are none but POSIX ones for this member alone."""

    def read(self, kind: bytes, data: bytes) -> None:
        self.is_plain = self.is_plain and kind == PAX
        if kind == LONG_NAME:
            self.name = text_of(data.rstrip(b"\0"))
        elif kind == PAX:
            self.records = list(islice(pax_records(data), _MOST_RECORDS + 1))
            if len(self.records) > _MOST_RECORDS:
                raise Corrupt("the archive has a pax header of too many records")
            for key, value in self.records:
                if key == b"path":
                    self.name = text_of(value)
                elif key == b"size":
                    self.size = _decimal(value)


def pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Read ``LENGTH KEY=VALUE\\n`` records."""
    for key, start, end in pax_spans(data):
        yield key, data[start:end]


def pax_spans(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Read the keys of such records, and where their values start and end."""
    start = 0
    while start < len(data):
        blank = data.find(b" ", start, start + _MAX_DIGITS)
        length = _decimal(data[start : max(blank, start)])
        end = start + length
        if not blank < end <= len(data):
            raise Corrupt("the archive has a damaged pax header")
        key, _, value = data[blank + 1 : end - 1].partition(b"=")
        yield key, end - 1 - len(value), end - 1
        start = end


class Stream:
    """A window on the stream: what lies before the position is passed on in runs as long as possible."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._window = b""
        self._start = 0  # of what has not been passed on
        self._position = 0

    def load(self, size: int) -> Iterator[bytes]:
        """Have ``size`` bytes after the position in the window; yield what leaves it."""
        while len(self._window) - self._position < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise Cut("the archive is cut: it ends before its end mark")
            yield self._window[self._start : self._position]
            self._window = self._window[self._position :] + chunk
            self._start = self._position = 0

    def peek(self, size: int, ahead: int = 0) -> bytes:
        start = self._position + ahead
        return self._window[start : start + size]

    def advance(self, size: int) -> None:
        self._position += size

    def skip(self, size: int, finder: HoleFinder | None = None) -> Iterator[bytes]:
        """Pass over content that may be larger than the window."""
        while size > 0:
            part = min(size, len(self._window) - self._position)
            if finder is not None:
                finder.feed(self._window, self._position, self._position + part)
            size -= part
            self._position += part
            if size > 0:
                yield from self.load(1)

    def drop(self, size: int) -> Iterator[bytes]:
        """Take content out that may be larger than the window; yield the run before it."""
        yield self.cut(0)
        while size > 0:
            part = min(size, len(self._window) - self._position)
            size -= part
            self.cut(part)
            if size > 0:
                yield from self.load(1)

    def cut(self, size: int) -> bytes:
        """Take ``size`` bytes out; return the run before them."""
        run = self._window[self._start : self._position]
        self._position += size
        self._start = self._position
        return run

    def rest(self) -> Iterator[bytes]:
        yield self._window[self._start :]
        yield from self._chunks


def read_extensions(stream: Stream, extended: Extended) -> Iterator[bytes]:
    """Have a member in the window up to the end of its own header; its extensions are read."""
    while True:
        start = extended.length
        yield from stream.load(start + BLOCK)
        header = stream.peek(BLOCK, start)
        kind, size = check_header(header), number_in(header[124:136])
        if kind not in (LONG_NAME, LONG_LINK, PAX, PAX_GLOBAL):
            return
        if start + size > _MAX_EXTENDED:
            raise Corrupt(f"the archive has an extension header of {start + size} bytes")
        yield from stream.load(start + BLOCK + padded(size))
        extended.read(kind, stream.peek(size, start + BLOCK))
        extended.length += BLOCK + padded(size)


def check_header(header: bytes) -> bytes:
    """Check a header's checksum and return its type flag."""
    if number_in(header[148:156]) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
        raise Corrupt("the archive has a damaged header")
    return header[156:157]


def number_in(field: bytes) -> int:
    """Read a number: octal digits, or GNU's base-256 when the first bit is set; no header has a negative one.

    Python's own reading of octal digits takes a sign, which a walk would follow back for ever.
    """
    if field[0] & 0x80:
        number = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if number.bit_length() <= _MOST_BITS:
            return number
    elif _OCTAL.fullmatch(digits := field.split(b"\0")[0].strip()):
        return int(digits or b"0", 8)
    raise Corrupt("the archive has a damaged header")


def _decimal(value: bytes) -> int:
    if not value.isdigit() or len(value) > _MAX_DIGITS:
        raise Corrupt("the archive has a damaged pax header")
    return int(value)


def name_of(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == POSIX else b""
    return text_of(prefix + b"/" + name if prefix else name)


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def padded(size: int) -> int:
    return size + padding(size)


def padding(size: int) -> int:
    return -size % BLOCK
