"""How things stand with what the rules of a policy promise: that backups exist, and how old they may be."""

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from .refs import BackupId


class State(StrEnum):
    """What became of the promise for one resource; all but ``OK`` mean that it is broken."""

    OK = "ok"
    OVERDUE = "overdue"
    MISSING = "missing"
    UNREHEARSED = "unrehearsed"
    """Its last rehearsal failed, or is too long ago."""
    IMPOSSIBLE = "impossible"
    """The server can't export it."""
    DAMAGED = "damaged"
    """The newest backup is known to be damaged."""
    UNREADABLE = "unreadable"
    """The newest backup can't be read now: its disk or its rights are in the way."""
    SHRUNK = "shrunk"
    """The newest backup holds next to nothing, though earlier ones hold more, and nobody agreed to that."""
    UNVERIFIED = "unverified"
    """A backup was not read again for longer than promised."""
    FUTURE = "future"
    """A backup is dated in the future, so a clock was wrong: that of who made it, or of who looks."""


@frozen
class NewestBackup:
    """The newest backup of a resource; ``size_bytes`` None: its manifest can't be read."""

    backup: BackupId
    created: datetime
    age_seconds: int
    size_bytes: int | None


@frozen
class StoredSize:
    """How large a backup is."""

    created: datetime
    size_bytes: int


@frozen
class Verification:
    """What is known of a resource's backups from reading them again.

    ``max_age_seconds`` None: no rule promises that they are read. ``last``: since then each was either made
    or read to its end; None: there is none. ``damaged``: those known to be.
    """

    max_age_seconds: int | None = None
    last: datetime | None = None
    damaged: tuple[BackupId, ...] = ()


@frozen
class Totals:
    """What the repository holds: backups in sight, what they and removed ones take, what its disk has left.

    Sizes are None where they can't be known.
    """

    backups: int
    stored_bytes: int | None = None
    free_bytes: int | None = None


@frozen
class FailedAttempts:
    """How many backups failed since the newest good one, and when and why the last of them did."""

    count: int
    last: datetime
    error: str
    hint: str = ""


@frozen
class LastRehearsal:
    """How the last rehearsal of a resource went; the seconds are measured, 0 where it failed."""

    backup: BackupId
    at: datetime
    problem: str = ""
    restore_seconds: float = 0.0
    boot_seconds: float = 0.0


@frozen
class Standing:
    """How one protected resource stands.

    ``max_age_seconds`` None: a backup must exist, however old. ``newest``: of those not known to be damaged.
    ``reason``: why the promise is broken, in words; empty where it is kept. ``rehearse_max_age_seconds``
    None: no rule promises rehearsals. ``sizes``: of its last backups that can be read, oldest first.
    ``failed``: the attempts to make a newer one, where the promise is broken.
    """

    address: str
    kind: str
    project: str
    rule: str
    state: State
    max_age_seconds: int | None
    newest: NewestBackup | None
    reason: str = ""
    verification: Verification = Verification()
    rehearsal: LastRehearsal | None = None
    rehearse_max_age_seconds: int | None = None
    sizes: tuple[StoredSize, ...] = ()
    failed: FailedAttempts | None = None


@frozen
class VanishedRule:
    """A rule that means nothing on the server any more, though the repository knows what it meant."""

    rule: str
    reason: str


@frozen
class Leftover:
    """What an earlier run left on the server and can't be cleaned up.

    ``what``: how it came to be; ``why``: what the server said; ``hint``: what to do.
    """

    address: str
    what: str
    why: str
    hint: str
    since: datetime


@frozen
class Overview:
    """All promises of a policy as of one moment, and what it leaves out; everything sorted.

    ``reconfigured``, ``unprotected`` and ``opted_out`` are addresses, as in a plan's drift. ``target``: what
    the policy calls the repository, where it has several. ``unmet``: what is not as the policy expects.
    """

    server: str
    repository: str
    as_of: datetime
    protected: tuple[Standing, ...] = ()
    vanished: tuple[VanishedRule, ...] = ()
    reconfigured: tuple[str, ...] = ()
    unprotected: tuple[str, ...] = ()
    opted_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    totals: Totals | None = None
    target: str = ""
    quarantined: tuple[Leftover, ...] = ()
    unmet: tuple[str, ...] = ()

    @property
    def broken_promises(self) -> int:
        broken = sum(each.state is not State.OK for each in self.protected)
        return broken + len(self.vanished) + len(self.unmet)

    def count(self, state: State) -> int:
        return sum(each.state is state for each in self.protected)
