"""Read what command lines say in the words of policies."""

import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from ..model.policies import Place
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
