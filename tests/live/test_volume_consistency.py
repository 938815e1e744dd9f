"""What moment a volume's backup shows while containers write to it, and that nobody stays frozen for it."""

import io
import json
import shutil
import signal
import tarfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from attrs import evolve

from incusbak.incus.connecting import connect_to
from incusbak.incus.remotes import Endpoint
from incusbak.incus.retries import Limits
from incusbak.kinds.archive.compression import decompressed
from incusbak.kinds.common.paths import path
from incusbak.kinds.volume import storage
from incusbak.kinds.volume.copying import temporary_copy
from incusbak.model.backups import Compression
from incusbak.model.refs import volume_ref
from incusbak.ports import KindContext
from tests.fakes import MemoryJournal
from tests.live.custom_volume import Volume
from tests.live.mortal import Moment, Mortal
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.thinning import some
from tests.live.tool import Tool
from tests.live.witness import things_on

# Files stay open for writing in place: a file cut to nothing between two writes would say nothing.
WRITER = "cd /data; i=0; while :; do i=$((i+1)); echo $i 1<>a; echo $i 1<>z; done"
BULK_FILES, BULK_BYTES = 40, 2_000_000
TRIES = 3


@pytest.fixture
def volume(project: Project) -> Volume:
    """One with some time of reading between ``a`` and ``z``, and two containers on it; ``direct`` writes."""
    volume = Volume(project)
    volume.make()
    bulk = volume.folder() / "bulk"
    bulk.mkdir()
    for number in range(BULK_FILES):
        (bulk / str(number)).write_bytes(number.to_bytes() * BULK_BYTES)
    for name in "az":
        (volume.folder() / name).touch()
        (volume.folder() / name).chmod(0o666)
    volume.folder().chmod(0o777)
    volume.attach()
    project.exec("direct", ["sh", "-c", f"({WRITER}) >/dev/null 2>&1 </dev/null &"])
    return volume


def back_up(tool: Tool, volume: Volume, *flags: str) -> tuple[int, tuple[str, str]]:
    """Back up; return how many rounds lie between ``a`` and ``z``, and how it was made."""
    tool.do("backup", "volumes", volume.label, "--project", volume.project.name, *flags)
    (folder,) = (tool.repository / "volumes" / volume.project.name / volume.label).iterdir()
    with (folder / "volume.tar.zst").open("rb") as file:
        plain = b"".join(decompressed(iter(lambda: file.read(1 << 20), b""), Compression.ZSTD))
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        files = (archive.extractfile(f"backup/volume/{name}") for name in "az")
        a, z = (int(file.read()) for file in files if file)
    captured = json.loads((folder / "manifest.json").read_text())["captured"]
    shutil.rmtree(folder)
    return a - z, (captured["consistency"], captured["method"])


def test_a_backup_shows_one_moment(volume: Volume, tool: Tool) -> None:
    """On ``dir`` the server itself would archive the moving tree; a frozen user is left as it is."""
    things = things_on(volume.project.server)
    volume.project.incus("pause", "through")
    for _ in range(TRIES):
        gap, made = back_up(tool, volume)
        assert 0 <= gap <= 1
        assert made == ("point-in-time", "temporary-copy")
    volume.project.wait_status("direct", "Running")
    volume.project.wait_status("through", "Frozen")
    assert things_on(volume.project.server) == things


def test_without_a_snapshot_a_backup_tears(volume: Volume, tool: Tool) -> None:
    """The control of the test above: its writer does tear archives."""
    gaps = []
    for _ in range(TRIES):
        gap, made = back_up(tool, volume, "--no-snapshot")
        assert made == ("live", "direct")
        gaps.append(gap)
        if gap not in (0, 1):
            return
    pytest.fail(f"no archive is torn: {gaps}")


@pytest.fixture
def mortal(tool: Tool, project: Project) -> Iterator[Mortal]:
    with FaultProxy(tool.socket, listen=project.server.pod.state / "mortal.sock") as proxy:
        yield Mortal(tool, proxy)


@pytest.mark.once
def test_nobody_stays_frozen_when_the_tool_is_killed(volume: Volume, mortal: Mortal) -> None:
    """A process that outlives it wakes them within seconds; no further run of the tool is needed."""
    project = volume.project
    backup = ("backup", "volumes", volume.label, "--project", project.name)
    paths = [url.partition("?")[0] for _, url in mortal.writes_of(*backup)]
    second_pass = [number for number, path in enumerate(paths, 1) if path.endswith("/custom")][1]
    assert [path.rpartition("/")[2] for path in paths[second_pass - 3 : second_pass - 1]] == ["state"] * 2
    moments = (
        Moment(second_pass - 2, direction="down"),  # the first of two is frozen
        Moment(second_pass),
        Moment(second_pass, direction="down"),
    )
    for moment in some(moments, 2):
        with mortal.armed(moment, signal.SIGKILL, *backup) as (process, _):
            process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        wait_until_all_run(project)
    mortal.tool.do(*backup)
    assert mortal.tool.leftovers() == []


def wait_until_all_run(project: Project) -> None:
    """For longer than a freeze that was asked for before can take."""
    end = time.monotonic() + 8
    while time.monotonic() < end:
        states = [project.api("GET", f"/1.0/instances/{name}")["status"] for name in ("direct", "through")]
        time.sleep(0.2)
    assert states == ["Running", "Running"]


def test_a_copy_can_be_put_back_to_a_snapshot_of_the_source(volume: Volume, tool: Tool) -> None:
    """The way of drivers with snapshots of one moment, where the server itself would export a moving disk."""
    project, source = volume.project, evolve(volume, pool="bt")
    source.make(config={"user.note": "kept"})
    source.snapshot("first")
    (source.folder() / "file").write_bytes(b"content")
    before, things = source.document(), things_on(project.server)
    api = connect_to(Endpoint("local", f"http+unix://{quote(str(tool.socket), safe='')}"), limits=Limits())
    journal = MemoryJournal()
    tools = KindContext(
        api, api.info(), journal, lambda _: None, lambda: datetime.now(UTC), "owner", lambda _: nullcontext()
    )
    look = storage.look(api, volume_ref(project.name, source.pool, source.name))
    assert look is not None
    with temporary_copy(tools, look, "btrfs", {}) as copy:
        (source.folder() / "file").write_bytes(b"since then")
        there = project.server.dir / f"storage-pools/bt/custom/{copy.project}_{copy.name}/file"
        assert project.server.pod.inside(there).read_bytes() == b"content"
        listed = api.list(path(copy, "snapshots"), project=copy.project)
        assert [snapshot["name"].rpartition("/")[2] for snapshot in listed] == ["first"]
        assert source.document() == before
    assert (things_on(project.server), journal.shelf.runs) == (things, {0: {}})
