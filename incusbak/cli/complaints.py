"""How errors are told."""

import click


def complain(message: str, hint: str = "") -> None:
    """Tell what went wrong, and what to do about it."""
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {message}", err=True)
    if hint:
        click.echo(f"Hint: {hint}", err=True)
