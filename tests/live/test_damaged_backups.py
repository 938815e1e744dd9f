"""A damaged backup is refused; whatever it was to replace keeps running, untouched."""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

from incusbak.kinds.compression import compressed, decompressed
from incusbak.model.backups import Compression
from tests.live.support import claims
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.tool import Result, Tool
from tests.live.witness import files_below, instance_state, things_on

ARCHIVE = "export.tar.zst"
Damage = Callable[[Path], None]


@frozen
class Scene:
    """Running ``web`` and a good backup of it; no test changes any of it."""

    project: Project
    repository: Path


@pytest.fixture(scope="module")
def scene(incus_server: Daemon, _workdirs: Path) -> Iterator[Scene]:
    claim = claims.Claim(_workdirs)
    project = Project(incus_server)
    project.launch("web", config={"user.note": "original"})
    project.exec("web", ["sh", "-c", "echo precious > /root/data"])
    tool = Tool(incus_server.socket, claim.path)
    tool.do("backup", "instances", "web", "--project", project.name)
    yield Scene(project, tool.repository)
    project.remove()
    shutil.rmtree(claim.path)
    claim.release()


@pytest.fixture
def restorer(scene: Scene, watched_tool: Tool) -> Tool:
    """The tool with a copy of the scene's repository."""
    shutil.copytree(scene.repository, watched_tool.repository)
    return watched_tool


def backup_folder(tool: Tool, scene: Scene) -> Path:
    [found] = (tool.repository / "instances" / scene.project.name / "web").iterdir()
    return found


def replace(tool: Tool, scene: Scene, *more: str) -> Result:
    return tool.run(
        "restore", "instance", "web", "--replace", "--yes", "--project", scene.project.name, *more
    )


def restore_beside(tool: Tool, scene: Scene, *more: str) -> Result:
    return tool.run("restore", "instance", "web", "--target-name=new", "--project", scene.project.name, *more)


# -- ways to damage a backup --------------------------------------------------------------------------


