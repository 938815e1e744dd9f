"""Read what command lines say in the words of policies."""

import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeVar

from ..model.policies import Place
from ..model.refs import BadAddress, format_timestamp, parse_timestamp
from .commands import commands
from .nodes import Node, Scalar, Sequence
from .problems import Bad
from .values import duration

T = TypeVar("T")
_PLACE = Place("", 1)


def parse_duration(text: str) -> timedelta:
    """Read a duration such as ``90s`` or ``5m``.

    Raises:
        ValueError: what is wrong with it.
    """
    return _read(Scalar(_PLACE, text, "text"), duration)


def parse_moment(text: str, *, zone: tzinfo, now: datetime) -> datetime:
    """Read a time: a backup's timestamp, an ISO date with or without time, or an age such as ``2d``.

    Args:
        zone: of a date or time that names none; a date alone is its first moment.
        now: what an age counts from.

    Raises:
        ValueError: what is wrong with it.
    """
    try:
        return parse_timestamp(text)
    except BadAddress:
        pass
    try:
        parsed = datetime.fromisoformat(text)
        moment = (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
        return parse_timestamp(format_timestamp(moment))  # years below 1000 have no timestamp
    except (ValueError, OverflowError):
        pass
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is not a time: a timestamp such as 20261101T020000Z, a date such as 2026-11-01 or "
            "2026-11-01T02:00, or an age such as 2d"
        ) from None


def parse_command(text: str) -> tuple[str, ...]:
    """Divide a command into words as a shell does; nothing in it means more than that.

    Raises:
        ValueError: what is wrong with it.
    """
    words = tuple(Scalar(_PLACE, word, "text") for word in shlex.split(text))
    if not words:
        raise ValueError("a command begins with the name of a program")
    [command] = _read(Sequence(_PLACE, (Sequence(_PLACE, words),)), commands)
    return command


def _read(node: Node, read: Callable[[Node], T]) -> T:
    try:
        return read(node)
    except Bad as bad:
        raise ValueError("; ".join(message for _, message in bad.problems)) from None
