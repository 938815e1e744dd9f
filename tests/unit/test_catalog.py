"""What a catalog tells of the backups of a resource."""

from datetime import timedelta

from incusbak.model.backups import catalog_of
from incusbak.model.notes import BackupHealth
from incusbak.model.refs import BackupId, format_timestamp, instance_ref
from tests.samples import MOMENT, WEB

DB = instance_ref("default", "db")
HOUR = timedelta(hours=1)
OLD, NEW, DB_OLD = (
    BackupId(ref, format_timestamp(at)) for ref, at in ((WEB, MOMENT), (WEB, MOMENT + HOUR), (DB, MOMENT))
)


def test_backups_are_told_by_resource_and_oldest_first() -> None:
    catalog = catalog_of("r", [NEW, DB_OLD, OLD])
    assert list(catalog.backups.items()) == [(DB, (DB_OLD,)), (WEB, (OLD, NEW))]


def test_the_newest_is_the_last_that_is_not_damaged_and_not_too_late() -> None:
    catalog = catalog_of("r", [NEW, OLD])
    assert catalog.newest(WEB) == NEW
    assert catalog.newest(WEB, not_after=MOMENT) == OLD
    assert catalog.newest(WEB, not_after=MOMENT - HOUR) is None
    assert catalog_of("r", [NEW, OLD], healths={NEW: BackupHealth(damaged=True)}).newest(WEB) == OLD
    assert catalog.newest(DB) is None


def test_what_was_removed_is_told_by_resource_and_oldest_first() -> None:
    catalog = catalog_of("r", [], removed={NEW: MOMENT + 3 * HOUR, DB_OLD: MOMENT, OLD: MOMENT + 4 * HOUR})
    assert list(catalog.removed_of(WEB).items()) == [(OLD, MOMENT + 4 * HOUR), (NEW, MOMENT + 3 * HOUR)]
    assert catalog.removed_of(instance_ref("default", "other")) == {}


def test_what_holds_next_to_nothing_is_doubted_until_there_is_a_full_one_again() -> None:
    last = BackupId(WEB, format_timestamp(MOMENT + 2 * HOUR))
    shrunk, damaged = BackupHealth(shrunk=True), BackupHealth(shrunk=True, damaged=True)

    def told(**healths: BackupHealth) -> tuple[BackupId | None, tuple[BackupId, ...]]:
        names = {"old": OLD, "new": NEW, "last": last}
        catalog = catalog_of("r", [OLD, NEW, last], healths={names[k]: v for k, v in healths.items()})
        return catalog.last_full(WEB), catalog.doubted(WEB)

    assert told() == (last, ())
    assert told(last=shrunk) == (NEW, (last,))
    assert told(new=shrunk, last=shrunk) == (OLD, (NEW, last))
    assert told(new=shrunk) == (last, ())
    assert told(new=shrunk, last=damaged) == (OLD, (NEW,))
    assert told(old=shrunk, new=shrunk, last=shrunk) == (None, ())
