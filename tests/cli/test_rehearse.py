"""What ``rehearse`` takes on the command line."""

import pytest

from tests.cli.command import Shell


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("volume", "default/data"), "'volume' is not a kind of resource"),
        (("instances", "web"), "'instances' is not a kind of resource"),
        (("instance",), "`instance` takes exactly one name"),
        (("instance", "web", "db"), "`instance` takes exactly one name"),
        (("instance", "web", "--probe", "sh -c 'open"), "No closing quotation"),
        (("instance", "web", "--probe", ""), "a command begins with the name of a program"),
        (("instance", "web", "--timeout", "90"), "expected a duration such as 90m"),
        (("instance", "web", "--version", "yesterday"), "yesterday"),
    ],
)
def test_what_can_not_be_meant_is_refused(shell: Shell, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in shell.fails("rehearse", *arguments)


def test_where_there_is_no_repository_nothing_can_be_rehearsed(shell: Shell) -> None:
    target = f"dir:{shell.home}/repository"
    assert "there is no repository" in shell.fails("rehearse", "instance", "web", "--target", target, code=10)
