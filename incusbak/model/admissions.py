"""What a project with limits or restrictions makes of something that is to come into it."""

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Room:
    """How much of something a project may have, and has; a negative limit is none."""

    limit: int
    taken: int


@frozen
class Admission:
    """Whether it comes in.

    ``problems``: why it does not, in words. ``losses``: what will not be as it was. ``needs``: how much it
    takes of each limit, by the names that ``Room`` is kept under: instances, memory, disk …
    ``passing``: how much more for a while where it
    replaces another one.
    """

    problems: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    needs: Mapping[str, int] = field(factory=dict)
    passing: Mapping[str, int] = field(factory=dict)


@frozen
class Capacity:
    """How large something may become where it is brought back, by its own ``size``; None: nothing says.

    ``passed_over``: the lesser size that its profiles say by now, and that it does not get, since what comes
    back does not fit into it; None: they say none such.
    """

    limit: int | None = None
    passed_over: int | None = None
