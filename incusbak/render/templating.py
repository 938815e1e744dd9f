"""What templates share. The only import of jinja2."""

from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined

_ANSI = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}


def make_environment() -> Environment:
    """Make an environment that knows the templates of this package, and neither filters nor values yet."""
    return Environment(
        loader=PackageLoader("incusbak.render"),
        undefined=StrictUndefined,
        autoescape=False,  # text, and markdown with an escape of its own
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def make_painter(colour: bool) -> Callable[[str, str], str]:
    """Make what gives text a style on a terminal, or leaves it as it is."""

    def paint(text: str, style: str) -> str:
        return f"\x1b[{_ANSI[style]}m{text}\x1b[0m" if colour else text

    return paint
