"""Which backups are read again when only a part of all bytes is to be read."""

from datetime import timedelta

import pytest

from incusbak.engine.planning.verification import longest_unread
from incusbak.model.backups import catalog_of
from incusbak.model.notes import BackupHealth
from incusbak.model.refs import BackupId, format_timestamp
from tests.samples import MOMENT, WEB

FIRST, SECOND, THIRD = (BackupId(WEB, format_timestamp(MOMENT + timedelta(days=day))) for day in range(3))
READ = {FIRST: BackupHealth(inspected=MOMENT + timedelta(days=9))}
SIZES = {FIRST: 10, SECOND: 60, THIRD: 30}


@pytest.mark.parametrize(
    ("percent", "chosen"),
    [(1, {SECOND}), (60, {SECOND}), (61, {SECOND, THIRD}), (90, {SECOND, THIRD}), (100, {*SIZES})],
)
def test_those_not_read_for_longest_come_first(percent: int, chosen: set[BackupId]) -> None:
    assert longest_unread(catalog_of("r", SIZES, healths=READ), SIZES, percent) == chosen


def test_what_takes_nothing_and_nothing_at_all_are_fine() -> None:
    nothing = {FIRST: 0, SECOND: 0}
    assert longest_unread(catalog_of("r", nothing), nothing, 10) == {FIRST}
    assert longest_unread(catalog_of("r", []), {}, 10) == frozenset()
