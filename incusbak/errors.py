"""Every error this program raises on purpose, each with its exit code and a hint.

::

    IncusbakError                       1   failed
    ├── UsageError                     64   wrong flag or argument; nothing was touched
    │   ├── PolicyError                64   problems in policy files, all of them, each with its place
    │   └── PlanFormatError            64   not a plan file, or one that was edited
    ├── ApprovalRequired                5   the plan has hazards and nobody agreed
    ├── StalePlan                       4   a precondition no longer holds; nothing was changed
    ├── Blocked                         7   a guard said no
    ├── Unplannable                     1   a goal can't be reached from here, found while planning
    │   └── Undecided                   1   a person has to say first what is meant
    ├── ServerError                     1   the Incus server said no
    │   ├── NotFound                    1
    │   ├── Conflict                    1   exists already, or would clash
    │   ├── ChangedMeanwhile            4   an If-Match did not match
    │   ├── Disturbed                   1   someone changed the thing while it was worked on
    │   ├── ContentMissing              1   the server exported less than the definition promises
    │   ├── NotAuthorized               1
    │   ├── Refused                     1   the server does not take what was sent
    │   ├── OperationFailed             1   a background operation ended in failure, or without its effect
    │   ├── OperationLost               1   the server forgot the operation (it restarted)
    │   ├── CommandFailed               1   a command inside of an instance failed
    │   ├── OperationStalled            1   no progress for too long; it can't be cancelled
    │   ├── Busy                        1   it still works on the thing; that ends by itself
    │   ├── NotUnderstood               1   an answer that is not of Incus, or not all of it
    │   └── ServerUnavailable          75   not reachable, or gone in mid-request
    │       └── BrokenOff              75   it, or a member of its cluster, stopped sending half-way
    ├── RepositoryError                 1   the repository can't be read or written
    │   ├── NoSuchBackup                1
    │   ├── NotRecorded                 1   what was found out about a backup can't be kept
    │   ├── RepositoryMissing          10
    │   ├── RepositoryLocked           11
    │   ├── RepositoryDenied           12   wrong password
    │   ├── RepositoryUnavailable      75   not reachable, or gone in mid-request
    │   └── Corrupt                     6   stored bytes are not what was written
    │       └── Cut                     6   they end too early
    ├── Unfit                           6   a rehearsal failed: the backup does not come up
    ├── Incomplete                      3   some steps failed, the others were carried out
    └── Stopped                       130   interrupted (143: terminated), after cleaning up
"""

from collections.abc import Iterable
from typing import ClassVar


class IncusbakError(Exception):
    """Something failed in a way that can be explained in one sentence.

    Args:
        message: what, which address, why.
        hint: what to do next; the class's own hint when left out.
    """

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def add_note(self, note: str) -> None:
        """Say, after what went wrong, what became of it or what went wrong besides."""
        super().add_note(note)
        self.message += f"; {note}"


class UsageError(IncusbakError):
    """The command line, a policy or a plan file is wrong; nothing was touched."""

    exit_code = 64


class PolicyError(UsageError):
    """One or more problems in policy files; ``message`` has a line for each."""

    default_hint = "correct the policy and run `incus-backup validate -f POLICY`"


class PlanFormatError(UsageError):
    """The file is not a plan this version can read, or it was edited after it was written."""

    default_hint = "make a new plan with `incus-backup plan -f POLICY`"


class ApprovalRequired(IncusbakError):
    """The plan has hazards and nobody agreed to them."""

    exit_code = 5
    default_hint = "review the plan, then add --yes, or --approve DIGEST to run exactly what was reviewed"


class StalePlan(IncusbakError):
    """What the plan was made for is no longer so; nothing was changed."""

    exit_code = 4
    default_hint = "make a new plan and review it"


class Blocked(IncusbakError):
    """A guard said no."""

    exit_code = 7


