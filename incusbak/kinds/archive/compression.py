"""Compress and decompress streams in flat memory."""

import lzma
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

from ...errors import Corrupt
from ...model.backups import Compression

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK_BYTES = 256 << 10
_GZIP = 16 + zlib.MAX_WBITS
_MAX_THREADS = 4  # more do not help a single disk
_JOB_BYTES = 1 << 20  # each thread holds several of these; larger ones gain little


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def compressed(chunks: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """Yield the compressed stream; zstd works with several threads."""
    if compression is Compression.NONE:
        yield from chunks
        return
    compressor = _compressor(compression)
    for chunk in chunks:
        if data := compressor.compress(chunk):
            yield data
    yield compressor.flush()


def decompressed(chunks: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """Yield the plain stream in pieces of at most ``CHUNK_BYTES``, however well it was compressed.

    Raises:
        Corrupt: damaged or cut.
    """
    if compression is Compression.NONE:
        yield from chunks
        return
    decompressor = _decompressor(compression)
    try:
        for chunk in chunks:
            yield from _inflate(decompressor, chunk)
    except (zstd.ZstdError, zlib.error, lzma.LZMAError) as error:
        raise Corrupt(f"the archive can't be decompressed: {error}") from error
    if not decompressor.eof:
        raise Corrupt("the archive is cut: its compressed stream does not end")


def _inflate(decompressor: _Decompressor, chunk: bytes) -> Iterator[bytes]:
    if decompressor.eof:
        raise Corrupt("the archive goes on after the end of its compressed stream")
    yield decompressor.decompress(chunk, CHUNK_BYTES)
    while not decompressor.eof and not decompressor.needs_input:
        yield decompressor.decompress(b"", CHUNK_BYTES)


def _compressor(compression: Compression) -> _Compressor:
    match compression:
        case Compression.GZIP:
            return zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        case Compression.XZ:
            return lzma.LZMACompressor(preset=6)
        case _:
            parameter = zstd.CompressionParameter
            return zstd.ZstdCompressor(
                options={
                    parameter.compression_level: 3,
                    parameter.checksum_flag: 1,
                    parameter.nb_workers: min(_MAX_THREADS, os.cpu_count() or 1),
                    parameter.job_size: _JOB_BYTES,
                }
            )


def _decompressor(compression: Compression) -> _Decompressor:
    match compression:
        case Compression.GZIP:
            return _Gunzip()
        case Compression.XZ:
            return lzma.LZMADecompressor()
        case _:
            return zstd.ZstdDecompressor()


class _Gunzip:
    """zlib's decompressor with the face that lzma's and zstd's have."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP)
        self._more = False  # zlib may hold output back without holding input

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._more

    def decompress(self, data: bytes, max_length: int) -> bytes:
        plain = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._more = bool(self._inner.unconsumed_tail) or len(plain) == max_length
        return plain
