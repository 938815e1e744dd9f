"""How errors are told."""

import re
from collections.abc import Iterable
from contextlib import suppress

import click

from ..plain_text import printable

_BETWEEN = re.compile("[/@=:]")
_odd: list[str] = []
"""Words from outside with an end of line or the like in them, the longest first."""


def expect_words(words: Iterable[str]) -> None:
    """Know the words of a command line and its like: a line of a message is no line of theirs."""
    parts = {part for word in words for part in (word, word.partition("=")[2], *_BETWEEN.split(word))}
    odd = (part for part in parts if not part.isprintable() and not part.isspace())
    _odd[:] = sorted(odd, key=len, reverse=True)


def shown(message: str) -> str:
    """Escape what a terminal would obey; a message may have several lines."""
    for word in _odd:
        message = message.replace(word, printable(word))
    return "\n".join(map(printable, message.split("\n")))


def about(what: object, message: str) -> str:
    """Say what a message is about, unless it says so itself."""
    return message if str(what) in message else f"{what}: {message}"


def complain(message: str, hint: str = "") -> None:
    """Tell what went wrong, and what to do about it."""
    say(f"{click.style('Error:', fg='red', bold=True)} {shown(message)}")
    if hint:
        say(f"Hint: {shown(hint)}")


def say(text: str, *, nl: bool = True) -> None:
    """Write to stderr; that it can't be written (a full disk) keeps nothing from being done."""
    with suppress(OSError):
        click.echo(text, err=True, nl=nl)
