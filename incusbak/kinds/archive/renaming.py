"""Call snapshots otherwise in an archive that passes through; nothing but their names changes.

Old and new names have the same length in bytes, so that every header keeps its size and its form.

Servers unpack with tar, to which they name each snapshot, and the folder to unpack into. It takes a backslash
with some letters in such a name for one other character, and finds nothing. Where the files of a volume's
snapshot go they tell it by a regular expression with the name in it, as it is: what that means otherwise ends
in folders below the snapshot, with success, or is refused as no expression. It unpacks nothing whose path
goes up, as that of a snapshot called ``..`` does.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from string import ascii_lowercase, digits

from ...errors import Unplannable
from ...model.documents import Json
from .definitions import Names
from .sparse import BLOCK, with_checksum
from .stream import (
    END,
    LONG_LINK,
    LONG_NAME,
    NO_CONTENT,
    PAX,
    POSIX,
    Extended,
    Stream,
    number_in,
    padded,
    pax_spans,
    read_extensions,
)

_MISREAD = re.compile(r"\\[abdfnrtv?\\0-7]")
_PATTERN = re.compile(r"[\\\[*]|\$\Z")
_ODD = re.compile("[\\\\\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
"""Backslash and blanks."""
_UNFIT = re.compile(rf"{_ODD.pattern}|[\[*$?&+\"'`/]|\A[^A-Za-z0-9]+|[^A-Za-z0-9]+\Z")
"""What some server does not take in a name, or tar not in a path."""
_PATHS, _LINK_PATH = (b"path", b"GNU.sparse.name"), b"linkpath"
_FOLDERS = (b"snapshots", b"virtual-machine-snapshots", b"volume-snapshots")
_VOLUME = b"volume"
"""Where the files of a volume are; whatever they are called."""
_SUFFIX = b".img"
_HARD_LINK = b"1"
_NAME, _LINK, _PREFIX = slice(0, 100), slice(157, 257), slice(345, 500)


def is_odd(name: str) -> bool:
    """Whether there is a backslash or a blank in a name."""
    return _ODD.search(name) is not None


def is_above(name: str) -> bool:
    """Whether a name means the folder in which all of them are, or the one above that."""
    return name in (".", "..")


def is_misread(name: str) -> bool:
    """Whether tar takes a name for another one."""
    return is_above(name) or _MISREAD.search(name) is not None


def is_pattern(name: str) -> bool:
    """Whether a name means another one, or nothing, as a regular expression, or to tar."""
    return is_above(name) or _PATTERN.search(name) is not None


def unreachable(*names: str) -> str:
    """Why no server can unpack anything in a project and a pool of these names; empty when it can."""
    odd = next(filter(is_misread, names), "")
    return odd and f"no archive can be unpacked where a project or pool is called {odd!r}: tar misreads that"


def fixed(names: Iterable[str], is_unfit: Callable[[str], bool]) -> str:
    """Why nothing in a storage driver's own format can be brought back; empty when it can."""
    odd = next(filter(is_unfit, names), "")
    return odd and (
        f"its snapshot {odd!r} has a name that this server does not take, and in the storage driver's own "
        "format it can't get another"
    )


def readable(snapshots: Iterable[Json], is_unfit: Callable[[str], bool]) -> Names:
    """Find the names under which a server can handle all snapshots.

    Args:
        is_unfit: ``is_misread`` of instances, ``is_pattern`` of volumes; ``is_odd`` where they are copied
            afterwards, and the first of them are to be deleted.

    Raises:
        Unplannable: there are not enough.
    """
    names = [str(snapshot["name"]) for snapshot in snapshots]
    return other_names(names, filter(is_unfit, names))


def other_names(names: Iterable[str], odd: Iterable[str]) -> Names:
    """Find other names, without backslash, blanks and such, for some of these names.

    Raises:
        Unplannable: for one there is none of its length that no other has.
    """
    taken, found = set(names), dict[str, str]()
    for name in odd:
        possible = (_filled(name, letter) for letter in ascii_lowercase + digits)
        other = next((each for each in possible if each not in taken), "")
        if not other:
            raise Unplannable(f"for its snapshot {name!r} there is no name that Incus can handle: rename it")
        found[name] = other
        taken.add(other)
    return found


