"""``ports.Repository``: catalog, manifests and stored files, as every place for backups promises."""

from datetime import timedelta

import pytest

from incusbak.durable import CHUNK_BYTES
from incusbak.errors import Corrupt, NoSuchBackup, RepositoryError, RepositoryMissing
from incusbak.model.refs import BackupId
from incusbak.model.results import Phased, StepEvent, Transferred
from incusbak.ports import Repository
from tests.contract.conftest import Place, content
from tests.samples import ARCHIVE, MOMENT, WEB, manifest_of, store

SECOND = timedelta(seconds=1)


def ignore(event: StepEvent) -> None:
    """Take no note."""


# -- catalog and identity ---------------------------------------------------------------------------


def test_uri_is_the_same_for_all_who_open_it(place: Place) -> None:
    assert place.open("a").uri == place.open("b").uri


def test_catalog_is_empty_while_there_is_no_repository(repository: Repository) -> None:
    catalog = repository.catalog()

    assert (catalog.repository_id, dict(catalog.backups)) == ("", {})


def test_catalog_lists_backups_oldest_first(repository: Repository) -> None:
    newer = store(repository, at=MOMENT + SECOND)
    older = store(repository, at=MOMENT - SECOND)

    assert repository.catalog().of(WEB) == (older, newer)


def test_catalog_knows_the_repository_once_it_is_made(place: Place) -> None:
    store(place.open(""))

    identities = {place.open("").catalog().repository_id for _ in range(2)}

    assert len(identities) == 1
    assert "" not in identities


def test_catalog_refuses_a_place_where_none_may_be_made(place: Place) -> None:
    with pytest.raises(RepositoryMissing):
        place.unusable().catalog()


def test_backups_are_not_made_where_no_repository_may_be(place: Place) -> None:
    with pytest.raises(RepositoryMissing), place.unusable().new_backup(WEB, MOMENT):
        pass


def test_catalog_reads_no_manifest(place: Place, repository: Repository) -> None:
    backup = store(repository)
    place.damage(backup, "manifest.json", b"garbage")

    assert repository.catalog().of(WEB) == (backup,)


def test_secret_is_constant_per_repository(place: Place) -> None:
    before_it_was_made = place.open("")
    secret = before_it_was_made.secret()
    store(before_it_was_made)

    assert [place.open("").secret(), before_it_was_made.secret()] == [secret, secret]


def test_secret_is_long_enough_for_a_key(repository: Repository) -> None:
    assert len(repository.secret()) >= 32


# -- manifests --------------------------------------------------------------------------------------


def test_manifest_comes_back_as_it_was_committed(repository: Repository) -> None:
    with repository.new_backup(WEB, MOMENT) as writer:
        with writer.file(ARCHIVE) as file:
            file.write(b"archive")
        committed = manifest_of(writer.id, writer.files)
        writer.commit(committed)

    assert repository.manifest(writer.id).manifest == committed


def test_manifest_hash_is_the_same_for_all_who_read_it(place: Place) -> None:
    backup = store(place.open(""))

    assert place.open("").manifest(backup) == place.open("").manifest(backup)


def test_manifest_of_a_backup_that_is_not_there(repository: Repository) -> None:
    store(repository)
    absent = BackupId(WEB, "19990101T000000Z")

    with pytest.raises(NoSuchBackup, match="instance/default/web@19990101T000000Z"):
        repository.manifest(absent)


@pytest.mark.parametrize("data", [None, b"", b"{}", b"garbage"])
def test_manifest_that_is_not_as_written_is_corrupt(
    place: Place, repository: Repository, data: bytes | None
) -> None:
    backup = store(repository)
    place.damage(backup, "manifest.json", data)

    with pytest.raises(Corrupt, match=r"instance/default/web@20260301T123000Z.*manifest\.json"):
        repository.manifest(backup)


# -- checking and reading ---------------------------------------------------------------------------


def test_check_accepts_what_was_written(repository: Repository) -> None:
    repository.check(store(repository), ignore)


@pytest.mark.parametrize("data", [None, b"", b"archiv", b"Archive", b"archive+"])
def test_check_names_the_file_that_is_missing_cut_or_changed(
    place: Place, repository: Repository, data: bytes | None
) -> None:
    backup = store(repository)
    place.damage(backup, ARCHIVE, data)

    with pytest.raises(Corrupt, match=r"instance/default/web@20260301T123000Z.*export\.tar\.zst"):
        repository.check(backup, ignore)


def test_check_of_a_backup_that_is_not_there(repository: Repository) -> None:
    with pytest.raises(NoSuchBackup):
        repository.check(BackupId(WEB, "19990101T000000Z"), ignore)


def test_check_tells_how_far_it_is(repository: Repository) -> None:
    backup = store(repository, data=bytes(2 * CHUNK_BYTES + 1))
    told: list[StepEvent] = []

    repository.check(backup, told.append)

    assert told == [
        Phased(f"checking {backup}"),
        Transferred(CHUNK_BYTES),
        Transferred(CHUNK_BYTES),
        Transferred(1),
    ]


def test_open_file_streams_what_was_written(repository: Repository) -> None:
    data = bytes(range(256)) * 5000

    assert content(repository, store(repository, data=data)) == data


def test_an_empty_file_is_a_file(repository: Repository) -> None:
    assert content(repository, store(repository, data=b"")) == b""


@pytest.mark.parametrize("data", [b"", b"archiv", b"Archive", b"archive+"])
def test_open_file_raises_before_the_end_when_bytes_changed(
    place: Place, repository: Repository, data: bytes
) -> None:
    backup = store(repository)
    place.damage(backup, ARCHIVE, data)

    with pytest.raises(Corrupt, match="export"):
        content(repository, backup)


def test_open_file_of_a_backup_that_is_not_there(repository: Repository) -> None:
    with pytest.raises(NoSuchBackup):
        content(repository, BackupId(WEB, "19990101T000000Z"))


def test_open_file_knows_only_the_files_of_the_manifest(repository: Repository) -> None:
    with pytest.raises(RepositoryError, match="other"):
        content(repository, store(repository), "other")


def test_what_fits_is_a_number_or_unknown(repository: Repository) -> None:
    before = repository.free_bytes()
    store(repository)
    for free in (before, repository.free_bytes()):
        assert free is None or free > 0
