"""What tells a run to stop: signals, as a flag that is looked at."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from attrs import define

STOPPING_IN_WORDS = "stopping: what has begun is cleaned up; once more to stop at once"
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_PRESS = 0.5
"""Seconds in which a second signal is the first one again: timeout(1) signals a process, then its group."""


@define
class StopSignal:
    """Which signal told this run to stop, 0: none did, and when it came."""

    number: int = 0
    at: float = 0.0

    def __call__(self) -> int:
        return self.number


@contextmanager
def heard_by(stop_signal: StopSignal, *, is_shown: Callable[[], bool]) -> Iterator[None]:
    """Turn signals into a flag; a second one ends at once, the next run cleans up.

    Those that were ignored from the start (by nohup, or a shell for what it runs in the background) stay so.

    Args:
        is_shown: whether a display says that it is stopping, and would wipe out what is said besides.
    """

    def note(signum: int, _: FrameType | None) -> None:
        if not stop_signal.number:
            stop_signal.number, stop_signal.at = signum, time.monotonic()
            if not is_shown():
                _say_at_once(STOPPING_IN_WORDS)
        elif time.monotonic() - stop_signal.at > _ONE_PRESS:
            _say_at_once("stopped at once; the next run removes what is left")
            os._exit(128 + signum)

    heard = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_at_once(line: str) -> None:
    """Write from within a signal handler, where buffered streams may be in the middle of something."""
    with suppress(OSError):
        os.write(2, f"{line}\n".encode())
