"""Next to nothing replaces nothing, unless a person says so."""

import threading
from datetime import timedelta
from typing import cast

import pytest
from attrs import evolve

from incusbak.engine.execution.copy import transfer
from incusbak.engine.execution.remove import remove
from incusbak.engine.planning.shrinkage import (
    check_removal,
    has_shrunk,
    own_bytes,
    shrinkage_warnings,
    what_shrank,
)
from incusbak.engine.planning.validation import Known, flaws
from incusbak.engine.retention import SHRANK, retention_of
from incusbak.engine.selection.versions import find_source
from incusbak.errors import Blocked
from incusbak.model.actions import Copy, Kept, Prune
from incusbak.model.backups import RepositoryIdentity, catalog_of
from incusbak.model.goals import Rehearsed, Restored, RestoreOptions, Retained
from incusbak.model.notes import BackupHealth, Shrinkage
from incusbak.model.plans import Hazard
from incusbak.model.policies import Exactly, IfPresent, Keep, Latest
from incusbak.model.refs import BackupId, format_timestamp
from incusbak.ports import KindContext
from tests.fakes import Disk, MemoryRepository
from tests.samples import MOMENT, WEB, manifest_of, store
from tests.unit.test_removing import Listener
from tests.unit.toys import resource
from tests.unit.worlds import plan, restored, world

HOUR = timedelta(hours=1)
MIB = 1 << 20
BACKUPS = [BackupId(WEB, format_timestamp(MOMENT + n * HOUR)) for n in range(5)]
SHRUNK = BackupHealth(shrunk=True)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (1, 0, True),
        (0, 0, False),
        (MIB, 100, True),
        (MIB, MIB // 10, False),
        (MIB - 1, 100, False),  # little may become less
        (1 << 40, 1 << 30, True),
        (None, 0, False),
        (5, None, False),
    ],
)
def test_what_is_nothing_or_less_than_a_twentieth_of_much_has_shrunk(
    before: int | None, now: int | None, expected: bool
) -> None:
    assert has_shrunk(before, now) is expected


def test_of_backups_of_older_versions_the_archive_tells_as_far_as_it_can() -> None:
    old = manifest_of(BACKUPS[0], ())
    for changes, expected in (
        ({"content_bytes": 3 * MIB}, 3 * MIB),
        ({"content_bytes": 10240}, None),  # that much an archive of nothing takes
        ({"content_bytes": 3 * MIB, "snapshots": ({"name": "s"},)}, None),
        ({"content_bytes": 3 * MIB, "own_bytes": 0}, 0),
    ):
        assert own_bytes(evolve(old, captured=evolve(old.captured, **changes))) == expected


def test_what_holds_more_is_kept_while_nobody_agreed() -> None:
    healths = {BACKUPS[3]: SHRUNK, BACKUPS[4]: SHRUNK}
    goal = Retained(WEB, Keep(last=1))
    held = retention_of(goal, catalog_of("r", BACKUPS, healths=healths))
    assert held.remove == (BACKUPS[3],)
    assert [kept.reasons for kept in held.keep] == [*[(SHRANK,)] * 3, ("last",)]
    full_again = catalog_of("r", BACKUPS, healths={BACKUPS[3]: SHRUNK})
    assert retention_of(goal, full_again).remove == (*BACKUPS[:4],)


def test_a_damaged_one_is_kept_where_nothing_else_holds_more() -> None:
    """It may be read in part; and that it is damaged agrees to nothing."""
    lost = {backup: BackupHealth(damaged=True) for backup in BACKUPS[:2]}
    catalog = catalog_of("r", BACKUPS[:3], healths={**lost, BACKUPS[2]: SHRUNK})
    assert catalog.doubted(WEB) == (BACKUPS[2],)
    found = retention_of(Retained(WEB, Keep(last=1)), catalog)
    assert [(kept.backup, kept.reasons) for kept in found.keep] == [
        *((backup, (SHRANK,)) for backup in BACKUPS[:2]),
        (BACKUPS[2], ("last",)),
    ]
    check_removal(found.remove, WEB, catalog)
    with pytest.raises(Blocked, match="nothing that holds more is removed"):
        check_removal(BACKUPS[:1], WEB, catalog)
    [told] = shrinkage_warnings([Retained(WEB, Keep(last=1))], catalog)
    assert f"incus-backup accept {BACKUPS[2]}" in told


def test_a_damaged_one_goes_where_a_good_one_holds_more() -> None:
    catalog = catalog_of(
        "r", BACKUPS[:3], healths={BACKUPS[0]: BackupHealth(damaged=True), BACKUPS[2]: SHRUNK}
    )
    found = retention_of(Retained(WEB, Keep(last=1)), catalog)
    assert found.remove == (BACKUPS[0],)
    check_removal(found.remove, WEB, catalog)


def test_a_new_one_is_measured_by_a_damaged_one_where_there_is_no_other() -> None:
    lost = {backup: BackupHealth(damaged=True) for backup in BACKUPS[:2]}
    assert catalog_of("r", BACKUPS[:2], healths=lost).yardstick(WEB) == BACKUPS[1]
    assert catalog_of("r", BACKUPS[:3], healths={**lost, NEW: SHRUNK}).yardstick(WEB) == BACKUPS[2]
    assert catalog_of("r", BACKUPS[:2], healths={BACKUPS[1]: SHRUNK}).yardstick(WEB) == BACKUPS[0]
    assert catalog_of("r", (), healths={}).yardstick(WEB) is None


