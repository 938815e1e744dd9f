"""The walk passes an archive through unchanged, notices every cut, and replaces what it is told to."""

import io
import tarfile
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incusbak.errors import Corrupt
from incusbak.kinds.archive import walk
from incusbak.kinds.sparse import BLOCK

NAMES = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="/"), min_size=1, max_size=150
)
FILES = st.dictionaries(NAMES.filter(lambda n: n not in (".", "..")), st.binary(max_size=3000), max_size=6)
FORMATS = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def tar_of(files: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar whose members lie in ``backup/``, with a folder, a link and an empty file among them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        folder = tarfile.TarInfo("backup")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(f"backup/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("backup/link")
        link.type, link.linkname = tarfile.SYMTYPE, "x" * 150
        tar.addfile(link)
    return stream.getvalue()


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def contents(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = [member for member in tar.getmembers() if member.isfile()]
        return {member.name: tar.extractfile(member).read() for member in files}  # type: ignore[union-attr]  # files have content


@given(FILES, FORMATS, st.integers(1, 5000))
def test_an_archive_passes_unchanged_however_it_is_chunked(
    files: dict[str, bytes], form: int, size: int
) -> None:
    data = tar_of(files, form)
    assert b"".join(walk(chunked(data, size))) == data


@given(FILES, st.integers(1, 5000), st.data())
def test_a_cut_anywhere_before_the_end_mark_is_noticed(
    files: dict[str, bytes], size: int, data: st.DataObject
) -> None:
    archive = tar_of(files)
    end = len(archive.rstrip(b"\0"))
    marked_from = -(-end // BLOCK) * BLOCK  # the end mark's two blocks of zeros begin here
    cut = data.draw(st.integers(0, marked_from + 2 * BLOCK - 1))
    with pytest.raises(Corrupt, match="cut"):
        list(walk(chunked(archive[:cut], size)))


@given(FILES, st.binary(max_size=3000), st.integers(1, 5000))
def test_a_rewritten_member_is_replaced_and_the_others_stay(
    files: dict[str, bytes], new: bytes, size: int
) -> None:
    archive = tar_of({"index.yaml": b"old", **files})
    seen = []

    def rewrite(content: bytes) -> bytes:
        seen.append(content)
        return new

    result = b"".join(walk(chunked(archive, size), {"backup/index.yaml": rewrite}))
    assert contents(result) == {**contents(archive), "backup/index.yaml": new}
    assert seen == [files.get("index.yaml", b"old")]


def test_a_member_that_was_to_be_rewritten_must_be_there() -> None:
    with pytest.raises(Corrupt, match=r"holds no backup/index\.yaml"):
        list(walk([tar_of({})], {"backup/index.yaml": bytes}))


def test_a_flipped_bit_in_a_header_is_noticed() -> None:
    archive = bytearray(tar_of({"a": b"x" * 600}))
    archive[BLOCK + 3] ^= 1
    with pytest.raises(Corrupt, match="damaged header"):
        list(walk([bytes(archive)]))


def with_field(data: bytes, start: int, field: bytes) -> bytes:
    """Change the first header, and its checksum with it."""
    header = bytearray(data[:512])
    header[start : start + len(field)] = field
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


def test_a_size_that_is_no_number_is_noticed_though_the_checksum_is_right() -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("a"))
    data = made.getvalue()
    with pytest.raises(Corrupt, match="damaged header"):
        list(walk([with_field(data, 124, b"not a size")]))
    assert b"".join(walk([with_field(data, 124, data[124:136])])) == data


def test_a_pax_size_that_is_no_number_is_noticed() -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("a")
        member.pax_headers = {"size": "many"}
        tar.addfile(member)
    with pytest.raises(Corrupt, match="pax header"):
        list(walk([made.getvalue()]))


def test_garbage_is_not_an_archive() -> None:
    with pytest.raises(Corrupt):
        list(walk([b"this is no tar" * 100]))


def test_nothing_is_not_an_archive() -> None:
    with pytest.raises(Corrupt, match="cut"):
        list(walk([]))


def test_what_follows_the_end_mark_passes_too() -> None:
    archive = tar_of({"a": b"1"}) + bytes(20 * BLOCK)
    assert b"".join(walk(chunked(archive, 700))) == archive


def test_sizes_beyond_octal_are_read() -> None:
    """GNU's base-256 numbers: 8 GiB and more. Only the header is made; the content is cut."""
    member = tarfile.TarInfo("big")
    member.size = 9 << 30
    header = member.tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(Corrupt, match="cut"):
        list(walk([header, bytes(10_000)]))


def test_a_pax_size_wins_over_the_header() -> None:
    member = tarfile.TarInfo("big")
    member.size = 9 << 30
    with pytest.raises(Corrupt, match="cut"):
        list(walk([member.tobuf(tarfile.PAX_FORMAT), bytes(10_000)]))
