"""``ports.Repository``: what every place for backups promises."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import frozen

from incusbak.durable import CHUNK_BYTES
from incusbak.errors import Corrupt, NoSuchBackup, RepositoryError, RepositoryLocked, RepositoryMissing
from incusbak.model.refs import BackupId, ResourceRef, instance_ref
from incusbak.model.results import Moved, Phased, RestoreFact, StepEvent
from incusbak.ports import BackupWriter, Repository
from incusbak.repositories import open_repository
from tests.fakes import Disk, MemoryRepository
from tests.samples import ARCHIVE, MOMENT, WEB, manifest_of, report_at, store

SECOND = timedelta(seconds=1)


@frozen
class Place:
    """A place for one repository.

    ``open`` gives what another process would have, ``unusable`` one that is not mounted; ``damage`` changes
    a stored file (None: removes it).
    """

    open: Callable[[str], Repository]
    unusable: Callable[[], Repository]
    damage: Callable[[BackupId, str, bytes | None], None]


@pytest.fixture(params=["memory", "dir"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        disk = Disk()
        return Place(
            open=lambda command: MemoryRepository(disk, command=command),
            unusable=lambda: MemoryRepository(Disk(usable=False)),
            damage=MemoryRepository(disk).damage,
        )
    root = tmp_path / "repository"

    def damage(backup: BackupId, name: str, data: bytes | None) -> None:
        path = root / "instances" / backup.ref.project / backup.ref.name / backup.timestamp / name
        path.unlink() if data is None else path.write_bytes(data)

    return Place(
        open=lambda command: open_repository(f"dir:{root}", command=command),
        unusable=lambda: open_repository(f"dir:{tmp_path}/not/mounted"),
        damage=damage,
    )


@pytest.fixture
def repository(place: Place) -> Repository:
    return place.open("")


def content(repository: Repository, backup: BackupId, name: str = ARCHIVE) -> bytes:
    with repository.open_file(backup, name) as chunks:
        return b"".join(chunks)


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

    assert told == [Phased(f"checking {backup}"), Moved(CHUNK_BYTES), Moved(CHUNK_BYTES), Moved(1)]


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


def write_half(writer: BackupWriter) -> None:
    with writer.file(ARCHIVE) as file:
        file.write(b"half of")
        raise ZeroDivisionError


# -- writing ----------------------------------------------------------------------------------------


def test_nobody_sees_a_backup_before_it_is_committed(place: Place, repository: Repository) -> None:
    with repository.new_backup(WEB, MOMENT) as writer, writer.file(ARCHIVE) as file:
        file.write(b"archive")

        assert place.open("").catalog().of(WEB) == ()


def test_a_committed_backup_is_seen_at_once(place: Place, repository: Repository) -> None:
    with repository.new_backup(WEB, MOMENT) as writer:
        writer.commit(manifest_of(writer.id, ()))

        assert place.open("").catalog().of(WEB) == (writer.id,)


def test_nothing_remains_of_a_backup_left_uncommitted(repository: Repository) -> None:
    with repository.new_backup(WEB, MOMENT) as writer, writer.file(ARCHIVE) as file:
        file.write(b"archive")

    assert repository.catalog().backups == {}


def test_nothing_remains_of_a_backup_that_failed(repository: Repository) -> None:
    with pytest.raises(ZeroDivisionError), repository.new_backup(WEB, MOMENT) as writer:
        write_half(writer)

    assert repository.catalog().backups == {}


def test_a_backup_may_hold_several_files(repository: Repository) -> None:
    with repository.new_backup(WEB, MOMENT) as writer:
        for name in ("b.json", "a.json"):
            with writer.file(name) as file:
                file.write(name.encode())
        writer.commit(manifest_of(writer.id, writer.files))

    assert [content(repository, writer.id, name) for name in ("a.json", "b.json")] == [b"a.json", b"b.json"]


def test_a_file_that_failed_is_no_file_of_the_backup(repository: Repository) -> None:
    with repository.new_backup(WEB, MOMENT) as writer:
        with pytest.raises(ZeroDivisionError):
            write_half(writer)
        with writer.file(ARCHIVE) as file:
            file.write(b"archive")
        writer.commit(manifest_of(writer.id, writer.files))

    assert content(repository, writer.id) == b"archive"


@pytest.mark.parametrize("name", ["manifest.json", "a/b", "../a", ".hidden"])
def test_some_names_are_refused_for_files(repository: Repository, name: str) -> None:
    with repository.new_backup(WEB, MOMENT) as writer, pytest.raises(RepositoryError), writer.file(name):
        pass


def test_a_name_is_given_to_one_file_only(repository: Repository) -> None:
    with repository.new_backup(WEB, MOMENT) as writer:
        with writer.file(ARCHIVE):
            pass
        with pytest.raises(RepositoryError), writer.file(ARCHIVE):
            pass


def test_a_manifest_of_something_else_is_not_committed(repository: Repository) -> None:
    with repository.new_backup(WEB, MOMENT) as writer:
        other = manifest_of(BackupId(instance_ref("default", "db"), writer.id.timestamp), ())
        with pytest.raises(RepositoryError):
            writer.commit(other)

    assert repository.catalog().backups == {}


def test_two_backups_in_one_second_get_two_timestamps(repository: Repository) -> None:
    first, second = store(repository), store(repository)

    assert [first.created, second.created] == [MOMENT, MOMENT + SECOND]


def test_a_timestamp_is_taken_while_its_backup_is_being_written(repository: Repository) -> None:
    with repository.new_backup(WEB, MOMENT) as first, repository.new_backup(WEB, MOMENT) as second:
        assert [first.id.created, second.id.created] == [MOMENT, MOMENT + SECOND]


def test_a_timestamp_is_free_again_when_its_backup_was_left_uncommitted(repository: Repository) -> None:
    with repository.new_backup(WEB, MOMENT):
        pass

    assert store(repository).created == MOMENT


def test_backups_of_two_resources_share_a_timestamp(repository: Repository) -> None:
    other = instance_ref("shop", "web")

    assert store(repository).timestamp == store(repository, other).timestamp


def test_threads_that_write_at_once_get_a_timestamp_each(repository: Repository) -> None:
    made: list[BackupId] = []
    threads = [threading.Thread(target=lambda: made.append(store(repository))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert tuple(sorted(made)) == repository.catalog().of(WEB)
    assert len(set(made)) == 12


@pytest.mark.parametrize(
    "ref",
    [
        ResourceRef("volume", name="data", project="default", pool="fast"),
        ResourceRef("image", name="a" * 64),
        ResourceRef("config"),
    ],
    ids=str,
)
def test_backups_of_every_kind_are_kept(repository: Repository, ref: ResourceRef) -> None:
    backup = store(repository, ref)

    assert repository.catalog().of(ref) == (backup,)
    assert content(repository, backup) == b"archive"


# -- deleting ---------------------------------------------------------------------------------------


def test_a_deleted_backup_is_gone_and_the_others_stay(repository: Repository) -> None:
    gone, stays = store(repository), store(repository)

    repository.delete(gone)

    assert repository.catalog().of(WEB) == (stays,)


def test_deleting_what_is_not_there_is_fine(repository: Repository) -> None:
    repository.delete(BackupId(WEB, "19990101T000000Z"))
    backup = store(repository)
    repository.delete(backup)
    repository.delete(backup)

    assert repository.catalog().of(WEB) == ()


# -- runs -------------------------------------------------------------------------------------------


def fact(source: str, address: str = "instance/default/web") -> RestoreFact:
    return RestoreFact(address=address, source=source, identity="uuid")


def test_an_address_never_restored_has_no_fact(repository: Repository) -> None:
    repository.record(report_at(MOMENT), "{}\n", [fact("a@1", "instance/default/other")])

    assert repository.restore_fact("instance/default/web") is None


def test_there_is_no_fact_while_there_is_no_repository(repository: Repository) -> None:
    assert repository.restore_fact("instance/default/web") is None


def test_the_newest_restore_of_an_address_is_known_to_all(place: Place, repository: Repository) -> None:
    repository.record(report_at(MOMENT), "{}\n", [fact("a@1")])
    repository.record(report_at(MOMENT + SECOND), "{}\n", [fact("a@2"), fact("b@1", "instance/default/b")])
    repository.record(report_at(MOMENT + 2 * SECOND), "{}\n", [])

    assert place.open("").restore_fact("instance/default/web") == fact("a@2")


def test_runs_in_one_second_are_kept_in_their_order(place: Place, repository: Repository) -> None:
    for number, digest in enumerate(("f" * 64, "a" * 64, "f" * 64)):
        repository.record(report_at(MOMENT, digest=digest), "{}\n", [fact(f"a@{number}")])

    assert place.open("").restore_fact("instance/default/web") == fact("a@2")


def test_recording_makes_the_repository(place: Place, repository: Repository) -> None:
    repository.record(report_at(MOMENT), "{}\n", [])

    assert place.open("").catalog().repository_id != ""


# -- locks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exclusive", [True, False])
def test_an_exclusive_lock_refuses_every_other(place: Place, exclusive: bool) -> None:
    with (
        place.open("").lock(exclusive=True),
        pytest.raises(RepositoryLocked),
        place.open("").lock(exclusive=exclusive),
    ):
        pass


def test_an_exclusive_lock_is_refused_beside_a_reader(place: Place) -> None:
    store(place.open(""))
    with (
        place.open("").lock(exclusive=False),
        pytest.raises(RepositoryLocked),
        place.open("").lock(exclusive=True),
    ):
        pass


def test_readers_hold_the_repository_together(place: Place) -> None:
    store(place.open(""))
    with place.open("").lock(exclusive=False), place.open("").lock(exclusive=False):
        pass


def test_a_refusal_says_who_holds_it_and_since_when(place: Place) -> None:
    with (
        place.open("incus-backup backup all").lock(exclusive=True),
        pytest.raises(RepositoryLocked, match=r"`incus-backup backup all` \(pid \d+ on .+\).* since 20"),
        place.open("").lock(exclusive=True),
    ):
        pass


def test_a_lock_is_free_once_it_was_left_even_by_an_error(place: Place) -> None:
    with pytest.raises(ZeroDivisionError), place.open("").lock(exclusive=True):
        raise ZeroDivisionError
    with place.open("").lock(exclusive=True):
        pass


@pytest.mark.parametrize("exclusive", [True, False])
def test_waiting_for_a_lock_gets_it_when_it_is_freed(place: Place, exclusive: bool) -> None:
    held = threading.Event()

    def hold_for_a_moment() -> None:
        with place.open("").lock(exclusive=True):
            held.set()
            time.sleep(0.3)

    holder = threading.Thread(target=hold_for_a_moment)
    holder.start()
    held.wait()
    with place.open("").lock(exclusive=exclusive, wait_seconds=30):
        pass
    holder.join()


def test_waiting_for_a_lock_ends(place: Place) -> None:
    begin = time.monotonic()
    with (
        place.open("").lock(exclusive=True),
        pytest.raises(RepositoryLocked),
        place.open("").lock(exclusive=True, wait_seconds=0.3),
    ):
        pass

    assert 0.3 <= time.monotonic() - begin < 10


def test_the_exclusive_lock_makes_the_repository(place: Place) -> None:
    with place.open("").lock(exclusive=True):
        assert place.open("").catalog().repository_id != ""


def test_a_shared_lock_makes_nothing(place: Place) -> None:
    with place.open("").lock(exclusive=False):
        assert place.open("").catalog().repository_id == ""


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_place_where_no_repository_may_be_is_not_locked(place: Place, exclusive: bool) -> None:
    with pytest.raises(RepositoryMissing), place.unusable().lock(exclusive=exclusive):
        pass


def test_backups_are_made_and_read_under_the_exclusive_lock(repository: Repository) -> None:
    with repository.lock(exclusive=True):
        assert content(repository, store(repository)) == b"archive"
