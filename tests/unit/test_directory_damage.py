"""Every way to tamper with a stored backup is noticed, and said with backup and file."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incusbak.durable import CHUNK_BYTES
from incusbak.errors import Corrupt, RepositoryError
from incusbak.model.refs import BackupId
from incusbak.model.results import StepEvent, Transferred
from incusbak.repositories.directory.repository import DirectoryRepository
from tests.samples import ARCHIVE, MOMENT, WEB, store

Tamper = Callable[[Path], object]


@pytest.fixture
def repository(tmp_path: Path) -> DirectoryRepository:
    return DirectoryRepository(tmp_path / "repository")


@pytest.fixture
def backup(repository: DirectoryRepository) -> BackupId:
    return store(repository)


@pytest.fixture
def folder(tmp_path: Path, backup: BackupId) -> Path:
    return tmp_path / "repository/instances/default/web" / backup.timestamp


def remove(name: str) -> Tamper:
    return lambda folder: (folder / name).unlink()


def link(name: str) -> Tamper:
    def tamper(folder: Path) -> None:
        (folder / name).rename(folder.parent / "elsewhere")
        (folder / name).symlink_to(folder.parent / "elsewhere")

    return tamper


def pipe(name: str) -> Tamper:
    def tamper(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return tamper


def subfolder(name: str) -> Tamper:
    def tamper(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return tamper


def checksums(change: Callable[[str], str]) -> Tamper:
    def tamper(folder: Path) -> None:
        path = folder / "checksums.txt"
        path.write_text(change(path.read_text()))

    return tamper


def manifest(**changes: Any) -> Tamper:
    """Change the manifest and make its line in checksums.txt fit again."""

    def tamper(folder: Path) -> None:
        path = folder / "manifest.json"
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        after = hashlib.sha256(path.read_bytes()).hexdigest()
        checksums(lambda text: text.replace(before, after))(folder)

    return tamper


def stored(name: str, *, sha256: str = hashlib.sha256(b"archive").hexdigest()) -> dict[str, Any]:
    return {"name": name, "size_bytes": 7, "sha256": sha256}


ZEROS = "0" * 64

SEEN_IN_THE_MANIFEST: dict[str, tuple[Tamper, str]] = {
    "no manifest": (remove("manifest.json"), "manifest.json is missing"),
    "manifest is a link": (link("manifest.json"), "manifest.json is a symbolic link"),
    "manifest is a pipe": (pipe("manifest.json"), "manifest.json is not a regular file"),
    "manifest is a folder": (subfolder("manifest.json"), "manifest.json is not a regular file"),
    "manifest edited": (
        lambda f: (f / "manifest.json").write_text("{}"),
        "manifest.json was changed",
    ),
    "manifest of another backup": (
        manifest(id="instance/default/db@20260301T123000Z"),
        "manifest.json is of another backup, instance/default/db@20260301T123000Z",
    ),
    "manifest with a key too many": (manifest(more=1), "manifest.json can't be understood"),
    "manifest with a mistyped key": (manifest(tool_version=1), "expected str, got int"),
    "manifest lists a file more": (
        manifest(files=[stored(ARCHIVE), stored("more")]),
        "checksums.txt does not list the files that manifest.json does",
    ),
    "manifest lists a file twice": (
        manifest(files=[stored(ARCHIVE), stored(ARCHIVE)]),
        "checksums.txt does not list the files that manifest.json does",
    ),
    "manifest lists no file": (
        manifest(files=[]),
        "checksums.txt does not list the files that manifest.json does",
    ),
    "manifest has another hash": (
        manifest(files=[stored(ARCHIVE, sha256=ZEROS)]),
        "checksums.txt has another SHA-256 for export.tar.zst",
    ),
    "no checksums": (remove("checksums.txt"), "checksums.txt is missing"),
    "checksums is a link": (link("checksums.txt"), "checksums.txt is a symbolic link"),
    "checksums empty": (checksums(lambda _: ""), "checksums.txt is empty"),
    "checksums cut": (checksums(lambda text: text[:-1]), "checksums.txt is cut"),
    "checksums without manifest": (
        checksums(lambda text: text.splitlines(keepends=True)[0]),
        "checksums.txt does not list manifest.json",
    ),
    "checksums without archive": (
        checksums(lambda text: text.splitlines(keepends=True)[1]),
        "checksums.txt does not list the files",
    ),
    "checksums with a line twice": (checksums(lambda text: text + text), "checksums.txt line 3"),
    "checksums with a stranger": (
        checksums(lambda text: f"{text}{ZEROS}  more\n"),
        "checksums.txt does not list the files",
    ),
    "checksums with a path": (checksums(lambda text: f"{text}{ZEROS}  a/b\n"), "checksums.txt line 3"),
    "checksums with a way out": (checksums(lambda text: f"{text}{ZEROS}  ..\n"), "checksums.txt line 3"),
    "checksums with garbage": (checksums(lambda text: f"garbage\n{text}"), "checksums.txt line 1"),
    "checksums in capitals": (checksums(str.upper), "checksums.txt line 1"),
    "checksums not text": (
        lambda f: (f / "checksums.txt").write_bytes(b"\xff\xfe\n"),
        "checksums.txt line 1",
    ),
}

SEEN_BY_CHECK: dict[str, tuple[Tamper, str]] = {
    "no archive": (remove(ARCHIVE), "export.tar.zst is missing"),
    "archive is a link": (link(ARCHIVE), "export.tar.zst is a symbolic link"),
    "archive is a pipe": (pipe(ARCHIVE), "export.tar.zst is not a regular file"),
    "archive is a folder": (subfolder(ARCHIVE), "export.tar.zst is not a regular file"),
    "archive cut": (
        lambda f: os.truncate(f / ARCHIVE, 3),
        "export.tar.zst has 3 bytes, 7 were stored",
    ),
    "archive changed": (
        lambda f: (f / ARCHIVE).write_bytes(b"Archive"),
        "export.tar.zst was changed",
    ),
}


@pytest.mark.parametrize("case", SEEN_IN_THE_MANIFEST)
def test_reading_the_manifest_notices(
    repository: DirectoryRepository, backup: BackupId, folder: Path, case: str
) -> None:
    tamper, message = SEEN_IN_THE_MANIFEST[case]
    tamper(folder)

    with pytest.raises(Corrupt, match=re.escape(message)) as caught:
        repository.manifest(backup)
    assert caught.value.message.startswith(f"{backup}: ")


@pytest.mark.parametrize("case", SEEN_IN_THE_MANIFEST | SEEN_BY_CHECK)
def test_checking_and_reading_notice(
    repository: DirectoryRepository, backup: BackupId, folder: Path, case: str
) -> None:
    tamper, message = (SEEN_IN_THE_MANIFEST | SEEN_BY_CHECK)[case]
    tamper(folder)

    with pytest.raises(Corrupt, match=re.escape(message)):
        repository.check(backup, lambda _: None)
    with pytest.raises(Corrupt, match=re.escape(message)), repository.open_file(backup, ARCHIVE) as chunks:
        list(chunks)


def test_a_manifest_of_a_newer_format_is_no_damage(
    repository: DirectoryRepository, backup: BackupId, folder: Path
) -> None:
    manifest(format_version=2, new="key")(folder)

    with pytest.raises(RepositoryError, match="says format 2") as caught:
        repository.manifest(backup)
    assert (caught.value.exit_code, caught.value.hint) == (1, "a newer incus-backup is needed")


def test_every_flipped_bit_is_noticed(
    repository: DirectoryRepository, backup: BackupId, folder: Path
) -> None:
    for name in ("checksums.txt", "manifest.json", ARCHIVE):
        good = (folder / name).read_bytes()
        for position in range(0, len(good), max(1, len(good) // 40)):
            bad = bytearray(good)
            bad[position] ^= 0x01
            (folder / name).write_bytes(bad)
            with pytest.raises(Corrupt):
                repository.check(backup, lambda _: None)
        (folder / name).write_bytes(good)
    repository.check(backup, lambda _: None)


def test_a_wrong_size_is_noticed_before_anything_is_hashed(
    tmp_path: Path, repository: DirectoryRepository
) -> None:
    backup = store(repository, data=bytes(2 * CHUNK_BYTES))
    os.truncate(tmp_path / "repository/instances/default/web" / backup.timestamp / ARCHIVE, CHUNK_BYTES)
    told: list[StepEvent] = []

    with pytest.raises(Corrupt):
        repository.check(backup, told.append)
    assert [event for event in told if isinstance(event, Transferred)] == []


def test_the_last_chunk_of_a_changed_file_is_never_handed_out(
    tmp_path: Path, repository: DirectoryRepository
) -> None:
    data = bytes(2 * CHUNK_BYTES + 5)
    backup = store(repository, data=data)
    path = tmp_path / "repository/instances/default/web" / backup.timestamp / ARCHIVE
    path.write_bytes(data[:-1] + b"!")
    sizes: list[int] = []

    with repository.open_file(backup, ARCHIVE) as chunks, pytest.raises(Corrupt):
        sizes.extend(len(chunk) for chunk in chunks)
    assert sizes == [CHUNK_BYTES, CHUNK_BYTES]


def test_a_damaged_backup_is_still_listed_and_can_be_deleted(
    repository: DirectoryRepository, backup: BackupId, folder: Path
) -> None:
    remove("manifest.json")(folder)
    assert repository.catalog().of(WEB) == (backup,)

    repository.remove(backup, MOMENT)

    assert repository.catalog().of(WEB) == ()
