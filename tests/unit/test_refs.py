"""Addresses of resources and backups: their forms, their order, their moments."""

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incusbak.model.refs import (
    CONFIG,
    BackupId,
    BadAddress,
    ResourceRef,
    format_timestamp,
    instance_ref,
    parse_timestamp,
    volume_ref,
)

moments = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))


@given(moments)
def test_timestamps_come_back_in_whole_seconds(moment: datetime) -> None:
    assert parse_timestamp(format_timestamp(moment)) == moment.replace(microsecond=0)


def test_timestamps_are_of_utc() -> None:
    moment = datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert format_timestamp(moment) == "20260228T230000Z"
    assert parse_timestamp("20260228T230000Z").tzinfo == UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20260301T123000",
        "20260301T123000Z\n",
        " 20260301T123000Z",
        "20260301t123000z",
        "2026-03-01T12:30:00Z",
        "20260301T123000+0000",
        "20260301T1230Z",
        "2026W011T123000Z",
        "20260229T123000Z",
        "20261301T123000Z",
        "20260301T240000Z",
        "20260301T126000Z",
        "20260301T123060Z",
        "09990301T123000Z",
        "2026030\u0661T123000Z",
    ],
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(BadAddress, match="not a timestamp of the form YYYYMMDDThhmmssZ"):
        parse_timestamp(text)


def test_backups_are_in_the_order_of_their_resources_and_then_of_their_moments() -> None:
    ordered = [
        BackupId(ref, timestamp)
        for ref in (
            CONFIG,
            instance_ref("a", "z"),
            instance_ref("b", "a"),
            volume_ref("a", "big", "x"),
            volume_ref("a", "fast", "a"),
        )
        for timestamp in ("20251231T235959Z", "20260301T123000Z")
    ]
    shuffled = random.Random(1).sample(ordered, len(ordered))
    assert sorted(shuffled) == ordered
    assert (max(shuffled), min(shuffled)) == (ordered[-1], ordered[0])


def test_equal_addresses_are_one_key() -> None:
    first, second = (BackupId(ResourceRef("instance", "web", "shop"), "20260301T123000Z") for _ in range(2))
    assert first.address == "instance/shop/web@20260301T123000Z"
    assert {first: 1}[second] == 1