def flip_a_byte(backup: Path) -> None:
    data = bytearray((backup / ARCHIVE).read_bytes())
    data[len(data) // 2] ^= 1
    (backup / ARCHIVE).write_bytes(data)


def cut_the_tail(backup: Path) -> None:
    data = (backup / ARCHIVE).read_bytes()
    (backup / ARCHIVE).write_bytes(data[:-100])


def lose_the_archive(backup: Path) -> None:
    (backup / ARCHIVE).unlink()


def empty_the_checksums(backup: Path) -> None:
    (backup / "checksums.txt").write_bytes(b"")


def edit_the_manifest(backup: Path) -> None:
    text = (backup / "manifest.json").read_text()
    assert "original" in text
    (backup / "manifest.json").write_text(text.replace("original", "0riginal"))


DAMAGES = (flip_a_byte, cut_the_tail, lose_the_archive, empty_the_checksums, edit_the_manifest)


@pytest.mark.parametrize(
    ("damage", "restore"),
    [
        *((damage, replace) for damage in DAMAGES),
        (flip_a_byte, restore_beside),
        (edit_the_manifest, restore_beside),
    ],
)
def test_damage_is_found_before_the_server_is_touched(
    scene: Scene,
    restorer: Tool,
    fault_proxy: FaultProxy,
    damage: Damage,
    restore: Callable[[Tool, Scene], Result],
) -> None:
    damage(backup_folder(restorer, scene))
    stored = files_below(restorer.repository)
    before = instance_state(scene.project, "web")
    result = restore(restorer, scene)
    assert result.code == 6, result.err
    assert f"instance/{scene.project.name}/web@" in result.err
    assert fault_proxy.writes() == []
    assert instance_state(scene.project, "web") == before
    assert restorer.leftovers() == []
    assert files_below(restorer.repository) == stored


def test_a_version_that_is_not_there_is_refused_and_the_nearest_named(
    scene: Scene, restorer: Tool, fault_proxy: FaultProxy
) -> None:
    before = instance_state(scene.project, "web")
    result = replace(restorer, scene, "--version", "20010101T000000Z")
    assert result.code == 1
    assert backup_folder(restorer, scene).name in result.err
    assert fault_proxy.writes() == []
    assert instance_state(scene.project, "web") == before
    assert restorer.leftovers() == []


# -- garbage that the checksums vouch for -------------------------------------------------------------


def replace_archive(backup: Path, data: bytes) -> None:
    """Put something else in the archive's place, with all hashes and sizes made to match."""
    (backup / ARCHIVE).write_bytes(data)
    manifest = json.loads((backup / "manifest.json").read_text())
    [stored] = manifest["files"]
    stored.update(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    (backup / "manifest.json").write_text(json.dumps(manifest))
    hashes = {
        name: hashlib.sha256((backup / name).read_bytes()).hexdigest() for name in (ARCHIVE, "manifest.json")
    }
    (backup / "checksums.txt").write_text("".join(f"{h}  {name}\n" for name, h in hashes.items()))


def plain(backup: Path) -> bytes:
    return b"".join(decompressed([(backup / ARCHIVE).read_bytes()], Compression.ZSTD))


def zipped(data: bytes) -> bytes:
    return b"".join(compressed([data], Compression.ZSTD))


def noise(_: Path) -> bytes:
    return bytes(range(256)) * 4000


def compressed_noise(backup: Path) -> bytes:
    return zipped(noise(backup))


def foreign_tar(_: Path) -> bytes:
    return zipped(tar_of({"somewhere/else": b"x" * 100_000}))


def tar_cut_between_two_members(backup: Path) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(plain(backup))) as tar:
        middle = tar.getmembers()[20]
    return zipped(plain(backup)[: middle.offset])


def index_that_is_no_yaml(backup: Path) -> bytes:
    return zipped(tar_with(backup, "backup/index.yaml", b"{[%"))


def definition_of_no_instance(backup: Path) -> bytes:
    return zipped(tar_with(backup, "backup/container/backup.yaml", b"container: {}\n"))


def tar_without_files(backup: Path) -> bytes:
    return zipped(tar_with(backup, "backup/container/rootfs", None))


def tar_of(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


def tar_with(backup: Path, changed: str, content: bytes | None) -> bytes:
    """The same archive with one member's content replaced, or without the member and what is below it."""
    made = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(plain(backup))) as old,
        tarfile.open(fileobj=made, mode="w") as new,
    ):
        for member in old:
            data = old.extractfile(member).read() if member.isreg() else b""  # type: ignore[union-attr]
            if member.name == changed and content is not None:
                data = content
                member.size = len(content)
            if content is not None or not member.name.startswith(changed):
                new.addfile(member, io.BytesIO(data))
    return made.getvalue()


GARBAGE = (
    noise,
    compressed_noise,
    foreign_tar,
    tar_cut_between_two_members,
    index_that_is_no_yaml,
    definition_of_no_instance,
)


@pytest.mark.parametrize(
    ("garbage", "restore"),
    [*((garbage, replace) for garbage in GARBAGE), (tar_cut_between_two_members, restore_beside)],
)
def test_garbage_with_matching_sums_is_undone_without_loss(
    scene: Scene,
    restorer: Tool,
    garbage: Callable[[Path], bytes],
    restore: Callable[[Tool, Scene], Result],
) -> None:
    backup = backup_folder(restorer, scene)
    replace_archive(backup, garbage(backup))
    before, things = instance_state(scene.project, "web"), things_on(scene.project.server)
    result = restore(restorer, scene)
    assert result.code in (1, 6), result.err
    assert instance_state(scene.project, "web") == before
    assert things_on(scene.project.server) == things
    assert restorer.leftovers() == []


def test_what_can_not_start_is_swapped_back(scene: Scene, restorer: Tool) -> None:
    """The original had to stop for it; it runs again and is otherwise as it was."""
    backup = backup_folder(restorer, scene)
    replace_archive(backup, tar_without_files(backup))
    before, things = instance_state(scene.project, "web"), things_on(scene.project.server)
    result = replace(restorer, scene)
    assert result.code == 1, result.err
    after = instance_state(scene.project, "web")
    assert {**after["document"], "last_used_at": ""} == {**before["document"], "last_used_at": ""}
    assert after["files"] == before["files"]
    assert things_on(scene.project.server) == things
    assert restorer.leftovers() == []
