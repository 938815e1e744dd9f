"""A directory repository as it lies on disk."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from incusbak.errors import Corrupt, NoSuchBackup, RepositoryError, RepositoryMissing, UsageError
from incusbak.model.refs import BackupId, ResourceRef, instance_ref
from incusbak.model.results import RestoreFact
from incusbak.repositories import open_repository
from incusbak.repositories.directory.repository import DirectoryRepository
from tests.samples import ARCHIVE, MOMENT, WEB, report_at, store

BACKUP = BackupId(WEB, "20260301T123000Z")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "repository"


@pytest.fixture
def repository(root: Path) -> DirectoryRepository:
    return DirectoryRepository(root)


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def folder_of(root: Path, backup: BackupId) -> Path:
    return root / "instances" / backup.ref.project / backup.ref.name / backup.timestamp


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


# -- addresses of repositories ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri", ["dir:/srv/backups", "/srv/backups", "dir:///srv/backups/", "dir:/srv/x/../backups"]
)
def test_the_uri_is_canonical(uri: str) -> None:
    assert open_repository(uri).uri == "dir:/srv/backups"


@pytest.mark.parametrize("uri", ["dir:backups", "backups", "./backups"])
def test_a_relative_path_is_to_the_present_folder(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert open_repository(uri).uri == f"dir:{tmp_path}/backups"


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown kind of repository 's3' \(known: dir:, restic:\)"):
        open_repository("s3:bucket")


@pytest.mark.parametrize("uri", ["", "dir:", "dir: ", "dir:/a\0b"])
def test_a_uri_without_a_place_is_refused(uri: str) -> None:
    with pytest.raises(UsageError):
        open_repository(uri)


# -- the repository itself --------------------------------------------------------------------------


def test_planning_makes_nothing(tmp_path: Path, repository: DirectoryRepository) -> None:
    repository.catalog()
    repository.secret()
    repository.restore_fact(WEB.address)
    with repository.lock(writing=False):
        pass

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("entry", ["lost+found", ".lock", ".staging", ".new-0123"])
def test_a_folder_with_nothing_but_our_own_things_is_empty(root: Path, entry: str) -> None:
    (root / entry).mkdir(parents=True)

    assert DirectoryRepository(root).catalog().repository_id == ""


@pytest.mark.parametrize("entry", ["notes.txt", ".bashrc", "instances", "runs"])
def test_a_folder_that_holds_other_things_is_refused(root: Path, entry: str) -> None:
    (root / entry).mkdir(parents=True)
    repository = DirectoryRepository(root)

    for attempt in (repository.catalog, lambda: store(repository), lambda: repository.manifest(BACKUP)):
        with pytest.raises(RepositoryMissing, match=re.escape(entry)):
            attempt()
    assert tree(root) == [entry]


def test_a_missing_parent_is_taken_for_a_disk_that_is_not_mounted(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "disk" / "backups")

    with pytest.raises(RepositoryMissing, match="disk is not there"):
        store(repository)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RepositoryMissing, match="not a folder"):
        DirectoryRepository(tmp_path / "file").catalog()


def test_a_repository_that_vanishes_in_mid_run_is_not_made_anew(
    root: Path, repository: DirectoryRepository
) -> None:
    store(repository)
    root.rename(root.parent / "unmounted")
    root.mkdir()

    with pytest.raises(RepositoryMissing, match="gone"):
        store(repository)
    assert tree(root) == []


def test_metadata_of_a_newer_format_needs_a_newer_version(
    root: Path, repository: DirectoryRepository
) -> None:
    store(repository)
    path = root / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 2, "new": "key"}))

    with pytest.raises(RepositoryError, match="says format 2") as caught:
        repository.catalog()
    assert caught.value.hint == "a newer incus-backup is needed"


@pytest.mark.parametrize("text", ["", "{}", "[]", "garbage"])
def test_damaged_metadata_is_not_replaced(root: Path, repository: DirectoryRepository, text: str) -> None:
    store(repository)
    (root / "metadata.json").write_text(text)

    with pytest.raises(Corrupt, match=r"metadata\.json"):
        store(repository)
    assert (root / "metadata.json").read_text() == text


# -- what lies on disk ------------------------------------------------------------------------------


def test_a_backup_lies_where_the_layout_says(root: Path, repository: DirectoryRepository) -> None:
    store(repository)

    assert [name for name in tree(root) if (root / name).is_file()] == [
        "instances/default/web/20260301T123000Z/checksums.txt",
        "instances/default/web/20260301T123000Z/export.tar.zst",
        "instances/default/web/20260301T123000Z/manifest.json",
        "metadata.json",
    ]


@pytest.mark.parametrize(
    ("ref", "folder"),
    [
        (ResourceRef("volume", name="data", project="shop", pool="fast"), "volumes/shop/fast/data"),
        (ResourceRef("image", name="abc"), "images/abc"),
        (ResourceRef("config"), "config"),
    ],
    ids=str,
)
def test_every_kind_has_its_folder(
    root: Path, repository: DirectoryRepository, ref: ResourceRef, folder: str
) -> None:
    store(repository, ref)

    assert (root / folder / "20260301T123000Z" / "manifest.json").is_file()


@pytest.mark.usefixtures("umask")
def test_everything_is_private_whatever_the_umask(root: Path, repository: DirectoryRepository) -> None:
    with repository.lock(writing=True):
        store(repository)
        repository.record(report_at(MOMENT), "{}\n", [])

    modes = {(path.is_dir(), path.stat().st_mode & 0o7777) for path in (root, *root.rglob("*"))}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_sha256sum_accepts_the_checksums(root: Path, repository: DirectoryRepository) -> None:
    folder = folder_of(root, store(repository))

    checked = subprocess.run(
        ["sha256sum", "--strict", "-c", "checksums.txt"], cwd=folder, capture_output=True, text=True
    )

    assert (checked.returncode, checked.stdout) == (0, "export.tar.zst: OK\nmanifest.json: OK\n")


def test_a_run_lies_under_the_time_it_finished(root: Path, repository: DirectoryRepository) -> None:
    repository.record(report_at(MOMENT), '{"plan": 1}\n', [])

    run = root / "runs" / "20260301T123000Z-01234567"
    assert (run / "plan.json").read_text() == '{"plan": 1}\n'
    assert json.loads((run / "report.json").read_text())["report"]["digest"] == "0123456789abcdef"


def test_old_reports_that_cannot_be_read_are_passed_over(root: Path, repository: DirectoryRepository) -> None:
    fact = RestoreFact(WEB.address, BACKUP.address, "uuid")
    repository.record(report_at(MOMENT), "{}\n", [fact])
    repository.record(report_at(MOMENT + timedelta(seconds=1)), "{}\n", [])
    (root / "runs" / "20260301T123001Z-01234567" / "report.json").write_text("garbage")

    assert repository.restore_fact(WEB.address) == fact


# -- what is not seen, and what does not remain -----------------------------------------------------


def test_a_failed_first_backup_leaves_only_the_repository(
    root: Path, repository: DirectoryRepository
) -> None:
    with repository.new_backup(WEB, MOMENT) as writer, writer.file(ARCHIVE) as file:
        file.write(b"archive")

    assert tree(root) == ["metadata.json"]


def test_deleting_the_last_backup_leaves_no_empty_folders(
    root: Path, repository: DirectoryRepository
) -> None:
    repository.remove(store(repository), MOMENT)

    left = [name for name in tree(root) if not name.startswith(("removed", ".reading"))]
    assert left == ["instances", "metadata.json"]


def test_a_parent_folder_shared_with_others_stays(repository: DirectoryRepository) -> None:
    stays = store(repository, instance_ref("default", "db"))
    repository.remove(store(repository), MOMENT)

    assert repository.catalog().backups == {stays.ref: (stays,)}


@pytest.mark.parametrize(
    "name",
    [
        "instances/default/web/20260301T123000",
        "instances/default/web/.hidden",
        "instances/default/web/notes",
        "instances/.git/web/20260301T123000Z",
        "instances/default/a\nb/20260301T123000Z",
        "strangers/default/web/20260301T123000Z",
        ".staging/0123",
        ".trash-0123/20260301T123000Z",
    ],
)
def test_foreign_and_hidden_names_are_no_backups(
    root: Path, repository: DirectoryRepository, name: str
) -> None:
    real = store(repository, instance_ref("default", "real"))
    (root / name).mkdir(parents=True)

    assert repository.catalog().backups == {real.ref: (real,)}


def test_a_file_named_like_a_backup_is_none(root: Path, repository: DirectoryRepository) -> None:
    real = store(repository)
    (folder_of(root, real).parent / "20270101T000000Z").touch()

    assert repository.catalog().of(WEB) == (real,)


def test_a_timestamp_taken_by_something_foreign_is_not_used(
    root: Path, repository: DirectoryRepository
) -> None:
    foreign = folder_of(root, BACKUP)
    store(repository, instance_ref("default", "db"))
    foreign.mkdir(parents=True)

    assert store(repository).created == MOMENT + timedelta(seconds=1)


@pytest.mark.parametrize("linked", ["instances/default/web", "instances/default", "instances"])
def test_links_out_of_the_repository_are_not_followed(
    tmp_path: Path, root: Path, repository: DirectoryRepository, linked: str
) -> None:
    backup = store(repository)
    (root / linked).rename(tmp_path / "outside")
    (root / linked).symlink_to(tmp_path / "outside")

    assert repository.catalog().backups == {}
    with pytest.raises(NoSuchBackup):
        repository.manifest(backup)
    with pytest.raises(RepositoryError):
        store(repository)
    repository.remove(backup, MOMENT)
    assert list((tmp_path / "outside").rglob(ARCHIVE)) != []


@pytest.mark.parametrize(
    "ref",
    [
        instance_ref("..", "web"),
        instance_ref("default", "../../web"),
        instance_ref("default", ""),
        instance_ref("default", "a\ud800b"),
        ResourceRef("network", name="br0", project="default"),
    ],
    ids=repr,
)
def test_names_never_reach_the_file_system_unchecked(
    root: Path, repository: DirectoryRepository, ref: ResourceRef
) -> None:
    backup = BackupId(ref, BACKUP.timestamp)
    for attempt in (
        repository.manifest,
        repository.undelete,
        repository.purge,
        repository.notes,
        lambda backup: repository.remove(backup, MOMENT),
        lambda backup: store(repository, backup.ref),
    ):
        with pytest.raises(RepositoryError):
            attempt(backup)
    assert not root.exists()


def test_a_name_that_must_not_be_a_folders_is_encoded(root: Path, repository: DirectoryRepository) -> None:
    backup = store(repository, instance_ref("default", ".a\nb"))
    assert (root / "encoded/instances/default/%2Ea%0Ab" / backup.timestamp / ARCHIVE).is_file()


def test_a_backup_without_a_timestamp_is_refused(repository: DirectoryRepository) -> None:
    with pytest.raises(RepositoryError, match="no timestamp"):
        repository.remove(BackupId(WEB, "../web"), MOMENT)