def _filled(name: str, letter: str) -> str:
    return _UNFIT.sub(lambda odd: letter * len(odd[0].encode()), name)


def renamed(chunks: Iterable[bytes], names: Names) -> Iterator[bytes]:
    """Yield an archive again in which snapshots have other names.

    Raises:
        Corrupt: not a tar, cut or damaged, as far as that is looked at.
    """
    if not names:
        yield from chunks
        return
    wanted = {old.encode(): new.encode() for old, new in names.items()}
    stream = Stream(iter(chunks))
    while True:
        yield from stream.load(BLOCK)
        if stream.peek(BLOCK) == END:
            break
        extended = Extended()
        yield from read_extensions(stream, extended)
        header = stream.peek(BLOCK, extended.length)
        size = number_in(header[124:136]) if extended.size is None else extended.size
        head = stream.peek(extended.length + BLOCK)
        if (changed := _changed(head, wanted)) == head:
            stream.advance(len(head))
        else:
            yield stream.cut(len(head))
            yield changed
        yield from stream.skip(0 if header[156] in NO_CONTENT else padded(size))
    yield from stream.rest()


def _changed(head: bytes, names: Mapping[bytes, bytes]) -> bytes:
    """Rename in all the headers of one member; the last is its own."""
    is_link = head[-BLOCK:][156:157] == _HARD_LINK
    made, start = [], 0
    while start < len(head) - BLOCK:
        header = head[start : start + BLOCK]
        size = number_in(header[124:136])
        data = head[start + BLOCK : start + BLOCK + padded(size)]
        made += [header, _extension(header[156:157], data, size, names, is_link=is_link)]
        start += BLOCK + padded(size)
    return b"".join([*made, _own(head[-BLOCK:], names, is_link=is_link)])


def _extension(kind: bytes, data: bytes, size: int, names: Mapping[bytes, bytes], *, is_link: bool) -> bytes:
    changed = bytearray(data)
    if kind == LONG_NAME or (kind == LONG_LINK and is_link):
        changed[:size] = _path(data[:size].rstrip(b"\0"), names).ljust(size, b"\0")
    elif kind == PAX:
        for key, start, end in pax_spans(data[:size]):
            if key in _PATHS or (key == _LINK_PATH and is_link):
                changed[start:end] = _path(data[start:end], names)
    return bytes(changed)


def _own(header: bytes, names: Mapping[bytes, bytes], *, is_link: bool) -> bytes:
    """Rename in a header; a long path is in two parts of it."""
    changed = bytearray(header)
    name, prefix = header[_NAME].split(b"\0")[0], header[_PREFIX].split(b"\0")[0]
    if prefix and header[257:263] == POSIX:
        path = _path(prefix + b"/" + name, names)
        changed[_PREFIX] = path[: len(prefix)].ljust(155, b"\0")
        changed[_NAME] = path[len(prefix) + 1 :].ljust(100, b"\0")
    else:
        changed[_NAME] = _path(name, names).ljust(100, b"\0")
    if is_link:
        changed[_LINK] = _path(header[_LINK].split(b"\0")[0], names).ljust(100, b"\0")
    return with_checksum(changed) if changed != header else header


def _path(path: bytes, names: Mapping[bytes, bytes]) -> bytes:
    """Rename the snapshot that a path of the archive leads to or through.

    Those of volumes that depend on an instance have the same names, below the names of their disks.
    """
    parts = path.split(b"/", 4)
    if parts[0] != b"backup":
        return path
    which = 2 if parts[1:2] and parts[1] in _FOLDERS else 3
    if which == 3 and (parts[1:2] == [_VOLUME] or parts[2:3] != [_FOLDERS[-1]]):
        return path
    name = b"".join(parts[which : which + 1])
    stem = name.removesuffix(_SUFFIX)
    if name in names:
        parts[which] = names[name]
    elif stem in names:
        parts[which] = names[stem] + _SUFFIX
    return b"/".join(parts)
