"""How images travel and lie in a backup: one file, or metadata and root disk apart.

An image of two files comes and goes as ``multipart/form-data``, metadata first, then ``rootfs``
(``rootfs.img`` for a virtual machine); its fingerprint is the hash of both, one after the other.
"""

import secrets
from collections.abc import Iterable, Iterator
from itertools import chain, takewhile

from attrs import frozen
from multipart import MultipartSegment, PushMultipartParser

UNIFIED, METADATA, ROOTFS = "image", "metadata", "rootfs"
"""The names of stored files, but for their suffixes."""

_HEAD_BYTES = 512  # tar's magic is the last to come, at 257
_MAGIC = {
    b"\xfd7zXZ\0": ".tar.xz",
    b"\x28\xb5\x2f\xfd": ".tar.zst",
    b"\x1f\x8b": ".tar.gz",
    b"BZh": ".tar.bz2",
    b"\x5d\0\0": ".tar.lzma",
    b"\x04\x22\x4d\x18": ".tar.lz4",
    b"hsqs": ".squashfs",
    b"QFI\xfb": ".img",
}


@frozen
class Part:
    """One file of an image on its way to the server."""

    field: str
    filename: str
    chunks: Iterator[bytes]


def suffix(head: bytes, otherwise: str) -> str:
    """Name what a file is by its first bytes."""
    if head[257:262] == b"ustar":
        return ".tar"
    return next((found for magic, found in _MAGIC.items() if head.startswith(magic)), otherwise)


def peeked(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Look at the first bytes of a stream; return them and the whole stream."""
    source, head = iter(chunks), b""
    while len(head) < _HEAD_BYTES and (chunk := next(source, b"")):
        head += chunk
    return head, chain((head,), source)


def is_split(head: bytes) -> bool:
    """Whether a stream is a multipart one: no archive begins like that."""
    line, _, rest = head.partition(b"\r\n")
    return line.startswith(b"--") and rest.startswith(b"Content-")


def parts(chunks: Iterable[bytes]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield name and content of each part; a content has to be read to its end before the next.

    Raises:
        multipart.MultipartError: damaged or cut.
    """
    head, whole = peeked(chunks)
    boundary = head.partition(b"\r\n")[0].removeprefix(b"--")
    with PushMultipartParser(boundary) as parser:
        events = (event for chunk in whole for event in parser.parse(chunk))
        for event in events:
            if isinstance(event, MultipartSegment):
                yield str(event.name), takewhile(lambda content: content is not None, events)


def multipart(files: Iterable[Part]) -> tuple[str, Iterator[bytes]]:
    """Return the content type and the body that bring these files to the server."""
    boundary = secrets.token_hex(30)
    return f"multipart/form-data; boundary={boundary}", _body(files, boundary)


def _body(files: Iterable[Part], boundary: str) -> Iterator[bytes]:
    for part in files:
        head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="{part.field}"; filename="{part.filename}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        yield head.encode()
        yield from part.chunks
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
