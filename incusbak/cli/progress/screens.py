"""What progress looks like where there is no live terminal, and what all screens have in common."""

from contextlib import suppress
from typing import Protocol, TextIO

from attrs import define

from ...model.results import Outcome, Status
from ...render import humanize_bytes, humanize_duration, printable

_BYTES_EVERY_SECONDS = 30.0


@define
class Running:
    """A step under way, in one of its phases; bytes are those of the phase.

    ``began``: when the phase did, ``noted``: when its bytes were last told, by the clock of the display.
    """

    address: str
    began: float
    noted: float
    phase: str = "starting"
    moved_bytes: int = 0

    def transfer(self, now: float) -> str:
        """Say how much went by, and how fast; empty before the first byte."""
        if not self.moved_bytes:
            return ""
        rate = self.moved_bytes / max(now - self.began, 0.001)
        return f"{humanize_bytes(self.moved_bytes)}, {humanize_bytes(round(rate))}/s"


class Screen(Protocol):
    """Where progress is shown. Called by one thread at a time."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def phase(self, step: Running) -> None:
        """A step does something else now."""

    def moved(self, step: Running, now: float) -> None:
        """More bytes of a step went by."""

    def finished(self, outcome: Outcome) -> None: ...


def finished_text(outcome: Outcome) -> str:
    """Say in one line how a step ended."""
    address = printable(outcome.address)
    if outcome.status is Status.DONE:
        size = f"{humanize_bytes(outcome.made.size_bytes)}, " if outcome.made.size_bytes else ""
        return f"{address}: done ({size}{humanize_duration(outcome.seconds)})"
    reason = printable(" ".join(outcome.error.splitlines()))
    word = "failed" if outcome.status is Status.FAILED else "not tried"
    return f"{address}: {word}: {reason}" if reason else f"{address}: {word}"


@define
class QuietScreen:
    """Failures only."""

    _stream: TextIO

    def open(self) -> None:
        """Nothing is to be set up."""

    def close(self) -> None:
        """Nothing is to be cleared."""

    def phase(self, step: Running) -> None:
        """Not shown."""

    def moved(self, step: Running, now: float) -> None:
        """Not shown."""

    def finished(self, outcome: Outcome) -> None:
        if outcome.status is Status.FAILED:
            self._say(finished_text(outcome))

    def _say(self, text: str) -> None:
        with suppress(OSError):  # as `complaints.say`
            print(text, file=self._stream, flush=True)


@define
class PlainScreen(QuietScreen):
    """One line per phase, and one for the bytes now and then."""

    def phase(self, step: Running) -> None:
        self._say(f"{step.address}: {step.phase}")

    def moved(self, step: Running, now: float) -> None:
        if now - step.noted >= _BYTES_EVERY_SECONDS:
            step.noted = now
            self._say(f"{step.address}: {step.phase}, {step.transfer(now)}")

    def finished(self, outcome: Outcome) -> None:
        self._say(finished_text(outcome))
