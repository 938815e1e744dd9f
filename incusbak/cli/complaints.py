"""How errors are told."""

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
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {shown(message)}", err=True)
    if hint:
        click.echo(f"Hint: {shown(hint)}", err=True)
