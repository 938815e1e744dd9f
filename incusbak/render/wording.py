"""Text for people: sizes, durations, and text from a server made safe and short enough to show."""

import textwrap
import unicodedata
from collections.abc import Callable

ELLIPSIS = "…"
MOST_LISTED = 20
"""How many items of a list are shown to people."""
_ANSI = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}


def painter(colour: bool) -> Callable[[str, str], str]:
    """Make what gives text a style; without colour, text stays as it is."""

    def paint(text: str, style: str) -> str:
        return f"\x1b[{_ANSI[style]}m{text}\x1b[0m" if colour else text

    return paint


def humanize_duration(seconds: float) -> str:
    """Write a duration in its two largest units, such as 3.4 s or 2 h 5 min."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    return " ".join(f"{count} {unit}" for count, unit in _two_largest(round(seconds)))


def brief_duration(seconds: int) -> str:
    """Write a duration as policies do, in its two largest units, such as 2d 4h."""
    return " ".join(f"{count}{unit[0]}" for count, unit in _two_largest(seconds)) or "0s"


def _two_largest(seconds: int) -> list[tuple[int, str]]:
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")]
    while units and not units[0][0]:
        del units[0]
    return [(count, unit) for count, unit in units[:2] if count]


def cells(text: str) -> int:
    """Count the columns a text takes on a terminal."""
    return len(text) if text.isascii() else sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Shorten a text to a number of columns, with an ellipsis where something is missing."""
    if cells(text) <= width:
        return text
    kept, used = "", 0
    for char in text:
        used += _cells(char)
        if used > max(width, 1) - 1:
            break
        kept += char
    return kept + ELLIPSIS


def squeezed(text: str, width: int) -> str:
    """Shorten a chain of causes to so many columns: its beginning tells what, its end why."""
    if cells(text) <= width:
        return text
    first, *causes = text.split(": ")
    for start in range(1, len(causes)):
        told = ": ".join([first, ELLIPSIS, *causes[start:]])
        if cells(told) <= width:
            return told
    return cut(": ".join([first, *causes[-1:]]), width)


def pad(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def wrap(text: str, width: int, *, first: str = "", rest: str = "") -> str:
    """Break a text into lines at blanks; a word that is too long (an address) stays whole."""
    if len(first) + len(text) <= width and text.isprintable() and text.strip(" ") == text != "":
        return first + text  # as most are
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
