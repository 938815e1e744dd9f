"""Files come back as sparse as they were, though the server's archives write their holes out."""

import io
import random
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incusbak.errors import Corrupt
from incusbak.kinds.archive.contents import Contents
from incusbak.kinds.archive.sparse import MAX_HOLES, UNIT, HoleFinder, Holes, data_between, load_holes
from incusbak.kinds.archive.tar import walk

Layout = Sequence[tuple[bool, int]]
"""Runs of a file: whether there is data, and how many bytes."""
LAYOUTS = st.lists(st.tuples(st.booleans(), st.integers(1, 5 * UNIT)), max_size=8)
RUNS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=9)
LONG = f"backup/{chr(0xFC) * 100}/{chr(0xFC) * 100}"


def content_of(layout: Layout) -> bytes:
    return b"".join(random.Random(n).randbytes(n) if data else bytes(n) for data, n in layout)


def tar_of(files: Mapping[str, bytes], records: Mapping[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid, member.mtime = len(content), 0o640, 1000, 1_600_000_000
            member.pax_headers = dict(records or {})
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def read(archive: bytes) -> list[tuple[str, int, int, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [(m.name, m.mode, m.uid, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]  # files have content


def passed(archive: bytes, size: int = 1 << 20, **more: Contents | Holes) -> bytes:
    chunks = (archive[start : start + size] for start in range(0, len(archive), size))
    return b"".join(walk(chunks, **more))  # type: ignore[arg-type]  # contents or holes


def holes_of(content: bytes, chunk: int = 1 << 20) -> Sequence[tuple[int, int]]:
    finder = HoleFinder()
    finder.begin("f", len(content))
    for start in range(0, len(content), chunk):
        window = b"?" * 7 + content[start : start + chunk] + b"\0" * 9
        finder.feed(window, 7, len(window) - 9)
    finder.finish()
    return finder.found.get("f", [])


def expected_holes(content: bytes) -> list[tuple[int, int]]:
    """Look at each unit by itself."""
    found: list[tuple[int, int]] = []
    for start in range(0, len(content), UNIT):
        unit = content[start : start + UNIT]
        if any(unit):
            continue
        if found and sum(found[-1]) == start:
            found[-1] = found[-1][0], found[-1][1] + len(unit)
        else:
            found.append((start, len(unit)))
    return found


@given(LAYOUTS, st.integers(1, 3 * UNIT))
def test_every_unit_of_zeros_is_a_hole_however_it_is_chunked(layout: Layout, chunk: int) -> None:
    content = content_of(layout)
    assert holes_of(content, chunk) == expected_holes(content)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40 * UNIT)), max_size=5), st.integers(700, 1 << 20))
def test_long_holes_are_found_as_short_ones_are(layout: Layout, chunk: int) -> None:
    content = content_of(layout)
    assert holes_of(content, chunk) == expected_holes(content)


@settings(max_examples=30, deadline=None)
@given(LAYOUTS, st.integers(700, 1 << 20))
def test_a_sparse_archive_holds_what_the_full_one_did(layout: Layout, chunk: int) -> None:
    files = {"backup/small": b"s", LONG: content_of(layout), "backup/last": bytes(9 * UNIT + 1)}
    full, contents = tar_of(files), Contents(finder := HoleFinder())
    assert passed(full, chunk, contents=contents) == full
    sparse = passed(full, chunk, holes=load_holes(finder.dump()))
    assert read(sparse) == read(full)
    assert contents.data_bytes == sum(
        len(content) - sum(size for _, size in expected_holes(content))
        for content in files.values()
        if len(content) >= UNIT
    ) + sum(len(content) for content in files.values() if len(content) < UNIT)


def test_the_server_s_tar_makes_holes_of_them(tmp_path: Path) -> None:
    contents = {
        "backup/two": bytes(4 << 20) + b"data" + bytes(4 << 20),
        LONG: b"".join((b"x" * UNIT + bytes(15 * UNIT)) for _ in range(99)),
        "backup/small": bytes(3 * UNIT) + b"x",
        "backup/nothing": bytes(UNIT + 100),
    }
    finder = HoleFinder()
    full = tar_of(contents, {"SCHILY.xattr.user.note": "n"})
    passed(full, contents=Contents(finder))
    sparse = passed(full, holes=load_holes(finder.dump()))
    unpack = ["tar", "--xattrs-include=*", "-xf", "-"]
    subprocess.run(unpack, input=sparse, cwd=tmp_path, check=True)
    for name, content in contents.items():
        file = tmp_path / name
        assert file.read_bytes() == content
        assert file.stat().st_blocks * 512 == sum(
            UNIT for start in range(0, len(content), UNIT) if any(content[start : start + UNIT])
        )
        assert int(file.stat().st_mtime) == 1_600_000_000


@given(RUNS, st.integers(0, 9))
def test_data_lies_between_the_holes_up_to_the_end(runs: list[tuple[int, int]], rest: int) -> None:
    size, holes = 0, []
    for gap, length in runs:
        holes.append((size + gap, length))
        size += gap + length
    size += rest
    data = data_between(holes, size)
    covered = sorted(byte for at, length in (*holes, *data) for byte in range(at, at + length))
    assert covered == list(range(size))
    assert sum(data[-1]) == size


@pytest.mark.parametrize("holes", [[(0, 11)], [(5, 2), (6, 1)], [(3, 0)], [(5, 1), (1, 1)]])
def test_holes_that_do_not_fit_are_refused(holes: list[tuple[int, int]]) -> None:
    with pytest.raises(Corrupt):
        data_between(holes, 10)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": [1]}', b'{"a": [[1, "x"]]}', b"\xff"])
def test_a_damaged_list_of_holes_is_noticed(content: bytes) -> None:
    with pytest.raises(Corrupt):
        load_holes(content)


def test_nothing_is_noted_of_files_without_holes() -> None:
    finder = HoleFinder()
    passed(tar_of({"backup/f": random.Random(1).randbytes(2 << 20)}), contents=Contents(finder))
    assert finder.dump() == b""


def test_a_list_of_holes_of_an_older_backup_is_read() -> None:
    assert load_holes(b'{"backup/f": [[65536, 131072]]}') == {"backup/f": [(65536, 131072)]}


def test_the_list_of_holes_stays_small_and_the_longest_stay_in_it() -> None:
    """What comes late counts as what comes early; of holes of one length some stay, not none."""
    finder = HoleFinder()
    for number, length in enumerate((1, 2, 3)):
        finder.begin(f"f{number}", 1 << 40)
        for _ in range(MAX_HOLES // 2 - 10 * number):
            finder.feed(b"x" * UNIT + bytes(length * UNIT), 0, UNIT + length * UNIT)
    finder.finish()
    counts = {name: len(holes) for name, holes in finder.found.items()}
    assert counts["f2"] == MAX_HOLES // 2 - 20
    assert counts["f1"] > counts.get("f0", 0)
    assert MAX_HOLES // 2 < sum(counts.values()) <= MAX_HOLES
    assert finder.zero_bytes == sum(n * (MAX_HOLES // 2 - 10 * n + 10) for n in (1, 2, 3)) * UNIT


def test_of_more_equal_holes_than_there_is_room_for_most_are_kept() -> None:
    finder = HoleFinder()
    finder.begin("f", 1 << 40)
    for _ in range(MAX_HOLES + 10):
        finder.feed(b"x" * UNIT + bytes(UNIT), 0, 2 * UNIT)
    finder.finish()
    assert MAX_HOLES // 2 < len(finder.found["f"]) <= MAX_HOLES
    finder.begin("g", 2 * UNIT)
    finder.feed(bytes(2 * UNIT), 0, 2 * UNIT)
    finder.finish()
    assert finder.found["g"] == [(0, 2 * UNIT)]
