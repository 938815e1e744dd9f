"""Progress on stderr: live lines on a terminal, plain ones elsewhere, failures only when quiet."""

import os
import sys
import time
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import TextIO

from ...model.results import Event, Finished, Phased, Transferred
from ...render import printable
from .screens import PlainScreen, QuietScreen, Running, Screen


class ProgressDisplay:
    """Show events as they come, from any thread, while the block is open.

    Args:
        quiet: show failures only.
        stream: where to write; stderr when left out.
        clock: seconds that only go forward.
        notice: what is to be read below the running steps, if anything, on a terminal.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        notice: Callable[[], str] = lambda: "",
    ) -> None:
        self._clock = clock
        self._lock = Lock()
        self._running: dict[str, Running] = {}
        stream, self._is_open = stream or sys.stderr, False
        self._is_live = not quiet and stream.isatty() and os.environ.get("TERM", "") != "dumb"
        if self._is_live:
            # rich is slow to import and of use on a terminal only
            from .live import LiveScreen

            self._screen: Screen = LiveScreen(stream, self._running, clock, notice)
        else:
            self._screen = QuietScreen(stream) if quiet else PlainScreen(stream)

    def is_open(self) -> bool:
        """Whether lines are drawn anew all the time: what others write among them is soon gone."""
        return self._is_open and self._is_live

    def __enter__(self) -> "ProgressDisplay":
        self._screen.open()
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        with self._lock:
            self._screen.close()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._take(event)

    def _take(self, event: Event) -> None:
        now = self._clock()
        if isinstance(event.what, Finished):
            self._running.pop(event.step, None)
            self._screen.finished(event.what.outcome)
            return
        step = self._running.setdefault(event.step, Running(printable(event.address), now, now))
        match event.what:
            case Phased(text=text):
                if step.phase != (phase := printable(text)):
                    step.phase, step.moved_bytes = phase, 0
                    self._screen.phase(step)
            case Transferred(size_bytes=size_bytes):
                if not step.moved_bytes:
                    step.began = now
                step.moved_bytes += size_bytes
                self._screen.moved(step, now)
