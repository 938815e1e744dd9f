"""Do all that can be done of several things, though some are refused, and say in the end what remains."""

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

from ..errors import Busy, ServerError, ServerUnavailable


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
            by_hand: the command with which a person does it.

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

    def check(self) -> None:
        """See that all went well.

        Raises:
            ServerError: it did not; all reasons in one, and how a person can do what remains.
            Busy: the server was only busy with something.
        """
        if not self._refused:
            return
        words = "; ".join(error.message for error in self._refused)
        kind = Busy if all(isinstance(error, Busy) for error in self._refused) else ServerError
        remedies = ", ".join(dict.fromkeys(self._remedies))
        raise kind(words, hint=f"what remains to be done by hand: {remedies}" if remedies else "")
