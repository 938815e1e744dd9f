"""Walk a tar stream member by member while it passes through, replacing small members on the way.

The walk proves that the archive is whole: each header's checksum, each member's length, the end mark.
Incus itself accepts an archive cut between two members, so nobody else notices (POSIX.1-2017, pax
interchange format: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from posixpath import normpath

from ...errors import Corrupt
from .contents import Contents
from .sparse import BLOCK, Holes, data_between, sparse_head, with_size
from .stream import (
    END,
    NO_CONTENT,
    POSIX,
    Extended,
    Stream,
    name_of,
    number_in,
    padded,
    padding,
    read_extensions,
)

Rewrite = Callable[[bytes], bytes]
"""Turn the content of one member into its new content."""

_DEFINITION = ".yaml"
_MAX_REWRITTEN = 64 << 20


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
    stream = Stream(iter(chunks if most_bytes is None else _limited(chunks, most_bytes)))
    left, contents = _Rewrites(rewrites or {}), contents or Contents()
    while True:
        yield from stream.load(BLOCK)
        if stream.peek(BLOCK) == END:
            break
        yield from _pass_member(stream, left, contents, holes or {})
    contents.finish()
    yield from stream.load(2 * BLOCK)
    if stream.peek(2 * BLOCK) != 2 * END:
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


def _pass_member(stream: Stream, rewrites: "_Rewrites", contents: Contents, holes: Holes) -> Iterator[bytes]:
    """Pass one member with its extension headers."""
    extended = Extended()
    yield from read_extensions(stream, extended)
    header = stream.peek(BLOCK, extended.length)
    size = number_in(header[124:136]) if extended.size is None else extended.size
    size = 0 if header[156] in NO_CONTENT else size
    name = extended.name or name_of(header)
    finder = contents.begin(name, header[156:157], size)
    if rewrite := rewrites.take(name):
        stream.advance(extended.length)
        yield from _rewritten(stream, size, rewrite)
    elif holes.get(name) and extended.is_plain and header[257:263] == POSIX:
        yield from _made_sparse(stream, extended, name, data_between(holes[name], size))
    else:
        stream.advance(extended.length + BLOCK)
        if finder is None:
            yield from stream.skip(padded(size))
        else:
            yield from stream.skip(size, finder)
            yield from stream.skip(padding(size))


def _rewritten(stream: Stream, size: int, rewrite: Rewrite) -> Iterator[bytes]:
    """Replace a member's content and the size and checksum in its header."""
    if size > _MAX_REWRITTEN:
        raise Corrupt(f"a definition of {size} bytes is not believable")
    yield from stream.load(BLOCK + padded(size))
    member = stream.peek(BLOCK + size)
    content = rewrite(member[BLOCK:])
    yield stream.cut(BLOCK + padded(size))
    yield with_size(member[:BLOCK], len(content)) + content + bytes(padding(len(content)))


def _made_sparse(
    stream: Stream, extended: Extended, name: str, runs: Sequence[tuple[int, int]]
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
    yield from stream.drop(padding(position))
    yield bytes(padding(sum(length for _, length in runs)))


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
