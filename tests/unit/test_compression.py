"""What was compressed comes back, in small pieces, and damage is noticed."""

import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incusbak.errors import Corrupt
from incusbak.kinds.archive.compression import CHUNK_BYTES, compressed, decompressed
from incusbak.model.backups import Compression

REAL = [c for c in Compression if c is not Compression.NONE]
PROGRAMS = {Compression.ZSTD: "zstd", Compression.GZIP: "gzip", Compression.XZ: "xz"}


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@given(st.binary(max_size=5000), st.sampled_from(list(Compression)), st.integers(1, 2000))
def test_a_stream_comes_back_however_it_is_chunked(data: bytes, compression: Compression, size: int) -> None:
    stored = b"".join(compressed(chunked(data, size), compression))
    assert b"".join(decompressed(chunked(stored, size), compression)) == data


@pytest.mark.parametrize("compression", REAL)
def test_a_cut_stream_is_noticed(compression: Compression) -> None:
    stored = b"".join(compressed([b"some content " * 1000], compression))
    for cut in range(len(stored)):
        with pytest.raises(Corrupt):
            list(decompressed(iter([stored[:cut]]), compression))


@pytest.mark.parametrize("compression", REAL)
def test_a_flipped_bit_is_noticed(compression: Compression) -> None:
    stored = bytearray(b"".join(compressed([bytes(range(256)) * 100], compression)))
    stored[len(stored) // 2] ^= 1
    with pytest.raises(Corrupt):
        list(decompressed(iter([bytes(stored)]), compression))


@pytest.mark.parametrize("compression", REAL)
def test_trailing_bytes_are_noticed(compression: Compression) -> None:
    stored = b"".join(compressed([b"content"], compression))
    with pytest.raises(Corrupt, match="goes on"):
        list(decompressed(iter([stored, b"more"]), compression))


@pytest.mark.parametrize("compression", REAL)
def test_a_bomb_is_unpacked_in_small_pieces(compression: Compression) -> None:
    stored = b"".join(compressed((bytes(CHUNK_BYTES) for _ in range(64)), compression))
    sizes = [len(piece) for piece in decompressed(iter([stored]), compression)]
    assert sum(sizes) == 64 * CHUNK_BYTES
    assert max(sizes) <= CHUNK_BYTES


@pytest.mark.parametrize("compression", REAL)
def test_the_usual_programs_read_it(compression: Compression) -> None:
    stored = b"".join(compressed([b"content"], compression))
    done = subprocess.run([PROGRAMS[compression], "-dc"], input=stored, capture_output=True, check=True)
    assert done.stdout == b"content"


def test_suffixes_name_the_compression() -> None:
    assert [c.suffix for c in Compression] == [".tar.zst", ".tar.gz", ".tar.xz", ".tar"]
