"""Walk a tar stream member by member while it passes through, replacing small members on the way.

The walk proves that the archive is whole: each header's checksum, each member's length, the end mark.
Incus itself accepts an archive cut between two members, so nobody else notices (POSIX.1-2017, pax
interchange format: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from posixpath import normpath

from attrs import define, field

from ..errors import Corrupt, Cut
from .contents import Contents
from .sparse import BLOCK, HoleFinder, Holes, data_between, sparse_head, with_size

Rewrite = Callable[[bytes], bytes]
"""Turn the content of one member into its new content."""

_END = bytes(BLOCK)
_DEFINITION = ".yaml"
_NO_CONTENT = frozenset(b"123456")  # links, devices, folders, fifos
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"
_POSIX = b"ustar\0"
_MAX_EXTENDED = 4 << 20
"""Of all headers that precede one member; an attribute has 64 KiB at most."""
_MAX_REWRITTEN = 64 << 20
_MOST_BITS = 63
_OCTAL = re.compile(rb"[0-7]*")
_MAX_DIGITS = 19
_MOST_RECORDS = 10_000


def walk(
    chunks: Iterable[bytes],
    rewrites: Mapping[str, Rewrite] | None = None,
    *,
    contents: Contents | None = None,
    holes: Holes | None = None,
    most_bytes: int | None = None,
) -> Iterator[bytes]:
    """Yield the archive again, with the members named in ``rewrites`` replaced.

    Memory stays at a few chunks, whatever the sizes of archive and members; a rewritten member is held whole.

    Args:
        contents: takes stock of all members, as they come in.
        holes: files to be yielded as sparse ones.

        most_bytes: what it may have; what is left open has no limit.

    Raises:
        Corrupt: not a tar, cut anywhere, damaged, too large, or without a member that was to be rewritten.
    """
    stream = _Stream(iter(chunks if most_bytes is None else _limited(chunks, most_bytes)))
    left, contents = _Rewrites(rewrites or {}), contents or Contents()
    while True:
        yield from stream.load(BLOCK)
        if stream.peek(BLOCK) == _END:
            break
        yield from _pass_member(stream, left, contents, holes or {})
    contents.finish()
    yield from stream.load(2 * BLOCK)
    if stream.peek(2 * BLOCK) != 2 * _END:
        raise Corrupt("the archive's end mark is damaged")
    if left.left:
        raise Corrupt(f"the archive holds no {', '.join(sorted(left.left))}")
    yield from stream.rest()


def largest(content_bytes: int) -> int:
    """How large an archive may be of which so much was exported: definitions in it are written anew."""
    return content_bytes + _MAX_REWRITTEN


def _limited(chunks: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """Pass on no more than was stored, whatever was made of it."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most_bytes:
            raise Corrupt(f"the archive holds more than the {most_bytes} bytes that were stored")
        yield chunk


def _pass_member(
    stream: "_Stream", rewrites: "_Rewrites", contents: Contents, holes: Holes
) -> Iterator[bytes]:
    """Pass one member with its extension headers."""
    extended = _Extended()
    yield from _read_extensions(stream, extended)
    header = stream.peek(BLOCK, extended.length)
    size = _number(header[124:136]) if extended.size is None else extended.size
    size = 0 if header[156] in _NO_CONTENT else size
    name = extended.name or _name(header)
    finder = contents.begin(name, header[156:157], size)
    if rewrite := rewrites.take(name):
        stream.advance(extended.length)
        yield from _rewritten(stream, size, rewrite)
    elif holes.get(name) and extended.is_plain and header[257:263] == _POSIX:
        yield from _made_sparse(stream, extended, name, data_between(holes[name], size))
    else:
        stream.advance(extended.length + BLOCK)
        if finder is None:
            yield from stream.skip(_padded(size))
        else:
            yield from stream.skip(size, finder)
            yield from stream.skip(_padding(size))