def test_it_is_kept_as_well_while_the_next_backup_is_still_to_be_made() -> None:
    catalog = catalog_of("r", BACKUPS[:3], healths={BACKUPS[2]: SHRUNK})
    found = retention_of(Retained(WEB, Keep(last=1)), catalog, to_come=frozenset({BACKUPS[4]}))
    assert [kept.backup for kept in found.keep] == BACKUPS[:2]


def test_plans_tell_what_is_kept_for_it_and_what_a_restore_brings_back() -> None:
    catalog = catalog_of("r", BACKUPS, healths={BACKUPS[4]: SHRUNK})
    restored = Restored(WEB, BACKUPS[4], IfPresent.FAIL, RestoreOptions())
    [kept, brought] = shrinkage_warnings([Retained(WEB, Keep(last=1)), restored], catalog)
    assert f"incus-backup accept {BACKUPS[4]}" in kept
    assert brought == f"{BACKUPS[4]} holds next to nothing; {BACKUPS[3].timestamp} holds more"
    full = evolve(restored, source=BACKUPS[3])
    assert list(shrinkage_warnings([full], catalog)) == []


OLD, NEW = BACKUPS[3], BACKUPS[4]
EMPTIED = catalog_of("r", BACKUPS, healths={NEW: SHRUNK})


@pytest.mark.parametrize("version", [Latest(), Latest(NEW.created), Latest(NEW.created + HOUR)])
def test_what_holds_next_to_nothing_is_passed_over_for_the_last_that_holds_more(version: Latest) -> None:
    """Whoever restores wants back what there was; an empty volume is what a missing disk looks like."""
    assert find_source(WEB, version, EMPTIED) == OLD
    goal = Restored(WEB, OLD, IfPresent.REPLACE, RestoreOptions(), version=version)
    [told] = shrinkage_warnings([goal], EMPTIED)
    assert told == (
        f"{NEW} holds next to nothing, while earlier ones hold more; {OLD.timestamp} is taken; "
        f"`incus-backup restore instance web --version {NEW.timestamp}` takes it all the same"
    )
    assert list(shrinkage_warnings([evolve(goal, version=Latest(OLD.created))], EMPTIED)) == []


def test_a_rehearsal_that_passes_it_over_says_so_too() -> None:
    [told] = shrinkage_warnings([Rehearsed(WEB, None, (), 60, OLD)], EMPTIED)
    assert told.endswith(f"{OLD.timestamp} is rehearsed")
    assert list(shrinkage_warnings([Rehearsed(WEB, None, (), 60, NEW)], EMPTIED)) == []


def test_it_is_taken_where_it_is_named_or_all_there_is_or_agreed_to() -> None:
    damaged = {backup: BackupHealth(damaged=True) for backup in BACKUPS[:4]}
    assert find_source(WEB, Exactly(NEW.timestamp), EMPTIED) == NEW
    assert find_source(WEB, Latest(), catalog_of("r", BACKUPS, healths={**damaged, NEW: SHRUNK})) == NEW
    assert find_source(WEB, Latest(), catalog_of("r", BACKUPS)) == NEW


def test_to_put_next_to_nothing_in_place_of_what_lives_is_a_hazard_of_its_own() -> None:
    living = resource(WEB, note="since")
    for healths, hazards in (({NEW: SHRUNK}, [Hazard.LOSES_CONTENT]), ({}, [])):
        there = world(living, backups=(OLD, NEW))
        there = evolve(there, catalog=catalog_of("r", (OLD, NEW), healths=healths))
        [step] = plan([restored(WEB, NEW)], there).steps
        assert [each for each in step.hazards if each is Hazard.LOSES_CONTENT] == hazards
        assert list(flaws(plan([restored(WEB, NEW)], there), Known(there.kinds, {}))) == []


def test_its_words_name_sizes_that_are_not_nothing() -> None:
    assert what_shrank(4096, 0) == "it holds 0 B, the one before 4.0 KiB"


def test_a_removal_that_was_planned_before_is_not_carried_out() -> None:
    disk = Disk()
    old, new = (store(MemoryRepository(disk), at=MOMENT + n * HOUR) for n in (0, 1))
    repository, tools = MemoryRepository(disk), cast(KindContext, Listener(threading.Event()))
    repository.note(Shrinkage(new, MOMENT, 5000, 0))
    with pytest.raises(Blocked, match="holds next to nothing"):
        remove(Prune(WEB, (old,), (Kept(new, ("last",)),)), tools, repository)
    assert repository.catalog().of(WEB) == (old, new)
    repository.note(Shrinkage(new, MOMENT + HOUR, accepted=True))
    with repository.lock(writing=True):
        remove(Prune(WEB, (old,), (Kept(new, ("last",)),)), tools, repository)
    assert repository.catalog().of(WEB) == (new,)


def test_a_copy_is_doubted_as_well() -> None:
    source, target = MemoryRepository(Disk()), MemoryRepository(Disk())
    old, new = (store(source, at=MOMENT + n * HOUR) for n in (0, 1))
    source.note(Shrinkage(new, MOMENT, 5000, 0))
    action = Copy(WEB, (old, new), RepositoryIdentity("id", "dir:/other"))
    with target.lock(writing=True):
        transfer(action, cast(KindContext, Listener(threading.Event())), source, target)
    assert target.catalog().doubted(WEB) == (new,)
