"""What moment a backup shows: the archives of containers that write while they are backed up."""

import io
import json
import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from incusbak.kinds.archive.compression import decompressed
from incusbak.model.backups import Compression
from tests.live.portrait import rootfs
from tests.live.support.project import Project
from tests.live.tool import Tool

# Files stay open for writing in place: a file cut to nothing between two writes would say nothing.
WRITER = "cd /srv; i=0; while :; do i=$((i+1)); echo $i 1<>a; echo $i 1<>z; done"
BULK_FILES, BULK_BYTES = 40, 2_000_000
TRIES = 3


@frozen
class Stored:
    """One stored backup."""

    manifest: dict[str, Any]
    names: tuple[str, ...]
    texts: dict[str, str]

    @property
    def gap(self) -> int:
        """How many rounds the writer made between the moment of ``a`` and that of ``z``."""
        a, z = (int(self.texts[f"backup/container/rootfs/srv/{name}"]) for name in "az")
        return a - z


def read(folder: Path) -> Stored:
    """Read a backup's manifest, the names in its archive, and the files of interest."""
    with (folder / "export.tar.zst").open("rb") as file:
        plain = b"".join(decompressed(iter(lambda: file.read(1 << 20), b""), Compression.ZSTD))
    texts = {}
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        for member in archive:
            if member.name.endswith((".yaml", "/srv/a", "/srv/z")):
                content = archive.extractfile(member)
                texts[member.name] = content.read().decode() if content else ""
        names = tuple(archive.getnames())
    return Stored(json.loads((folder / "manifest.json").read_text()), names, texts)


def start_writer(project: Project, pool: str) -> None:
    """Container ``writer`` counts in files ``a`` and ``z``, with some time of reading between them."""
    project.launch("writer", pool=pool)
    bulk = rootfs(project, "writer") / "srv/bulk"
    bulk.mkdir()
    for number in range(BULK_FILES):
        (bulk / str(number)).write_bytes(number.to_bytes() * BULK_BYTES)
    project.exec("writer", ["sh", "-c", f"({WRITER}) >/dev/null 2>&1 </dev/null &"])


def back_up(tool: Tool, project: Project, *flags: str) -> Stored:
    """Back up the writer; the backup does not stay."""
    tool.do("backup", "instances", "writer", "--project", project.name, *flags)
    (folder,) = (tool.repository / "instances" / project.name / "writer").iterdir()
    stored = read(folder)
    shutil.rmtree(folder)
    return stored


def consistency(stored: Stored) -> tuple[str, str]:
    captured = stored.manifest["captured"]
    return captured["consistency"], captured["method"]


def test_a_backup_shows_one_moment(project: Project, tool: Tool) -> None:
    """On ``dir`` the server itself would archive the moving tree."""
    start_writer(project, "default")
    for _ in range(TRIES):
        stored = back_up(tool, project)
        assert 0 <= stored.gap <= 1
        assert consistency(stored) == ("point-in-time", "temporary-copy")
        assert [name for name in stored.names if name.startswith("backup/snapshots")] == []
        definitions = stored.texts["backup/index.yaml"] + stored.texts["backup/container/backup.yaml"]
        assert re.findall(r"incusbak-[0-9a-f]{12}|incusbak-tmp|user\.incusbak", definitions) == []
        assert '"type": "none"' not in definitions  # as the copy's devices are
        assert json.loads(stored.texts["backup/container/backup.yaml"])["snapshots"] == []
    projects = project.server.api("GET", "/1.0/projects")
    assert [url for url in projects if "incusbak" in url] == []
    project.wait_status("writer", "Running")
    assert project.api("GET", "/1.0/instances/writer/snapshots") == []


def test_without_a_snapshot_a_backup_tears(project: Project, tool: Tool) -> None:
    """The control of the test above: its writer does tear archives."""
    start_writer(project, "default")
    gaps = []
    for _ in range(TRIES):
        stored = back_up(tool, project, "--no-snapshot")
        assert consistency(stored) == ("live", "direct")
        gaps.append(stored.gap)
        if stored.gap not in (0, 1):
            return
    pytest.fail(f"no archive is torn: {gaps}")
