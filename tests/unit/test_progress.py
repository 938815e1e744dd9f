"""What is told while steps run."""

import io
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from attrs import define

from incusbak.cli.progress.display import ProgressDisplay
from incusbak.model.results import (
    Event,
    Finished,
    Outcome,
    Phased,
    Started,
    Status,
    StepEvent,
    StepResult,
    Transferred,
)

WEB = "instance/default/web"
DONE = Outcome("s1", WEB, Status.DONE, StepResult(size_bytes=1288490189), seconds=3.42)
FAILED = Outcome("s1", WEB, Status.FAILED, error="no space\nleft \x1b[2J", seconds=1)
MIB = 1 << 20


@define
class Clock:
    """Seconds that go forward when told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def show(*events: StepEvent | float, quiet: bool = False, stream: io.StringIO | None = None) -> str:
    """Show events of one step; a number lets so many seconds pass."""
    clock = Clock()
    stream = stream or io.StringIO()
    with ProgressDisplay(quiet=quiet, stream=stream, clock=clock) as display:
        for event in events:
            if isinstance(event, float):
                clock.now += event
            else:
                display(Event("s1", WEB, event))
    return stream.getvalue()


def test_each_phase_is_one_plain_line_and_so_is_the_end() -> None:
    shown = show(Started(), Phased("exporting"), Phased("exporting"), Phased("writing"), Finished(DONE))
    assert shown.splitlines() == [
        f"{WEB}: exporting",
        f"{WEB}: writing",
        f"{WEB}: done (1.2 GiB, 3.4 s)",
    ]


def test_bytes_are_told_every_thirty_seconds() -> None:
    tick = (Transferred(MIB), 10.0)
    shown = show(Started(), Phased("exporting"), *(tick * 7))
    assert shown.splitlines()[1:] == [
        f"{WEB}: exporting, 4.0 MiB, 136.5 KiB/s",
        f"{WEB}: exporting, 7.0 MiB, 119.5 KiB/s",
    ]


def test_a_failure_is_one_line_that_no_terminal_obeys() -> None:
    assert show(Finished(FAILED)) == f"{WEB}: failed: no space left \\x1b[2J\n"


def test_a_step_that_was_not_tried_says_so() -> None:
    skipped = Outcome("s1", WEB, Status.SKIPPED, error="recover:r1 failed")
    assert show(Finished(skipped)) == f"{WEB}: not tried: recover:r1 failed\n"


def test_quiet_shows_failures_only() -> None:
    assert (
        show(Started(), Phased("x"), Transferred(1), 60.0, Transferred(1), Finished(DONE), quiet=True) == ""
    )
    assert "failed" in show(Finished(FAILED), quiet=True)


def test_a_terminal_shows_running_steps_and_keeps_finished_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    with ProgressDisplay(stream=terminal, clock=Clock()) as display:
        display(Event("s1", WEB, Started()))
        display(Event("s1", WEB, Phased("exporting \x1b[2J [red]")))
        display(Event("s1", WEB, Transferred(MIB)))
        display(Event("s2", "instance/default/db", Started()))
        display(Event("s2", "instance/default/db", Finished(FAILED)))
        display(Event("s1", WEB, Finished(DONE)))
    shown = terminal.getvalue()
    assert "exporting \\x1b[2J [red], 1.0 MiB" in shown
    assert "✓ instance/default/web: done (1.2 GiB, 3.4 s)" in shown
    assert "exporting" not in shown.partition("✓")[2]
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", shown) is None


def test_a_terminal_is_told_of_a_stop_below_the_running_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written besides would be wiped out by the next drawing."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    notice: list[str] = []
    display = ProgressDisplay(stream=stream, notice=lambda: "".join(notice))
    assert not display.is_open()
    with display:
        display(Event("s1", WEB, Phased("exporting")))
        assert display.is_open()
        notice.append("stopping: wait")
        display(Event("s2", WEB, Finished(DONE)))
    assert not display.is_open()
    assert stream.getvalue().count("stopping: wait") > 0
    assert not ProgressDisplay(stream=io.StringIO()).is_open()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert show(Phased("exporting"), stream=Terminal()) == f"{WEB}: exporting\n"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["plain", "terminal"])
def test_events_may_come_from_many_threads(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")

    def run(number: int) -> None:
        address = f"instance/default/i{number}"
        events: list[StepEvent] = [Started(), Phased("exporting"), *(Transferred(1) for _ in range(50))]
        for what in events:
            display(Event(f"s{number}", address, what))
        display(Event(f"s{number}", address, Finished(Outcome(f"s{number}", address, Status.DONE))))

    with ProgressDisplay(stream=stream) as display, ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(40)))
    done = re.findall(r"instance/default/(i\d+): done", stream.getvalue())
    assert sorted(done) == sorted(f"i{number}" for number in range(40))


def test_rich_is_imported_for_a_terminal_only() -> None:
    code = "import sys, incusbak.cli.progress.display as p; p.ProgressDisplay(); print('rich' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
