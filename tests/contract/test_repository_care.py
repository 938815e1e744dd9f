"""``ports.Repository``: what becomes of backups over time: notes, pins, removal and its undoing."""

import re
from datetime import timedelta

import pytest
from attrs import evolve

from incusbak.errors import Corrupt, NoSuchBackup, RepositoryError
from incusbak.model.notes import UNKNOWN, BackupHealth, Inspection, Note, Rehearsal, Shrinkage
from incusbak.model.refs import BackupId
from incusbak.ports import Repository
from tests.contract.conftest import Place, content
from tests.samples import ARCHIVE, MOMENT, WEB, store

LATER = MOMENT + timedelta(days=1)
ABSENT = BackupId(WEB, "19990101T000000Z")
SECOND = timedelta(seconds=1)


# -- removal ------------------------------------------------------------------------------------------


def test_a_removed_backup_is_out_of_sight_and_the_others_stay(repository: Repository) -> None:
    gone, stays = store(repository), store(repository)

    repository.remove(gone, LATER)

    catalog = repository.catalog()
    assert (catalog.of(WEB), dict(catalog.removed)) == ((stays,), {gone: LATER})
    with pytest.raises(NoSuchBackup):
        repository.manifest(gone)


def test_what_backups_take_counts_until_they_are_gone_for_good(repository: Repository) -> None:
    assert repository.stored_bytes() == 0
    backup = store(repository, data=b"x" * 1000)
    one = repository.stored_bytes() or 0
    store(repository, data=b"x" * 1001)
    both = 2 * one + 1
    assert (repository.stored_bytes(), one > 1000) == (both, True)

    repository.remove(backup, LATER)
    assert repository.stored_bytes() == both
    repository.purge(backup)
    assert repository.stored_bytes() == one + 1


def test_removing_what_is_not_there_is_fine(repository: Repository) -> None:
    repository.remove(ABSENT, LATER)
    backup = store(repository)
    repository.remove(backup, LATER)
    repository.remove(backup, LATER + SECOND)

    assert dict(repository.catalog().removed) == {backup: LATER}


def test_a_removal_can_be_taken_back(place: Place) -> None:
    backup = store(place.open(""))
    place.open("").remove(backup, LATER)

    place.open("").undelete(backup)

    catalog = place.open("").catalog()
    assert (catalog.of(WEB), dict(catalog.removed)) == ((backup,), {})
    assert content(place.open(""), backup) == b"archive"


def test_what_was_not_removed_can_not_be_taken_back(repository: Repository) -> None:
    backup = store(repository)
    for there in (backup, ABSENT):
        with pytest.raises(NoSuchBackup, match="is not among the removed backups"):
            repository.undelete(there)


def test_a_removal_is_not_taken_back_over_a_backup_of_the_same_name(repository: Repository) -> None:
    backup = store(repository)
    repository.remove(backup, LATER)
    assert store(repository, data=b"other") == backup

    with pytest.raises(RepositoryError, match="is there already"):
        repository.undelete(backup)
    assert content(repository, backup) == b"other"


def test_what_is_purged_is_gone_for_good_with_its_notes(repository: Repository) -> None:
    backup = store(repository)
    repository.note(Inspection(backup, LATER))
    repository.remove(backup, LATER)

    repository.purge(backup)
    repository.purge(backup)

    catalog = repository.catalog()
    assert (dict(catalog.backups), dict(catalog.removed), dict(catalog.healths)) == ({}, {}, {})
    assert repository.notes(backup) == ()
    with pytest.raises(NoSuchBackup):
        repository.undelete(backup)


def test_how_rehearsals_went_is_known_after_their_backup_is_gone_for_good(repository: Repository) -> None:
    """It tells of the resource."""
    old, new = store(repository, at=MOMENT), store(repository, at=LATER)
    rehearsal = Rehearsal(old, LATER, "", 1.5, 0.25)
    repository.note(Inspection(old, LATER))
    repository.note(rehearsal)
    repository.remove(old, LATER)
    repository.purge(old)

    assert repository.notes(old) == (rehearsal,)
    catalog = repository.catalog()
    assert (catalog.of(WEB), catalog.rehearsed(WEB)) == ((new,), old)
    assert catalog.health(old) == BackupHealth(rehearsed=LATER)


def test_the_backup_that_was_rehearsed_last_need_not_be_the_newest(repository: Repository) -> None:
    old, new = store(repository, at=MOMENT), store(repository, at=LATER)
    assert repository.catalog().rehearsed(WEB) is None
    repository.note(Rehearsal(new, LATER))
    assert repository.catalog().rehearsed(WEB) == new
    repository.note(Rehearsal(old, LATER + SECOND, "does not boot"))
    assert repository.catalog().rehearsed(WEB) == old


def test_what_is_known_of_other_backups_outlives_one_that_is_purged(repository: Repository) -> None:
    old, new = store(repository, at=MOMENT), store(repository, at=LATER)
    for backup in (old, new):
        repository.note(Inspection(backup, LATER, "damaged"))
        repository.pin(backup, pinned=True)
    repository.pin(old, pinned=False)
    repository.remove(old, LATER)
    repository.purge(old)

    assert repository.notes(new) == (Inspection(new, LATER, "damaged"),)
    assert repository.catalog().health(new) == BackupHealth(True, LATER, True)


def test_purging_spares_what_was_not_removed(repository: Repository) -> None:
    backup = store(repository)
    repository.note(Inspection(backup, LATER))

    repository.purge(backup)

    assert repository.catalog().of(WEB) == (backup,)
    assert repository.notes(backup) == (Inspection(backup, LATER),)


# -- at first sight ------------------------------------------------------------------------------------


