"""Which backups are kept: what is true of any history and any rules."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from incusbak.engine.retention import Retention, retain
from incusbak.model.policies import Keep
from incusbak.model.refs import BackupId, format_timestamp, instance_ref

REF = instance_ref("default", "web")
START = datetime(2026, 3, 28, tzinfo=UTC)
COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")

zones = st.sampled_from([ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia")])
gaps = st.integers(1, 3) | st.integers(1, 86400 * 3) | st.integers(1, 86400 * 500)
histories = st.lists(gaps, max_size=12).map(
    lambda steps: frozenset(backup(sum(steps[:n])) for n in range(1, len(steps) + 1))
)
keeps = st.builds(
    Keep,
    **{name: st.integers(0, 4) for name in COUNTS},
    within=st.sampled_from([timedelta(), timedelta(hours=30), timedelta(days=40)]),
)


def backup(seconds: int) -> BackupId:
    return BackupId(REF, format_timestamp(START + timedelta(seconds=seconds)))


def at(*texts: str) -> list[BackupId]:
    return [BackupId(REF, text) for text in texts]


def kept(retention: Retention) -> set[BackupId]:
    return {each.backup for each in retention.keep}


def reasons(backups: Iterable[BackupId], keep: Keep, zone: str = "UTC") -> dict[str, tuple[str, ...]]:
    return {each.backup.timestamp: each.reasons for each in retain(backups, keep, zone=ZoneInfo(zone)).keep}


@st.composite
def halves(draw: st.DrawFn, there: frozenset[BackupId]) -> frozenset[BackupId]:
    return frozenset(draw(st.sets(st.sampled_from(sorted(there)))) if there else ())


@given(histories, keeps, zones)
def test_each_backup_is_kept_with_a_reason_or_removed(
    there: frozenset[BackupId], keep: Keep, zone: ZoneInfo
) -> None:
    found = retain(there, keep, zone=zone)
    assert sorted([*kept(found), *found.remove]) == sorted(there)
    assert all(each.reasons for each in found.keep)
    assert [each.backup for each in found.keep] == sorted(kept(found))
    assert list(found.remove) == sorted(found.remove)


@given(histories, keeps, zones, st.data())
def test_the_newest_good_one_stays_whatever_the_rules_say(
    there: frozenset[BackupId], keep: Keep, zone: ZoneInfo, data: st.DataObject
) -> None:
    damaged, pinned = data.draw(halves(there)), data.draw(halves(there))
    found = retain(there, keep, zone=zone, pinned=pinned, damaged=damaged)
    good = there - damaged
    assert not good or max(good) in kept(found)
    assert pinned <= kept(found)
    if not good:
        assert found.remove == ()


@given(histories, keeps, zones, st.data())
def test_pruning_twice_removes_no_more(
    there: frozenset[BackupId], keep: Keep, zone: ZoneInfo, data: st.DataObject
) -> None:
    damaged, pinned = data.draw(halves(there)), data.draw(halves(there))
    once = kept(retain(there, keep, zone=zone, pinned=pinned, damaged=damaged))
    assert retain(once, keep, zone=zone, pinned=pinned & once, damaged=damaged & once).remove == ()


@given(histories, keeps, zones, st.sampled_from(COUNTS), st.integers(1, 3))
def test_a_higher_count_never_removes_more(
    there: frozenset[BackupId], keep: Keep, zone: ZoneInfo, name: str, more: int
) -> None:
    if keep == Keep():
        return  # no rule at all keeps everything
    larger = evolve(keep, **{name: getattr(keep, name) + more})
    assert kept(retain(there, keep, zone=zone)) <= kept(retain(there, larger, zone=zone))


@given(histories, zones)
def test_no_rule_no_removal(there: frozenset[BackupId], zone: ZoneInfo) -> None:
    assert retain(there, Keep(), zone=zone).remove == ()
    assert retain(there, Keep(all=True, last=1), zone=zone).remove == ()


@given(histories, keeps, zones, st.data())
def test_pinned_and_damaged_ones_are_not_counted(
    there: frozenset[BackupId], keep: Keep, zone: ZoneInfo, data: st.DataObject
) -> None:
    aside = data.draw(halves(there))
    rest = there - aside
    for found in (
        retain(there, keep, zone=zone, pinned=aside),
        retain(there, keep, zone=zone, damaged=aside),
    ):
        alone = kept(retain(rest, keep, zone=zone))
        assert alone <= kept(found)
        assert kept(found) - aside <= alone | {max(there - aside, default=None)}


def test_a_damaged_one_goes_only_when_a_newer_good_one_is_there() -> None:
    old, mid, new = at("20260301T000000Z", "20260302T000000Z", "20260303T000000Z")
    found = retain([old, mid, new], Keep(last=1), zone=UTC, damaged={mid, new})
    assert [(each.backup, each.reasons) for each in found.keep] == [
        (old, ("last",)),
        (mid, ("damaged, and no newer one is good",)),
        (new, ("damaged, and no newer one is good",)),
    ]
    assert retain([old, mid, new], Keep(last=1), zone=UTC, damaged={mid}).remove == (old, mid)


def test_every_rule_that_wants_a_backup_is_named_and_the_oldest_fills_what_is_left() -> None:
    there = at("20260101T010000Z", "20260101T020000Z", "20260301T000000Z")
    assert reasons(there, Keep(last=1, monthly=3)) == {
        "20260101T010000Z": ("oldest, monthly",),
        "20260101T020000Z": ("monthly",),
        "20260301T000000Z": ("last", "monthly"),
    }


@pytest.mark.parametrize(("zone", "count"), [("UTC", 1), ("Europe/Berlin", 2)])
def test_days_are_those_of_the_time_zone(zone: str, count: int) -> None:
    there = at("20260601T210000Z", "20260601T215959Z", "20260601T220000Z")
    assert len(reasons(there, Keep(daily=1), zone)) == 1
    assert len([r for r in reasons(there, Keep(daily=5), zone).values() if r == ("daily",)]) == count


def test_the_hour_a_clock_is_turned_back_is_two() -> None:
    there = at("20261025T003000Z", "20261025T013000Z")  # both 02:30 in Berlin
    assert set(reasons(there, Keep(hourly=2), "Europe/Berlin").values()) == {("hourly",)}


def test_a_week_across_new_year_is_one() -> None:
    there = at("20251229T120000Z", "20260104T120000Z", "20260105T120000Z")
    assert list(reasons(there, Keep(weekly=2)).values()) == [("weekly",), ("weekly",)]


def test_within_is_counted_from_the_newest() -> None:
    there = at("20260101T000000Z", "20260102T000000Z", "20260103T000000Z")
    assert set(reasons(there, Keep(within=timedelta(days=1)))) == {"20260103T000000Z"}
    assert len(reasons(there, Keep(within=timedelta(days=1, seconds=1)))) == 2


@given(histories, keeps, zones, st.data())
def test_those_of_the_future_stay_and_change_nothing_for_the_others(
    there: frozenset[BackupId], keep: Keep, zone: ZoneInfo, data: st.DataObject
) -> None:
    late = frozenset(backup(86400 * 365 * 80 + n) for n in range(data.draw(st.integers(1, 3))))
    found, without = retain({*there, *late}, keep, zone=zone, ahead=late), retain(there, keep, zone=zone)
    assert [each for each in found.keep if each.backup not in late] == list(without.keep)
    assert (found.remove, late <= kept(found)) == (without.remove, True)
