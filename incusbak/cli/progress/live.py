"""Progress on a terminal: a line for each running step, drawn anew several times a second."""

from collections.abc import Callable, Mapping
from typing import TextIO

from attrs import define, field
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ...model.results import Outcome, Status
from .screens import Running, finished_text

_STYLES = {Status.DONE: "green", Status.FAILED: "red", Status.SKIPPED: "yellow"}
_MARKS = {Status.DONE: "✓", Status.FAILED: "✗", Status.SKIPPED: "-"}


@define
class LiveScreen:
    """Running steps at the bottom, what is finished stays above. Colours heed ``NO_COLOR``."""

    _stream: TextIO
    _running: Mapping[str, Running]
    _clock: Callable[[], float]
    _notice: Callable[[], str] = lambda: ""
    _live: Live = field(init=False)
    _spinner: Spinner = field(init=False, factory=lambda: Spinner("line"))

    def __attrs_post_init__(self) -> None:
        self._live = Live(
            console=Console(file=self._stream, highlight=False),
            get_renderable=self._draw,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
        )

    def open(self) -> None:
        self._live.start()

    def close(self) -> None:
        self._live.stop()

    def phase(self, step: Running) -> None:
        """Drawn with the next refresh."""

    def moved(self, step: Running, now: float) -> None:
        """Drawn with the next refresh."""

    def finished(self, outcome: Outcome) -> None:
        line = Text(f"{_MARKS[outcome.status]} ", style=_STYLES[outcome.status])
        self._live.refresh()  # else printing would draw the step that has just ended once more
        self._live.console.print(line.append(finished_text(outcome), style="default"))

    def _draw(self) -> Group:
        notice = self._notice()
        return Group(self._steps(), *([Text(notice, style="yellow")] if notice else []))

    def _steps(self) -> Table:
        # rich calls this from its own thread, so the running steps are copied before they are walked
        now = self._clock()
        table = Table.grid(padding=(0, 1))
        for _ in range(2):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for step in list(self._running.values()):
            doing = ", ".join(part for part in (step.phase, step.transfer(now)) if part)
            table.add_row(self._spinner, Text(step.address), Text(doing))
        return table
