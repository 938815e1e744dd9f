"""A stored archive alone, and the official client, bring an instance back: no need of this tool."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.live.portrait import Entry, differences, document_of, files_of, furnish, rootfs
from tests.live.support.project import Project
from tests.live.tool import Tool

DIFFERS = {
    "status*": "an import starts nothing",
    "*config.volatile.*.host_name": "there is no cable while it is stopped",
    "snapshots.*.expires_at": "the server forgets it in each import, of its own exports too",
    "snapshots.*.size": "what a snapshot shares with others is up to the storage driver",
}
"""Paths in the API's documents that a bare import does not bring back, each with the reason."""

MOVES = ("/run/*",)


def make(project: Project, pool: str) -> None:
    """Container ``c1`` with a profile, two snapshots of different definition, and files of every kind."""
    profile = {
        "name": "own",
        "config": {"user.from-profile": "yes"},
        "devices": {"null2": {"type": "unix-char", "source": "/dev/null", "path": "/dev/null2"}},
    }
    project.api("POST", "/1.0/profiles", profile)
    devices = {"eth0": {"type": "nic", "nictype": "p2p", "name": "eth0"}}
    config = {"user.age": "old", "boot.autostart": "true"}
    project.launch("c1", pool=pool, config=config, devices=devices, profiles=["default", "own"])
    furnish(rootfs(project, "c1") / "srv")
    expiring = {"name": "first", "expires_at": "2091-01-02T03:04:05Z"}
    project.api("POST", "/1.0/instances/c1/snapshots", expiring)
    change = {"description": "two\nlines", "config": {"user.age": "new", "user.on": "yes: 2020-01-02"}}
    project.api("PATCH", "/1.0/instances/c1", change)
    project.put_file("c1", "/srv/later", b"made after the first snapshot")
    project.api("POST", "/1.0/instances/c1/snapshots", {"name": "second"})


def all_files(project: Project) -> dict[str, dict[str, Entry]]:
    """Those of ``c1`` and of its snapshots."""
    return {name: files_of(project, "c1", name, without=MOVES) for name in ("", "first", "second")}


@pytest.mark.crosswise
@pytest.mark.parametrize(
    ("pool", "moment", "method", "flags"),
    [
        pytest.param("default", "point-in-time", "temporary-copy", (), id="dir-running"),
        pytest.param("default", "stopped", "direct", (), id="dir-stopped"),
        pytest.param("bt", "point-in-time", "direct", (), id="btrfs-running"),
        pytest.param("bt", "point-in-time", "direct", ("--optimized",), id="btrfs-optimized"),
    ],
)
def test_the_official_client_imports_it(
    project: Project, tool: Tool, pool: str, moment: str, method: str, flags: tuple[str, ...]
) -> None:
    make(project, pool)
    if moment == "stopped":
        project.stop("c1")
    before, files = document_of(project, "c1"), all_files(project)
    tool.do("backup", "instances", "c1", "--project", project.name, *flags)
    project.incus("delete", "--force", "c1")

    (archive,) = tool.repository.glob("instances/*/c1/*/export.tar.zst")
    captured = json.loads((archive.parent / "manifest.json").read_text())["captured"]
    assert (captured["consistency"], captured["method"]) == (moment, method)
    project.incus("import", str(archive))
    assert differences(before, document_of(project, "c1"), but_for=DIFFERS) == []
    assert differences(files, all_files(project)) == []
    project.incus("start", "c1")
    project.incus("snapshot", "restore", "c1", "first")
    assert document_of(project, "c1")["config"]["user.age"] == "old"


MAGIC = {"gzip": b"\x1f\x8b", "xz": b"\xfd7zXZ\0", "none": b"backup/index.yaml"}
SUFFIX = {"gzip": ".tar.gz", "xz": ".tar.xz", "none": ".tar"}


def test_stored_files_are_what_they_say(project: Project, tool: Tool) -> None:
    """The extension tells how it is compressed, and the usual programs can check and read it.

    That zstd, the default, is read by the server and restored, other tests show.
    """
    project.launch("c1", start=False)
    project.put_file("c1", "/srv/data", b"precious")
    for compression, magic in MAGIC.items():
        tool.do("backup", "instances", "c1", "--project", project.name, "--compression", compression)
        (archive,) = tool.repository.glob(f"instances/*/c1/*/export{SUFFIX[compression]}")
        assert archive.read_bytes().startswith(magic)
        assert _run("sha256sum", "--strict", "-c", "checksums.txt", folder=archive.parent).count(": OK") == 2
        listed = _run("tar", "-tf", archive.name, folder=archive.parent).splitlines()
        assert "backup/container/rootfs/srv/data" in listed
        copy = ("--target-name", f"of-{compression}", "--version", archive.parent.name)
        tool.do("restore", "instance", "c1", "--project", project.name, *copy)
        assert project.get_file(f"of-{compression}", "/srv/data") == b"precious"


def _run(*argv: str, folder: Path) -> str:
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout
