"""How ages are told in reasons."""

from datetime import timedelta

import pytest

from incusbak.engine.planning.backup import in_words


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=1), "1s"),
        (timedelta(seconds=90), "1m 30s"),
        (timedelta(minutes=5), "5m"),
        (timedelta(minutes=10, seconds=7), "10m"),
        (timedelta(days=1, hours=12), "1d 12h"),
        (timedelta(), "0s"),
    ],
)
def test_an_age_is_told_as_policies_write_it(age: timedelta, words: str) -> None:
    assert in_words(age) == words
