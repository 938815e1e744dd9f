"""Volumes are backed up, lost and restored: what comes back is what was lost, for all who use it."""

from typing import Any

import pytest

from tests.live.custom_volume import EXPIRES, Volume
from tests.live.portrait import SPARSE_BYTES, differences, furnish
from tests.live.support.project import Project
from tests.live.tool import Tool
from tests.live.witness import things_on

DIFFERS = {
    "last_used_at": "it was started again",
    "*config.volatile.last_state.ready": "set at each stop",
}
pytestmark = pytest.mark.crosswise
POOLS = ("default", "bt")
ISO = bytes(range(256)) * 400


@pytest.fixture(params=POOLS)
def volume(request: pytest.FixtureRequest, project: Project) -> Volume:
    """One that has something of everything, and two snapshots."""
    volume = Volume(project, pool=request.param)
    volume.make(config={"user.note": "old", "snapshots.expiry": "3d"}, description="of the shöp\n2nd line")
    furnish(volume.folder())
    volume.snapshot("first", expires_at=EXPIRES)
    project.api("PATCH", volume.url, {"config": {"user.note": "new"}})
    (volume.folder() / "later").write_bytes(b"made after the first snapshot")
    volume.snapshot("second")
    return volume


def back_up(tool: Tool, volume: Volume, *flags: str) -> dict[str, Any]:
    """Back up; return what the manifest says of how."""
    tool.do("backup", "volumes", volume.label, "--project", volume.project.name, *flags)
    address = f"volume/{volume.project.name}/{volume.label}"
    captured: dict[str, Any] = tool.manifest(address)["captured"]
    return captured


def restore(tool: Tool, volume: Volume, *flags: str) -> None:
    tool.do("restore", "volume", volume.label, "--project", volume.project.name, *flags)


def contents(volume: Volume) -> dict[str, Any]:
    return {name: volume.files(name) for name in ("", "first", "second")}


def users(project: Project) -> dict[str, Any]:
    found = {name: project.api("GET", f"/1.0/instances/{name}") for name in ("direct", "through")}
    return {**found, "profile": project.api("GET", "/1.0/profiles/user")}


@pytest.mark.parametrize("flags", [(), ("--optimized",)], ids=["portable", "optimized"])
def test_a_volume_that_is_gone_comes_back(volume: Volume, tool: Tool, flags: tuple[str, ...]) -> None:
    if flags and volume.pool == "default":
        pytest.skip("dir has no optimized format")
    before, files = volume.document(), contents(volume)
    things = things_on(volume.project.server)
    captured = back_up(tool, volume, *flags)
    assert (captured["consistency"], captured["method"]) == ("stopped", "direct")
    assert things_on(volume.project.server) == things
    volume.remove()
    restore(tool, volume)
    assert volume.document() == before
    assert differences(files, contents(volume)) == []
    assert (volume.folder() / "sparse").stat().st_blocks * 512 < SPARSE_BYTES / 4
    assert things_on(volume.project.server) == things
    assert tool.leftovers() == []


def test_a_volume_in_use_is_replaced_under_its_users(volume: Volume, tool: Tool) -> None:
    volume.attach()
    project = volume.project
    files, before, seen = contents(volume), volume.document(), users(project)
    things = things_on(project.server)
    captured = back_up(tool, volume)
    method = "temporary-copy" if volume.pool == "default" else "direct"
    assert (captured["consistency"], captured["method"]) == ("point-in-time", method)
    assert users(project) == seen  # not even stopped for a moment
    project.exec("direct", ["sh", "-c", "echo changed >/data/later; rm /data/program"])
    project.api("DELETE", f"{volume.url}/snapshots/first")

    refused = tool.run("restore", "volume", volume.label, "--project", project.name, "--replace", "--yes")
    assert refused.code != 0
    assert "direct" in refused.err
    assert volume.seen_by("direct", "later") == "changed\n"

    restore(tool, volume, "--replace", "--force")
    assert volume.document() == before
    assert differences(files, contents(volume)) == []
    assert differences(seen, users(project), but_for=[f"*.{glob}" for glob in DIFFERS]) == []
    for name in ("direct", "through"):
        assert volume.seen_by(name, "later") == "made after the first snapshot"
    assert things_on(project.server) == things
    assert tool.leftovers() == []


