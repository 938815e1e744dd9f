"""What a catalog tells of the backups of a resource."""

from datetime import timedelta

from incusbak.model.backups import catalog_of
from incusbak.model.notes import Repute
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
    assert catalog_of("r", [NEW, OLD], reputes={NEW: Repute(damaged=True)}).newest(WEB) == OLD
    assert catalog.newest(DB) is None


def test_what_was_removed_is_told_by_resource_and_oldest_first() -> None:
    catalog = catalog_of("r", [], removed={NEW: MOMENT + 3 * HOUR, DB_OLD: MOMENT, OLD: MOMENT + 4 * HOUR})
    assert list(catalog.removed_of(WEB).items()) == [(OLD, MOMENT + 4 * HOUR), (NEW, MOMENT + 3 * HOUR)]
    assert catalog.removed_of(instance_ref("default", "other")) == {}
