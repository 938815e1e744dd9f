"""``runs/``: what was done, by which plan."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from ...codec import BadDocument, dump, load
from ...durable import explained, names_in, open_folder, read_file, write_file
from ...errors import RepositoryError
from ...model.refs import format_timestamp
from ...model.results import Report, RestoreFact
from ..layout import RUNS, RUNS_ASIDE
from ..runs import RunReport
from .staging import reserve

_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


class RunLog:
    """The run reports of one repository. They are never edited, so each is read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._facts: dict[str, tuple[RestoreFact, ...]] = {}

    def add(self, report: Report, plan_json: str, facts: Iterable[RestoreFact]) -> None:
        """Keep a run under the time it finished."""
        if not re.match(r"[0-9a-f]{8}", report.digest):
            raise RepositoryError(f"{report.digest!r} is not a plan's digest")
        staged = reserve(self._root, (RUNS,), report.finished, area=RUNS_ASIDE)
        try:
            with explained(staged.path), open_folder(self._root, staged.parts) as folder:
                write_file("plan.json", _encode(plan_json), folder)
                write_file("report.json", _encode(dump(RunReport(report, tuple(facts)))), folder)
            staged.place(f"{staged.timestamp}-{report.digest[:8]}")
        finally:
            staged.discard()

    def reports(self, after: datetime) -> Iterator[Report]:
        """See ``ports.Repository``."""
        with explained(self._root / RUNS):
            names = names_in(self._root, (RUNS,))
        earliest = format_timestamp(after)  # timestamps sort as text
        for name in sorted(filter(_RUN.fullmatch, names), reverse=True):
            if name < earliest:
                return
            if (read := self._read(name)) and read.report.finished > after:
                yield read.report

    def restore_fact(self, address: str) -> RestoreFact | None:
        """Look from the newest run back."""
        with explained(self._root / RUNS):
            names = names_in(self._root, (RUNS,))
        for name in sorted(filter(_RUN.fullmatch, names), reverse=True):
            if name not in self._facts:
                read = self._read(name)
                self._facts[name] = read.facts if read else ()
            for fact in reversed(self._facts[name]):
                if fact.address == address:
                    return fact
        return None

    def _read(self, name: str) -> RunReport | None:
        try:
            with open_folder(self._root, (RUNS, name)) as folder:
                return load(read_file("report.json", folder), RunReport)
        except (OSError, BadDocument):  # an old report that can't be read only costs a hint
            return None


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
