"""How errors are told."""

from contextlib import suppress

import click


def shown(message: str) -> str:
    """Escape what a terminal would obey; a message may have several lines."""
    lines = message.split("\n")
    if all(map(str.isprintable, lines)):
        return message
    from ..render import printable  # here, as it takes long to load and is hardly ever needed

    return "\n".join(map(printable, lines))


def complain(message: str, hint: str = "") -> None:
    """Tell what went wrong, and what to do about it."""
    say(f"{click.style('Error:', fg='red', bold=True)} {shown(message)}")
    if hint:
        say(f"Hint: {shown(hint)}")


def say(text: str, *, nl: bool = True) -> None:
    """Write to stderr; that it can't be written (a full disk) keeps nothing from being done."""
    with suppress(OSError):
        click.echo(text, err=True, nl=nl)
