"""How far a run got: kept until it ended well, so that the next run of the same command can go on there.

A course is begun before the first step, and each entry is written once what it tells of can't be lost any
more; of a backup before it can be seen, since then it is told by the repository whether it was stored.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from attrs import frozen

from .refs import BackupId, ResourceRef

LASTING = timedelta(hours=24)
"""For how long after its last sign a run can be gone on with at all."""
_SKEW = timedelta(minutes=5)


@frozen
class BackupMade:
    """A backup that is about to be seen, of a resource with this identity."""

    at: datetime
    backup: BackupId
    identity: str


@frozen
class RestoreMade:
    """What was brought back, whole and in its place: its identity, and a digest of what it was then."""

    at: datetime
    ref: ResourceRef
    source: BackupId
    identity: str
    digest: str


@frozen
class StepMade:
    """A step of the plan was carried out."""

    at: datetime
    step: str


@frozen
class RunEnded:
    """It ended by itself, though not well: with this exit code."""

    at: datetime
    exit_code: int


@frozen
class RunTold:
    """A later run has told of it."""

    at: datetime


Entry = BackupMade | RestoreMade | StepMade | RunEnded | RunTold


@frozen
class Course:
    """What a run set out to do, and how far it got.

    ``command``: in words; ``key``: what runs of the same command have in common, with the same settings on
    the same repository, whose id is ``repository``; empty where nobody can go on. ``steps``: of its plan.
    """

    id: str
    command: str
    key: str
    repository: str
    started: datetime
    steps: int
    entries: tuple[Entry, ...] = ()
    format_version: int = 1

    @property
    def last_sign(self) -> datetime:
        signs = (entry.at for entry in self.entries if not isinstance(entry, RunTold))
        return max((self.started, *signs))

    @property
    def done(self) -> int:
        return len({entry.step for entry in self.entries if isinstance(entry, StepMade)})

    @property
    def ended(self) -> RunEnded | None:
        """How it ended; None: it was killed."""
        return next((entry for entry in reversed(self.entries) if isinstance(entry, RunEnded)), None)

    @property
    def is_told(self) -> bool:
        return any(isinstance(entry, RunTold) for entry in self.entries)


def lasting(courses: Iterable[Course], now: datetime) -> Iterator[Course]:
    """Those that are not too old, nor of a time that is still to come."""
    return (course for course in courses if is_recent(course.last_sign, now, LASTING))


def is_recent(moment: datetime, now: datetime, age: timedelta) -> bool:
    return -_SKEW <= now - moment <= age
