"""Problems in policy files: gathered, so that one run names all of them."""

import difflib
from collections.abc import Iterable

from attrs import define, field

from ..errors import PolicyError
from ..model.policies import Place

_LONGEST = 60


class Bad(Exception):
    """A value can't be read; ``problems`` say where and why."""

    def __init__(self, *problems: tuple[Place, str]) -> None:
        super().__init__(*problems)
        self.problems = problems


@define
class Problems:
    """What was found wrong so far.

    What is wrong with a value that came from the environment is told without the value: it can be a secret.
    """

    found: set[tuple[str, int, int, str]] = field(factory=set)
    _hidden: dict[Place, str] = field(factory=dict)
    _settled: set[Place] = field(factory=set)

    def add(self, place: Place, message: str) -> None:
        if place in self._settled:
            return
        if place in self._hidden:
            message = _without_value(message, self._hidden[place])
        self.found.add((place.file, place.line, place.column, message))

    def settle(self, place: Place, message: str) -> None:
        """Add the one thing that is wrong at this place: what follows from it is not worth telling."""
        self.add(place, message)
        self._settled.add(place)

    def hide(self, place: Place, name: str) -> None:
        """Tell no value at this place from now on, but what it was written as."""
        self._hidden[place] = name

    def hides(self, place: Place) -> bool:
        return place in self._hidden

    def extend(self, problems: Iterable[tuple[Place, str]]) -> None:
        for place, message in problems:
            self.add(place, message)

    def raise_any(self) -> None:
        """Raise one ``PolicyError`` with a line for each problem, sorted by place, if there are any."""
        if self.found:
            lines = (f"{f}:{line}:{column}: {text}" for f, line, column, text in sorted(self.found))
            raise PolicyError("\n".join(lines))


def _without_value(message: str, name: str) -> str:
    expected = message.partition(", got ")[0] if message.startswith("expected ") else "it can't be used here"
    return f"the value of {shown(name)} from the environment: {expected}"


def shown(text: str) -> str:
    """Quote the user's text for a message: on one line, not too long, nothing a terminal would obey."""
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return f"`{''.join(c if c.isprintable() else repr(c)[1:-1] for c in cut)}`"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word, as the end of a message; empty when none is near."""
    near = difflib.get_close_matches(word[:_LONGEST], sorted(known), n=1)
    return f"; did you mean {shown(near[0])}?" if near else ""