def test_a_copy_on_another_pool_is_another_volume(volume: Volume, tool: Tool) -> None:
    files = volume.files()
    back_up(tool, volume)
    other = "bt" if volume.pool == "default" else "default"
    restore(tool, volume, "--target-name", "copy", "--pool-map", f"{volume.pool}={other}")
    copy = Volume(volume.project, "copy", other)
    assert differences(files, copy.files()) == []
    assert (
        differences(volume.document(), copy.document(), but_for=["created_at", "name", "snapshots.*.name"])
        == []
    )
    assert copy.document()["created_at"] != volume.document()["created_at"]


@pytest.mark.parametrize("state", ["idle", "running", "optimized"])
def test_the_official_client_imports_it(volume: Volume, tool: Tool, state: str) -> None:
    """A stored archive alone brings a volume back: no need of this tool."""
    if state == "optimized" and volume.pool == "default":
        pytest.skip("dir has no optimized format")
    if state == "running":
        volume.attach(["direct"])
    before, files = volume.document(), contents(volume)
    back_up(tool, volume, *(["--optimized"] if state == "optimized" else []))
    if state == "running":
        volume.project.incus("delete", "--force", "direct")
    volume.remove()
    (archive,) = tool.repository.glob("volumes/*/*/data/*/volume.tar.zst")
    volume.project.incus("storage", "volume", "import", volume.pool, str(archive))
    assert differences(before, volume.document(), but_for=["used_by"]) == []
    assert differences(files, contents(volume)) == []


@pytest.mark.parametrize("pool", POOLS)
def test_a_block_volume_comes_back(project: Project, tool: Tool, pool: str) -> None:
    volume = Volume(project, "disk", pool)
    volume.make(content_type="block", config={"size": "8MiB"}, description="a disk")
    image = volume.folder() / "root.img"
    with image.open("r+b") as file:
        file.write(b"\1" * 4096)
        file.seek(5 << 20)
        file.write(b"\2" * 4096)
    volume.snapshot("first", expires_at=EXPIRES)
    with image.open("r+b") as file:
        file.write(b"\3" * 4096)
    before = volume.document(), image.read_bytes(), (volume.folder("first") / "root.img").read_bytes()
    back_up(tool, volume)
    volume.remove()
    restore(tool, volume)
    after = volume.document(), image.read_bytes(), (volume.folder("first") / "root.img").read_bytes()
    assert after == before


@pytest.mark.parametrize("pool", POOLS)
def test_an_iso_comes_back_or_is_refused_in_words(project: Project, tool: Tool, pool: str) -> None:
    volume = Volume(project, "disc", pool)
    headers = {"Content-Type": "application/octet-stream", "X-Incus-name": "disc", "X-Incus-type": "iso"}
    project.api("POST", volume.url.rpartition("/")[0], data=ISO, headers=headers)
    document = project.api("GET", volume.url)
    project.api("PUT", volume.url, {"config": document["config"], "description": "to install from"})
    before = volume.document()
    if project.server.version == "6.0":
        result = tool.run("backup", "volumes", volume.label, "--project", project.name)
        assert result.code == 1
        assert "can't back up ISO volumes" in result.err
        return
    back_up(tool, volume)
    (stored,) = tool.repository.glob("volumes/**/volume.iso")
    assert stored.read_bytes() == ISO
    volume.remove()
    for flags in ((), ("--replace", "--yes")):
        restore(tool, volume, *flags)
        assert differences(before, volume.document(), but_for=["created_at"]) == []
        back_up(tool, volume)
        assert max(tool.repository.glob("volumes/**/volume.iso")).read_bytes() == ISO
    assert tool.leftovers() == []


def test_a_damaged_backup_touches_nothing(project: Project, tool: Tool) -> None:
    volume = Volume(project)
    volume.make()
    (volume.folder() / "file").write_bytes(b"precious" * 100_000)
    volume.attach()
    back_up(tool, volume)
    (archive,) = tool.repository.glob("volumes/**/volume.tar.zst")
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    archive.chmod(0o600)
    archive.write_bytes(damaged)
    seen, before = users(project), (volume.document(), volume.files())
    result = tool.run("restore", "volume", volume.label, "--project", project.name, "--replace", "--force")
    assert result.code == 6
    assert (users(project), (volume.document(), volume.files())) == (seen, before)
    assert tool.leftovers() == []
