"""How images travel and lie in a backup."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multipart import MultipartError

from incusbak.kinds.image.formats import Part, is_split, multipart, parts, peeked, suffix
from tests.image_samples import metadata_of, tar_of

CONTENT = b"\r\n--\r\n-" * 500


def body_of(*contents: bytes) -> bytes:
    _, chunks = multipart(Part(f"part{n}", f"f{n}", iter([each])) for n, each in enumerate(contents))
    return b"".join(chunks)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (metadata_of("x"), ".tar.xz"),
        (b"\x1f\x8b\x08", ".tar.gz"),
        (b"\x28\xb5\x2f\xfd", ".tar.zst"),
        (b"BZh9", ".tar.bz2"),
        (b"hsqs", ".squashfs"),
        (b"QFI\xfb", ".img"),
        (tar_of({"metadata.yaml": b""}), ".tar"),
        (b"", ".else"),
        (b"anything", ".else"),
    ],
)
def test_first_bytes_tell_what_a_file_is(head: bytes, name: str) -> None:
    assert suffix(head, ".else") == name


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_a_peeked_stream_is_whole(data: bytes, size: int) -> None:
    head, whole = peeked(cut(data, size))
    assert data.startswith(head)
    assert len(head) >= min(len(data), 512)
    assert b"".join(whole) == data


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=3), st.integers(1, 900))
def test_parts_come_out_as_they_went_in(contents: list[bytes], size: int) -> None:
    found = [(name, b"".join(chunks)) for name, chunks in parts(cut(body_of(*contents), size))]
    assert found == [(f"part{n}", content) for n, content in enumerate(contents)]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_body_may_end_twice(size: int) -> None:
    body = body_of(CONTENT)
    boundary = body.partition(b"\r\n")[0]
    chunks = cut(body + b"\r\n" + boundary + b"--\r\n", size)
    assert [b"".join(content) for _, content in parts(chunks)] == [CONTENT]


@given(st.integers(600, len(CONTENT) * 2), st.integers(1, 900))
def test_a_cut_body_is_noticed(length: int, size: int) -> None:
    chunks = cut(body_of(CONTENT, CONTENT)[:length], size)
    with pytest.raises(MultipartError):
        [b"".join(content) for _, content in parts(chunks)]


def test_a_multipart_body_is_told_from_an_archive() -> None:
    found = [is_split(head) for head in (body_of(b"x"), metadata_of("x"), tar_of({"--x": b"\r\n"}), b"")]
    assert found == [True, False, False, False]


def test_the_content_type_names_the_boundary() -> None:
    content_type, chunks = multipart([])
    assert b"".join(chunks) == f"--{content_type.partition('boundary=')[2]}--\r\n".encode()
