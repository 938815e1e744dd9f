"""What happened: progress events while it does, outcomes and the report after."""

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from .plans import Missed, Stay


class Status(StrEnum):
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not tried, because an earlier step it needs failed or the run was stopped."""


@frozen
class StepResult:
    """What a step brought about: the backup written, or the identity of the instance restored.

    ``stays``: as in the step.
    """

    backup: str = ""
    identity: str = ""
    size_bytes: int = 0
    note: str = ""
    stays: tuple[Stay, ...] = ()


@frozen
class RehearsalTimes:
    """How long a backup took to be brought in, and from its start until it was up."""

    restore_seconds: float
    boot_seconds: float


@frozen
class Outcome:
    """How one step ended. ``exit_code`` is that of its error, 0 when done."""

    step: str
    address: str
    status: Status
    made: StepResult = StepResult()
    error: str = ""
    hint: str = ""
    exit_code: int = 0
    seconds: float = 0.0


@frozen
class Report:
    """``report.json`` of a run. ``missed``: what was asked for and had no step."""

    started: datetime
    finished: datetime
    digest: str
    outcomes: tuple[Outcome, ...]
    format_version: int = 1
    missed: tuple[Missed, ...] = ()

    def count(self, status: Status) -> int:
        return sum(outcome.status is status for outcome in self.outcomes)


@frozen
class RestoreFact:
    """An earlier run restored ``source`` as ``address``; the instance made had this identity."""

    address: str
    source: str
    identity: str


# -- events -----------------------------------------------------------------------------------------


@frozen
class Phased:
    """The step is now doing this, in words."""

    text: str


@frozen
class Transferred:
    """This many more bytes of the archive went by."""

    size_bytes: int


@frozen
class Started:
    """Work on the step has begun."""


@frozen
class Finished:
    outcome: Outcome


StepEvent = Phased | Transferred | Started | Finished


@frozen
class Event:
    """Something happened in a step."""

    step: str
    address: str
    what: StepEvent