def test_a_glance_sees_that_a_file_is_missing(place: Place) -> None:
    backup, whole = store(place.open("")), store(place.open(""))
    place.open("").quick_check(backup)
    place.damage(backup, ARCHIVE, None)

    with pytest.raises(Corrupt, match=re.escape(str(backup))):
        place.open("").quick_check(backup)
    place.open("").quick_check(whole)
    with pytest.raises(NoSuchBackup):
        place.open("").quick_check(ABSENT)


# -- notes --------------------------------------------------------------------------------------------


def test_notes_come_back_oldest_first_as_they_were_given(place: Place) -> None:
    backup = store(place.open(""))
    notes: list[Note] = [
        Rehearsal(backup, LATER + SECOND, "", 1.5, 0.25),
        Inspection(backup, LATER, "export.tar.zst was changed"),
        Inspection(backup, MOMENT),
    ]
    for note in notes:
        place.open("").note(note)

    assert place.open("").notes(backup) == tuple(reversed(notes))


def test_the_catalog_tells_the_outcome_of_the_newest_notes(repository: Repository) -> None:
    backup, other = store(repository), store(repository)
    assert repository.catalog().health(backup) == UNKNOWN
    repository.note(Inspection(backup, MOMENT, "damaged"))
    repository.note(Rehearsal(backup, MOMENT, "does not boot"))
    assert repository.catalog().health(backup) == BackupHealth(False, MOMENT, True, MOMENT, True)
    repository.note(Inspection(backup, LATER))
    repository.note(Rehearsal(backup, LATER))

    assert repository.catalog().health(backup) == BackupHealth(False, LATER, False, LATER, False)
    assert repository.catalog().health(other) == UNKNOWN


def test_a_note_that_a_backup_shrank_stands_until_a_person_accepts_it(repository: Repository) -> None:
    backup = store(repository)
    repository.note(Shrinkage(backup, MOMENT, 5000, 0))
    repository.note(Inspection(backup, LATER))
    assert repository.catalog().health(backup) == BackupHealth(inspected=LATER, shrunk=True)
    repository.note(Shrinkage(backup, MOMENT, accepted=True))
    assert repository.catalog().health(backup) == BackupHealth(inspected=LATER)
    assert Shrinkage(backup, MOMENT, 5000, 0) in repository.notes(backup)


def test_of_two_notes_of_one_second_the_bad_one_counts(repository: Repository) -> None:
    backup = store(repository)
    repository.note(Inspection(backup, MOMENT))
    repository.note(Inspection(backup, MOMENT, "damaged"))

    assert repository.catalog().health(backup).damaged


def test_the_newest_backup_is_one_that_is_not_known_to_be_damaged(repository: Repository) -> None:
    old, new = store(repository, at=MOMENT), store(repository, at=LATER)
    repository.note(Inspection(new, LATER, "damaged"))
    assert repository.catalog().newest(WEB) == old
    repository.note(Inspection(new, LATER + SECOND))
    assert repository.catalog().newest(WEB) == new


# -- pins ---------------------------------------------------------------------------------------------


def test_a_backup_is_pinned_until_it_is_no_longer(place: Place) -> None:
    backup = store(place.open(""))
    for pinned in (True, True, False, False, True):
        place.open("").pin(backup, pinned=pinned)
        assert place.open("").catalog().health(backup).pinned is pinned


def test_only_what_is_there_can_be_pinned(place: Place, repository: Repository) -> None:
    with pytest.raises(NoSuchBackup):
        repository.pin(ABSENT, pinned=True)
    backup = store(repository)
    place.damage(backup, "manifest.json", b"garbage")
    with pytest.raises(Corrupt):
        repository.pin(backup, pinned=True)


def test_a_pin_is_no_verdict(repository: Repository) -> None:
    backup = store(repository)
    repository.note(Inspection(backup, MOMENT))
    repository.pin(backup, pinned=True)
    assert repository.catalog().health(backup) == BackupHealth(True, MOMENT, False, None, False)
    repository.pin(backup, pinned=False)
    assert repository.catalog().health(backup) == BackupHealth(False, MOMENT, False, None, False)


def test_the_catalog_tells_what_is_dated_later_than_now(repository: Repository) -> None:
    real, late = store(repository), store(repository, at=LATER)
    assert repository.catalog().newest(WEB) == late

    catalog = repository.catalog(MOMENT)
    assert (catalog.of(WEB), catalog.ahead(WEB), catalog.newest(WEB)) == ((real, late), (late,), real)
    assert repository.catalog(LATER - 5 * 60 * SECOND).ahead(WEB) == ()


@pytest.mark.parametrize(
    ("notes", "health"),
    [
        ((Inspection(ABSENT, LATER), Rehearsal(ABSENT, LATER)), UNKNOWN),
        (
            (Inspection(ABSENT, LATER, "cut"), Rehearsal(ABSENT, LATER, "no")),
            BackupHealth(damaged=True, unfit=True),
        ),
        (
            (Inspection(ABSENT, MOMENT, "cut"), Inspection(ABSENT, LATER)),
            BackupHealth(inspected=MOMENT, damaged=True),
        ),
        ((Inspection(ABSENT, MOMENT), Inspection(ABSENT, LATER, "cut")), BackupHealth(inspected=MOMENT)),
    ],
)
def test_a_note_of_the_future_proves_nothing_good_and_no_other_is_overtaken_by_it(
    repository: Repository, notes: tuple[Note, ...], health: BackupHealth
) -> None:
    backup = store(repository)
    for note in notes:
        repository.note(evolve(note, backup=backup))
    assert repository.catalog(MOMENT).health(backup) == health
