"""Kill the tool at a chosen moment: at a request, inside of a transfer, at a touch of the file system."""

import itertools
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from attrs import evolve, field, frozen

from tests.live.forking import Forked
from tests.live.support.faultproxy import READING, Direction, FaultProxy, Passing
from tests.live.tool import Result, Tool

TOUCHES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir")


@frozen
class Moment:
    """A point of a run: the n-th writing request, or the first request for a path that ends so.

    ``up``: before (that many bytes of) it reached the server; ``down``: before its answer came back.
    """

    write: int = 0
    suffix: str = ""
    direction: Direction = "up"
    at: int = 0


@frozen
class Touch:
    """Right before the n-th folder or name is made or removed; or the n-th of other events of Python.

    ``about``: the first argument of the events that count, where not all do. ``signal``: what is sent then.
    """

    number: int
    events: tuple[str, ...] = TOUCHES
    about: str | None = None
    signal: int = signal.SIGKILL

    def lie_in_wait(self) -> None:
        """Have this process signal itself at that point."""
        seen = itertools.count(1)

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            counts = event in self.events and self.about in (None, *arguments[:1])
            if counts and next(seen) == self.number:
                os.kill(os.getpid(), self.signal)

        sys.addaudithook(watch)


@frozen
class Mortal:
    """A tool behind a proxy; its runs can be watched, killed and interrupted."""

    tool: Tool
    proxy: FaultProxy

    def kill_at(self, moment: Moment | Touch, *arguments: str) -> bool:
        """Run a command that dies at this moment; false if the moment never came."""
        if isinstance(moment, Touch):
            return self._run_touching(moment, *arguments) == -signal.SIGKILL
        return self.signal_at(moment, signal.SIGKILL, *arguments).code == -signal.SIGKILL

    def signal_at(self, moment: Moment, number: signal.Signals, *arguments: str) -> Result:
        """Run a command and signal it at this moment; only what kills it keeps the bytes from passing."""
        with self.armed(moment, number, *arguments) as (process, _):
            out, err = process.communicate(timeout=120)
        return Result(process.wait(), out, err)

    def writes_of(self, *arguments: str) -> list[tuple[str, str]]:
        """Run a command to its end and return its writing requests."""
        before = len(self.proxy.writes())
        self._behind_proxy().do(*arguments)
        return self.proxy.writes()[before:]

    def _behind_proxy(self) -> Tool:
        return evolve(self.tool, socket=self.proxy.path)

    @contextmanager
    def armed(
        self, moment: Moment, number: signal.Signals, *arguments: str
    ) -> Iterator[tuple[Forked, Event]]:
        """Run a command that is signalled at this moment; the event tells that it has been."""
        process = self._behind_proxy().start(*arguments)
        trigger = _Trigger(moment, process.pid, number)
        self.proxy.on_passing = trigger.pull
        try:
            yield process, trigger.fired
        finally:
            self.proxy.on_passing = lambda _: False
            if process.poll() is None:
                process.kill()
                process.communicate()

    def _run_touching(self, fatal: Touch, *arguments: str) -> int:
        return self.tool.start(*arguments, before=fatal.lie_in_wait).wait(300)


@frozen
class _Trigger:
    """Sends the signal once its moment has come."""

    moment: Moment
    pid: int
    number: signal.Signals
    fired: Event = field(factory=Event)
    _writes: list[int] = field(factory=list)

    def pull(self, passing: Passing) -> bool:
        is_write = passing.method not in READING
        if is_write and passing.direction == "up" and passing.count == 0:
            self._writes.append(passing.number)
        if self.fired.is_set() or not self._has_come(passing):
            return False
        self.fired.set()
        os.kill(self.pid, self.number)
        return self.number == signal.SIGKILL

    def _has_come(self, passing: Passing) -> bool:
        moment = self.moment
        if (passing.direction, passing.count >= moment.at) != (moment.direction, True):
            return False
        if moment.suffix:
            return passing.path.partition("?")[0].endswith(moment.suffix)
        return self._writes[moment.write - 1 : moment.write] == [passing.number]
