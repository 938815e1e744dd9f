"""What command lines say in the words of policies."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from incusbak.policyfile import parse_command, parse_duration, parse_moment


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("true", ("true",)),
        ("test -e '/etc/host name'", ("test", "-e", "/etc/host name")),
        ('sh -c "a; b"', ("sh", "-c", "a; b")),
        ("echo $HOME", ("echo", "$HOME")),
    ],
)
def test_a_command_is_divided_as_a_shell_does(text: str, words: tuple[str, ...]) -> None:
    assert parse_command(text) == words


@pytest.mark.parametrize("text", ["", " ", "''", "sh -c 'open"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"begins with the name of a program|No closing quotation"):
        parse_command(text)


def test_a_duration_is_written_as_in_policies() -> None:
    assert parse_duration("1m30s") == timedelta(seconds=90)
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration("90")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20261101T020000Z", datetime(2026, 11, 1, 2, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 10, 31, 23, tzinfo=UTC)),
        ("2026-11-01T02:30", datetime(2026, 11, 1, 1, 30, tzinfo=UTC)),
        ("2026-07-01 02:30:05", datetime(2026, 7, 1, 0, 30, 5, tzinfo=UTC)),
        ("2026-11-01T02:30:00Z", datetime(2026, 11, 1, 2, 30, tzinfo=UTC)),
        ("2026-11-01T02:30+05:30", datetime(2026, 10, 31, 21, tzinfo=UTC)),
        ("2d", datetime(2026, 11, 8, tzinfo=UTC)),
        ("1d12h", datetime(2026, 11, 8, 12, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_timestamp_a_date_in_the_zone_or_an_age(text: str, moment: datetime) -> None:
    now = datetime(2026, 11, 10, tzinfo=UTC)
    assert parse_moment(text, zone=ZoneInfo("Europe/Berlin"), now=now) == moment


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-02-30", "25:00", "2", "-2d", "0d", "9999999d", "0001-01-01"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time: a timestamp such as"):
        parse_moment(text, zone=UTC, now=datetime(2026, 11, 10, tzinfo=UTC))