class Unplannable(IncusbakError):
    """A goal can't be reached from the present state; found before anything was touched.

    Args:
        of: the address of the one thing that can't be done, where others can be without it; empty: there is
            nothing to be done before somebody says what is meant.
        parts: the problems of which this one is the sum.
        lacks: the addresses of what would have to be on the server, each with its name in the backup.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        of: str = "",
        parts: "tuple[Unplannable, ...]" = (),
        lacks: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.of = of
        self.parts = parts
        self.lacks = lacks

    def about(self, address: str) -> "Unplannable":
        """The same, as the problem of this one thing."""
        return Unplannable(self.message, hint=self.hint, of=address, lacks=self.lacks)

    def with_hint(self, hint: str) -> "Unplannable":
        """The same, with what helps it and others."""
        return Unplannable(self.message, hint=hint, of=self.of, lacks=self.lacks)


class Undecided(Unplannable):
    """Several things could be meant, or something would be lost: a person has to say what is wanted."""


def all_of(problems: Iterable[Unplannable]) -> Unplannable:
    """Say several problems in one error, a line each."""
    found = list(problems)
    lines = sorted({line for problem in found for line in problem.message.splitlines()})
    hints = sorted({problem.hint for problem in found if problem.hint})
    return Unplannable("\n".join(lines), hint="; ".join(hints), parts=tuple(found))


class ServerError(IncusbakError):
    """The Incus server refused or failed."""


class NotFound(ServerError):
    """The server has no such thing."""


class Conflict(ServerError):
    """The thing exists already or would clash with another."""


class ChangedMeanwhile(ServerError):
    """The thing changed since it was read (If-Match)."""

    exit_code = 4
    default_hint = "make a new plan and review it"


class Disturbed(ServerError):
    """Someone started, stopped or replaced the thing while it was worked on."""

    default_hint = "run the command again"


class ContentMissing(ServerError):
    """The server exported less than the definition promises; nothing of it is stored."""

    default_hint = (
        "see that its storage is there: a disk that is not mounted, a folder or an image that was moved or "
        "cut; the server exports what it finds and says nothing"
    )


class NotAuthorized(ServerError):
    """The server does not let this client do that."""

    default_hint = "check that the client certificate is trusted, or that you may use the Incus socket"


class Refused(ServerError):
    """The server does not take what was sent, as it stands (400); another try would end the same."""


class OperationFailed(ServerError):
    """A background operation of the server ended in failure, or without what it was to bring about."""


class OperationLost(ServerError):
    """The server no longer knows the operation, most likely because it restarted."""

    default_hint = "look at the Incus daemon's log, then run the command again; leftovers are removed by it"


class CommandFailed(ServerError):
    """A command inside of an instance can't be run, failed, or took too long."""

    default_hint = "see the hooks of the policy (`before`, `after`) and of the instance"


class OperationStalled(ServerError):
    """A background operation made no progress for too long; the server can't cancel it."""

    default_hint = "check the free space of the server's backups folder; restarting the Incus daemon ends it"


class Busy(ServerError):
    """The server still works on the thing, for whoever; it can't be cancelled, but ends by itself."""

    default_hint = "run the command again when `incus operation list` shows nothing"


class NotUnderstood(ServerError):
    """What answered is not Incus, or not all of the answer arrived; what was asked for may have been done."""

    default_hint = "check that this is an Incus server, and what stands between it and here"


class ServerUnavailable(ServerError):
    """The server can't be reached, or the connection broke."""

    exit_code = 75
    default_hint = "check that the Incus daemon runs and is reachable, then try again"


class BrokenOff(ServerUnavailable):
    """The server, or the member of its cluster that has the thing, stopped sending half-way."""

    default_hint = (
        "most likely the server or the member that has it went away, or has no room left where it keeps "
        "exports: look at its log (`incus warning list`, `journalctl -u incus`), then run the command again"
    )


class RepositoryError(IncusbakError):
    """The repository can't be read or written."""


class NoSuchBackup(RepositoryError):
    """The repository holds no such backup."""

    default_hint = "see what there is with `incus-backup list`"


class NotRecorded(RepositoryError):
    """What was found out about a backup can't be kept, so nobody will know of it."""

    default_hint = "see that the repository can be written to, then run the command again"


class RepositoryMissing(RepositoryError):
    """There is no repository at that place, and none may be made there."""

    exit_code = 10
    default_hint = "check --target, and that the disk it lies on is mounted"


class RepositoryLocked(RepositoryError):
    """Someone else is writing to the repository."""

    exit_code = 11
    default_hint = "wait for the other run, or use --lock-wait SECONDS"


class RepositoryDenied(RepositoryError):
    """The repository's password is wrong or missing."""

    exit_code = 12


class RepositoryUnavailable(RepositoryError):
    """The repository is elsewhere and can't be reached, or the connection broke."""

    exit_code = 75
    default_hint = "check that the place of the repository can be reached, then run the command again"


class Corrupt(RepositoryError):
    """Stored bytes are not the bytes that were written."""

    exit_code = 6
    default_hint = (
        "check the disk, see which other versions there are (`incus-backup list`), and back up anew what "
        "still lives"
    )


class Cut(Corrupt):
    """An archive ends before its end mark."""


class Unfit(IncusbakError):
    """A rehearsal failed: the backup can't be brought in, does not start, or fails a probe."""

    exit_code = 6
    default_hint = (
        "rehearse another version (`incus-backup list instances`), and see that the probes are right"
    )


class Incomplete(IncusbakError):
    """Some steps failed, the others were carried out."""

    exit_code = 3


class Stopped(IncusbakError):
    """Interrupted by SIGINT or SIGTERM, after cleaning up.

    Args:
        signum: 2 for SIGINT (exit code 130), 15 for SIGTERM (143).
    """

    exit_code = 130

    def __init__(self, message: str = "interrupted", *, signum: int = 2) -> None:
        super().__init__(message)
        self.signum = signum
