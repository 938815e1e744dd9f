"""What command lines say in the words of policies."""

from datetime import timedelta

import pytest

from incusbak.policyfile import parse_command, parse_duration


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
