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
from incusbak.kinds.archive import walk
from incusbak.kinds.sparse import MAX_HOLES, MIN_BYTES, UNIT, HoleFinder, Holes, data_between, load_holes

Layout = Sequence[tuple[bool, int]]
"""Runs of a file: whether there is data, and how many bytes."""
LAYOUTS = st.lists(st.tuples(st.booleans(), st.integers(1, 5 * UNIT)), max_size=8)
RUNS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=9)
LONG = f"backup/{chr(0xFC) * 100}/{chr(0xFC) * 100}"


def content_of(layout: Layout) -> bytes:
    parts = [random.Random(n).randbytes(n) if data else bytes(n) for data, n in layout]
    return b"".join([*parts, bytes(MIN_BYTES)])


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


def passed(archive: bytes, size: int = 1 << 20, **more: HoleFinder | Holes) -> bytes:
    chunks = (archive[start : start + size] for start in range(0, len(archive), size))
    return b"".join(walk(chunks, **more))  # type: ignore[arg-type]  # finder or holes


@settings(max_examples=30, deadline=None)
@given(LAYOUTS, st.integers(700, 1 << 20))
def test_a_sparse_archive_holds_what_the_full_one_did(layout: Layout, chunk: int) -> None:
    files = {"backup/small": b"s", LONG: content_of(layout), "backup/last": bytes(MIN_BYTES)}
    full, finder = tar_of(files), HoleFinder()
    assert passed(full, chunk, finder=finder) == full
    sparse = passed(full, chunk, holes=load_holes(finder.dump()))
    assert read(sparse) == read(full)
    assert len(sparse) < len(full) - MIN_BYTES


def test_the_server_s_tar_makes_holes_of_them(tmp_path: Path) -> None:
    content = bytes(4 << 20) + b"data" + bytes(4 << 20)
    finder = HoleFinder()
    full = tar_of({"backup/f": content, LONG: content}, {"SCHILY.xattr.user.note": "n"})
    passed(full, finder=finder)
    sparse = passed(full, holes=finder.found)
    unpack = ["tar", "--xattrs-include=*", "-xf", "-"]
    subprocess.run(unpack, input=sparse, cwd=tmp_path, check=True)
    for name in ("backup/f", LONG):
        file = tmp_path / name
        assert file.read_bytes() == content
        assert file.stat().st_blocks * 512 <= 2 * UNIT
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
    passed(tar_of({"backup/f": random.Random(1).randbytes(2 * MIN_BYTES)}), finder=finder)
    assert finder.dump() == b""


def test_the_list_of_holes_stays_small() -> None:
    finder = HoleFinder()
    finder.begin("f")
    for _ in range(MAX_HOLES + 10):
        finder.feed(bytes(UNIT), 0, UNIT)
        finder.feed(b"x" * UNIT, 0, UNIT)
    assert len(finder.found["f"]) == MAX_HOLES