def _read_extensions(stream: "_Stream", extended: "_Extended") -> Iterator[bytes]:
    """Have a member in the window up to the end of its own header; its extensions are read."""
    while True:
        start = extended.length
        yield from stream.load(start + BLOCK)
        header = stream.peek(BLOCK, start)
        kind, size = _check_header(header), _number(header[124:136])
        if kind not in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL):
            return
        if start + size > _MAX_EXTENDED:
            raise Corrupt(f"the archive has an extension header of {start + size} bytes")
        yield from stream.load(start + BLOCK + _padded(size))
        extended.read(kind, stream.peek(size, start + BLOCK))
        extended.length += BLOCK + _padded(size)


def _rewritten(stream: "_Stream", size: int, rewrite: Rewrite) -> Iterator[bytes]:
    """Replace a member's content and the size and checksum in its header."""
    if size > _MAX_REWRITTEN:
        raise Corrupt(f"a definition of {size} bytes is not believable")
    yield from stream.load(BLOCK + _padded(size))
    member = stream.peek(BLOCK + size)
    content = rewrite(member[BLOCK:])
    yield stream.cut(BLOCK + _padded(size))
    yield with_size(member[:BLOCK], len(content)) + content + bytes(_padding(len(content)))


def _made_sparse(
    stream: "_Stream", extended: "_Extended", name: str, runs: Sequence[tuple[int, int]]
) -> Iterator[bytes]:
    """Yield a member as a sparse file that has only these runs of data."""
    header = stream.peek(BLOCK, extended.length)
    yield stream.cut(extended.length + BLOCK)
    yield sparse_head(header, extended.records, name.encode("utf-8", "surrogateescape"), runs)
    position = 0
    for offset, length in runs:
        yield from stream.drop(offset - position)
        yield from stream.skip(length)
        position = offset + length
    yield from stream.drop(_padding(position))
    yield bytes(_padding(sum(length for _, length in runs)))


class _Rewrites:
    """What to do with which members; each is there once, or the server would read the other one."""

    def __init__(self, wanted: Mapping[str, Rewrite]) -> None:
        self.left = dict(wanted)
        self._names = frozenset(wanted)

    def take(self, name: str) -> Rewrite | None:
        """Look whether a member is to be rewritten.

        Raises:
            Corrupt: it was there before, maybe by another spelling of its path.
        """
        if not name.endswith(_DEFINITION) or normpath(name) not in self._names:
            return None
        if name not in self.left:
            raise Corrupt(f"the archive holds {normpath(name)} more than once")
        return self.left.pop(name)


@define
class _Extended:
    """What extension headers say about the member that follows."""

    name: str = ""
    size: int | None = None
    length: int = 0
    records: list[tuple[bytes, bytes]] = field(factory=list)
    is_plain: bool = True
    """Whether there are none but POSIX ones for this member alone."""

    def read(self, kind: bytes, data: bytes) -> None:
        self.is_plain = self.is_plain and kind == _PAX
        if kind == _LONG_NAME:
            self.name = _text(data.rstrip(b"\0"))
        elif kind == _PAX:
            self.records = list(islice(_pax_records(data), _MOST_RECORDS + 1))
            if len(self.records) > _MOST_RECORDS:
                raise Corrupt("the archive has a pax header of too many records")
            for key, value in self.records:
                if key == b"path":
                    self.name = _text(value)
                elif key == b"size":
                    self.size = _decimal(value)


def _pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Read ``LENGTH KEY=VALUE\\n`` records."""
    start = 0
    while start < len(data):
        blank = data.find(b" ", start, start + _MAX_DIGITS)
        length = _decimal(data[start : max(blank, start)])
        end = start + length
        if not blank < end <= len(data):
            raise Corrupt("the archive has a damaged pax header")
        key, _, value = data[blank + 1 : end - 1].partition(b"=")
        yield key, value
        start = end


class _Stream:
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


def _check_header(header: bytes) -> bytes:
    """Check a header's checksum and return its type flag."""
    if _number(header[148:156]) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
        raise Corrupt("the archive has a damaged header")
    return header[156:157]


def _number(field: bytes) -> int:
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


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == _POSIX else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _padded(size: int) -> int:
    return size + _padding(size)


def _padding(size: int) -> int:
    return -size % BLOCK
