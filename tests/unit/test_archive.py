"""The walk passes an archive through unchanged, notices every cut, and replaces what it is told to."""

import io
import tarfile
import time
from collections.abc import Iterator, Mapping
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incusbak.errors import Corrupt
from incusbak.kinds.archive.sparse import BLOCK
from incusbak.kinds.archive.tar import walk

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


def header_of(kind: bytes, size: bytes, name: str = "a") -> bytes:
    """A POSIX header of any type with any text for a size."""
    member = tarfile.TarInfo(name)
    member.type = kind
    return with_field(member.tobuf(tarfile.USTAR_FORMAT), 124, size)


SIZES = [
    *(b"-0000001000\0", b"-1\0         ", b"0_000000010\0", b"+0000000010\0", b"0o000000010\0"),
    *(b"\xff" * 12, b"\xff" * 11 + b"\0", b"\x80" + b"\xff" * 11, b"\x84" + bytes(11)),
]


@pytest.mark.parametrize("kind", [b"0", b"5", b"x", b"g", b"L", b"K"])
@pytest.mark.parametrize("size", SIZES)
def test_a_size_below_nothing_or_beyond_all_ends_the_walk(kind: bytes, size: bytes) -> None:
    with pytest.raises(Corrupt, match="damaged header"):
        list(walk([header_of(kind, size) + bytes(4 * BLOCK)]))


PAX = [
    *(b"0 a=b\n", b"-9 a=b\n", b"3\n", b"12", b" a=b\n", b"99 a=b\n", b"2 a=b\n", b"9" * 5000 + b" a=b\n"),
    *(b"11 size=-1\n", b"5018 size=" + b"1" * 5007 + b"\n", b"30 size=" + b"9" * 21 + b"\n"),
]


@pytest.mark.parametrize("records", PAX)
def test_a_pax_header_of_no_records_ends_the_walk(records: bytes) -> None:
    head = header_of(b"x", b"%011o\0" % len(records)) + records + bytes(-len(records) % BLOCK)
    with pytest.raises(Corrupt, match="damaged pax header"):
        list(walk([head, header_of(b"0", bytes(12)), bytes(2 * BLOCK)]))


def test_a_pax_header_full_of_records_is_not_read_to_its_end() -> None:
    records = b"5 a=\n" * ((1 << 20) // 5)
    head = header_of(b"x", b"%011o\0" % len(records)) + records + bytes(-len(records) % BLOCK)
    begun = time.monotonic()
    with pytest.raises(Corrupt, match="too many records"):
        list(walk([head, header_of(b"0", bytes(12)), bytes(2 * BLOCK)]))
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("kind", [b"x", b"g", b"L"])
def test_extension_headers_without_end_are_not_kept_in_memory(kind: bytes) -> None:
    endless = repeat(header_of(kind, bytes(12)) * 1000, 10**6)
    with pytest.raises(Corrupt, match="extension header of"):
        list(walk(endless))


def test_an_archive_that_unpacks_to_more_than_was_stored_is_refused() -> None:
    member = header_of(b"0", b"%011o\0" % (1 << 30))
    zeros = (bytes(1 << 20) for _ in range(1 << 10))
    with pytest.raises(Corrupt, match="more than the 5000000 bytes that were stored"):
        list(walk(chain([member], zeros), most_bytes=5_000_000))
    assert sum(1 for _ in zeros) > 1000  # the rest was not even made


def test_a_definition_that_is_there_twice_is_refused() -> None:
    """The first would be made harmless, the second be what the server reads."""
    twice = tar_of({"index.yaml": b"a", "./index.yaml": b"b"})
    with pytest.raises(Corrupt, match=r"holds backup/index\.yaml more than once"):
        list(walk([twice], {"backup/index.yaml": bytes}))


def test_more_volumes_than_an_export_has_are_not_kept_in_memory() -> None:
    endless = (header_of(b"0", bytes(12), f"backup/{number}") for number in range(10**9))
    with pytest.raises(Corrupt, match="too many volumes"):
        list(walk(endless))


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
