"""Do all that can be done of several things, though some are refused, and say in the end what remains."""

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

from ...errors import Busy, ServerError, ServerUnavailable


@define
class Attempts:
    """What an undo tries; whatever is refused keeps nothing after it from being tried."""

    _refused: list[ServerError] = field(factory=list)
    _remedies: list[str] = field(factory=list)

    @contextmanager
    def at(self, what: str, by_hand: str = "") -> Iterator[None]:
        """Try one thing.

        Args:
            what: it, in words.
            by_hand: the command with which a person does it, once what is in the way is gone. Not for what
                the next run does as well, or what the server has just refused to do.

        Raises:
            ServerUnavailable: nothing more can be tried.
        """
        try:
            yield
        except ServerUnavailable:
            raise
        except ServerError as error:
            error.message = f"{what}: {error.message}"
            self._refused.append(error)
            if by_hand:
                self._remedies.append(f"`{by_hand}`")

    @property
    def failed(self) -> bool:
        """Whether anything was refused so far."""
        return bool(self._refused)

    def check(self, *others: "Attempts") -> None:
        """See that all went well, here and with these others.

        Raises:
            ServerError: it did not; all reasons in one, and how a person can do what remains.
            Busy: the server was only busy with something.
        """
        tried = (self, *others)
        refused = [error for each in tried for error in each._refused]
        if not refused:
            return
        words = "; ".join(error.message for error in refused)
        kind = Busy if all(isinstance(error, Busy) for error in refused) else ServerError
        remedies = ", ".join(dict.fromkeys(remedy for each in tried for remedy in each._remedies))
        hints = [error.hint for error in refused if error.hint]
        if remedies:
            hints.append(
                f"once what the server names is out of the way: {remedies}, or run incus-backup again"
            )
        raise kind(words, hint="; ".join(dict.fromkeys(hints)))
