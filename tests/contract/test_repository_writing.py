"""``ports.Repository``: backups are written whole or not at all, deleted, and runs are recorded."""

import threading
from datetime import timedelta

import pytest

from incusbak.errors import RepositoryError
from incusbak.model.notes import BackupHealth, Inspection
from incusbak.model.refs import BackupId, ResourceRef, instance_ref
from incusbak.model.results import RestoreFact
from incusbak.ports import BackupWriter, Repository
from tests.contract.conftest import Place, content
from tests.samples import ARCHIVE, MOMENT, WEB, manifest_of, report_at, store

SECOND = timedelta(seconds=1)
STRANGELY_NAMED = [
    *(ResourceRef("volume", name=n, project="default", pool="fast") for n in (".hid", "a\tb", "\t" * 240)),
    ResourceRef("volume", name="data", project=".a\nb", pool="a\0b"),
    ResourceRef("volume", name="data", project="a%0Ab", pool="%2E"),
    ResourceRef("volume", name="a\u202eb@20260101T000000Z", project="default", pool="日本 "),
]
"""As servers take them, which is not as they may be names of files."""


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
        *STRANGELY_NAMED,
    ],
    ids=ascii,
)
def test_backups_of_every_kind_are_kept(repository: Repository, ref: ResourceRef) -> None:
    backup = store(repository, ref)

    assert repository.catalog().of(ref) == (backup,)
    assert content(repository, backup) == b"archive"


def test_what_is_strangely_named_is_cared_for_as_anything_else(place: Place, repository: Repository) -> None:
    backups = [store(repository, ref) for ref in STRANGELY_NAMED]
    kept, removed, purged = backups[:3]

    with repository.lock(writing=True):
        repository.pin(kept, pinned=True)
        repository.note(Inspection(kept, MOMENT))
        for backup in (removed, purged):
            repository.remove(backup, MOMENT)
        repository.purge(purged)

    catalog = place.open("").catalog()
    assert catalog.health(kept) == BackupHealth(pinned=True, inspected=MOMENT)
    assert set(catalog.removed) == {removed}
    assert {*catalog.backups} == {backup.ref for backup in backups} - {removed.ref, purged.ref}
    repository.undelete(removed)
    assert place.open("").catalog().of(removed.ref) == (removed,)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../etc", "a\ud800"], ids=ascii)
def test_what_no_server_can_be_asked_for_is_refused(repository: Repository, name: str) -> None:
    ref = ResourceRef("volume", name=name, project="default", pool="fast")
    with pytest.raises(RepositoryError), repository.new_backup(ref, MOMENT):
        pass


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


def test_reports_of_runs_come_newest_first_as_far_back_as_is_asked(
    place: Place, repository: Repository
) -> None:
    assert list(repository.reports(MOMENT)) == []
    runs = [report_at(MOMENT + n * SECOND) for n in range(4)]
    for run in runs:
        repository.record(run, "{}\n", [])
    assert list(place.open("").reports(MOMENT)) == [runs[3], runs[2], runs[1]]
