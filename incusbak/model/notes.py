"""What is found out about backups after they were made: new files of the repository, never edits."""

from datetime import datetime, timedelta

from attrs import frozen

from .refs import BackupId

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clocks of machines may be apart. What is dated later than that is of the future: a clock was
wrong, here or there, so it satisfies nothing."""


@frozen
class Inspection:
    """A backup was read again from end to end. ``problem``: what is damaged; empty when nothing is."""

    backup: BackupId
    at: datetime
    problem: str = ""

    @property
    def verdict(self) -> str:
        return "damaged" if self.problem else "good"


@frozen
class Rehearsal:
    """A backup was brought up in a scratch project, probed and removed. ``problem``: why it is of no use."""

    backup: BackupId
    at: datetime
    problem: str = ""
    restore_seconds: float = 0.0
    boot_seconds: float = 0.0

    @property
    def verdict(self) -> str:
        return "unfit" if self.problem else "rehearsed"


@frozen
class Shrinkage:
    """A backup holds next to nothing, though the one before did; ``accepted``: a person says that is right.

    The sizes are those of the resource without its snapshots; 0 where a person spoke.
    """

    backup: BackupId
    at: datetime
    before_bytes: int = 0
    own_bytes: int = 0
    accepted: bool = False

    @property
    def verdict(self) -> str:
        return "accepted" if self.accepted else "shrunk"


Note = Inspection | Rehearsal | Shrinkage


@frozen
class BackupHealth:
    """What notes say of a backup, as far as their names tell it. The times are those of the newest notes.

    ``ahead``: it is dated in the future itself. A note of the future says only what is bad, and only as long
    as no other does.
    """

    pinned: bool = False
    inspected: datetime | None = None
    damaged: bool = False
    rehearsed: datetime | None = None
    unfit: bool = False
    shrunk: bool = False
    ahead: bool = False

    @property
    def counts(self) -> bool:
        """Whether it can be the newest good one, and be what rules are about."""
        return not (self.damaged or self.ahead)


UNKNOWN = BackupHealth()
