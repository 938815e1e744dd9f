"""A backup that can't be read now is not damaged: nothing is noted of it, and it says what to do."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from incusbak import durable
from incusbak.model.backups import StoredManifest
from incusbak.model.refs import BackupId
from incusbak.repositories.directory.repository import DirectoryRepository
from tests.cli.command import Shell
from tests.fake_incus import FakeIncus

REPOSITORY = Path("repository")
POLICY = """
version: 1
name: p
protect:
  - name: web
    select: {kind: instance}
"""
READ = os.read


@pytest.fixture
def fake(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> FakeIncus:
    """A server with an instance of which there are two backups."""
    fake = FakeIncus()
    fake.world.add_instance("web", files={"rootfs/data": b"web" * 1000})
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    for _ in range(2):
        assert shell("backup", "instances", "web", "--images", "none").code == 0
    return fake


def archives() -> list[Path]:
    return sorted(REPOSITORY.rglob("export.tar.zst"))


def noted() -> list[str]:
    return [path.name for path in REPOSITORY.glob("notes/**/*damaged*")]


def failing(number: int, path: Path) -> Callable[[int, int], bytes]:
    """Have reads of one file fail so."""
    inode = path.stat().st_ino

    def read(descriptor: int, size: int) -> bytes:
        if os.fstat(descriptor).st_ino == inode:
            raise OSError(number, os.strerror(number))
        return READ(descriptor, size)

    return read


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE, errno.ENXIO, errno.ENOTCONN])
def test_a_disk_error_is_one_of_the_repository(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    first, _ = archives()
    monkeypatch.setattr(os, "read", failing(number, first))
    result = shell("verify", "instances", "--output", "json")
    assert result.code == 1, result.err
    found = json.loads(result.out)
    assert [each["result"] for each in found] == ["unread", "good"]
    assert "can't be read: " in found[0]["problem"]
    assert "hint: " in result.err
    assert noted() == []


@pytest.mark.usefixtures("fake")
def test_damage_beside_it_is_told_and_noted(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = archives()
    second.write_bytes(second.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(os, "read", failing(errno.EIO, first))
    result = shell("verify", "instances", "--output", "json")
    assert result.code == 1, result.err
    assert [each["result"] for each in json.loads(result.out)] == ["unread", "damaged"]
    assert len(noted()) == 1


def test_a_restore_ends_as_one_whose_repository_fails(
    shell: Shell, fake: FakeIncus, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.world.instances.clear()
    monkeypatch.setattr(os, "read", failing(errno.EIO, archives()[-1]))
    result = shell("restore", "instance", "web")
    assert (result.code, list(fake.world.instances)) == (1, [])
    assert "see what the disk is about" in result.err
    assert noted() == []


@pytest.mark.usefixtures("fake")
def test_what_vanished_with_its_disk_is_not_damaged(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk goes while the first archive is read; the mount point is left."""

    def unmount(descriptor: int, size: int) -> bytes:
        if REPOSITORY.joinpath("metadata.json").exists():
            shutil.move(REPOSITORY, "elsewhere")
            REPOSITORY.mkdir()
        return READ(descriptor, size)

    monkeypatch.setattr(os, "read", unmount)
    result = shell("verify", "instances")
    assert result.code == 10, result.err
    assert "is gone" in result.err
    assert list(Path("elsewhere").glob("notes/**/*damaged*")) == []
    assert list(REPOSITORY.iterdir()) == []


@pytest.mark.usefixtures("fake")
def test_one_of_which_not_even_the_manifest_can_be_read_is_listed_so(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = archives()[-1].parent
    before = durable.read_file

    def read_file(name: str, folder: int) -> bytes:
        if name == "manifest.json" and os.fstat(folder).st_ino == newest.stat().st_ino:
            raise OSError(errno.EACCES, "Permission denied")
        return before(name, folder)

    monkeypatch.setattr("incusbak.repositories.reading.read_file", read_file)
    listed = shell("list", "instances")
    assert listed.code == 1
    assert (listed.out.count("can't be read"), listed.out.count("damaged")) == (1, 0)
    rows = json.loads(shell("list", "instances", "--output", "json").out)
    assert [(row["damaged"], row["readable"]) for row in rows] == [(False, True), (False, False)]
    status = shell("status", "-f", shell.file("p.yaml", POLICY))
    assert status.code == 7
    assert "1 unreadable" in " ".join(status.out.split())
    assert shell("restore", "instance", "web", "--replace", "--yes").code == 1
    assert noted() == []


@pytest.mark.usefixtures("fake")
def test_a_glance_does_not_make_good_what_was_found_damaged(shell: Shell) -> None:
    first, _ = archives()
    data = first.read_bytes()
    first.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    assert shell("verify").code == 6
    result = shell("verify", "--read-data", "none", "--output", "json")
    assert result.code == 6, result.err
    assert [each["result"] for each in json.loads(result.out)] == ["damaged", "seen"]
    first.write_bytes(data)
    assert (shell("verify").code, shell("verify", "--read-data", "none").code) == (0, 0)


def test_one_that_can_not_be_read_keeps_no_other_away(
    shell: Shell, fake: FakeIncus, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.world.add_instance("db")
    assert shell("backup", "instances", "db", "--images", "none").code == 0
    fake.world.instances.clear()
    newest = max(REPOSITORY.glob("instances/default/web/*/manifest.json"))
    readable = DirectoryRepository.manifest

    def manifest(self: DirectoryRepository, backup: BackupId) -> StoredManifest:
        if (backup.ref.name, backup.timestamp) == ("web", newest.parent.name):
            with durable.explained(newest):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return readable(self, backup)

    monkeypatch.setattr(DirectoryRepository, "manifest", manifest)
    done = shell("restore", "instances")
    assert (done.code, sorted(fake.world.instances)) == (3, [("default", "db")]), done.err
    assert f"instance/default/web@{newest.parent.name} can't be read: " in done.err
    assert "not permitted; run as the user who owns it" in done.err
    alone = shell("restore", "instance", "web")
    assert (alone.code, "Hint: run as the user who owns it" in alone.err) == (1, True), alone.err
    assert noted() == []


@pytest.mark.usefixtures("fake")
def test_a_folder_that_can_not_be_listed_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what it holds, so nothing is planned without it."""
    there, scandir = str(REPOSITORY.resolve() / "instances/default/web"), os.scandir

    def scan(path: str) -> object:
        if str(path) == there:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert shell.fails("list", "instances", code=1).startswith(f"{there}: not permitted")
