"""Kill the tool at a chosen moment: at a request, inside of a transfer, at a touch of the file system."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from attrs import evolve, field, frozen

from tests.live.support.faultproxy import READING, Direction, FaultProxy, Passing
from tests.live.tool import Tool

TOUCHES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir")
_AUDIT = """
import os, signal, sys
seen = 0
def watch(event, _):
    global seen
    if event in {touches!r}:
        seen += 1
        if seen == int(os.environ["FATAL_TOUCH"]):
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
"""


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
    """Right before the n-th folder or name is made or removed; or the n-th of other events of Python."""

    number: int
    events: tuple[str, ...] = TOUCHES


@frozen
class Mortal:
    """A tool behind a proxy; its runs can be watched, killed and interrupted."""

    tool: Tool
    proxy: FaultProxy

    def kill_at(self, moment: Moment | Touch, *arguments: str) -> bool:
        """Run a command that dies at this moment; false if the moment never came."""
        if isinstance(moment, Touch):
            return self._run_touching(moment, *arguments) == -signal.SIGKILL
        return self.signal_at(moment, signal.SIGKILL, *arguments).returncode == -signal.SIGKILL

    def signal_at(
        self, moment: Moment, number: signal.Signals, *arguments: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command and signal it at this moment; only what kills it keeps the bytes from passing."""
        with self.armed(moment, number, *arguments) as (process, _):
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

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
    ) -> Iterator[tuple["subprocess.Popen[str]", Event]]:
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
        site = self.tool.folder / "site"
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(_AUDIT.format(touches=fatal.events))
        path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
        env = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "FATAL_TOUCH": str(fatal.number)}
        return self.tool.run(*arguments, env=env).code


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
