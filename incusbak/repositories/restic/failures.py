"""What restic says when it fails, in the words of this program.

Since 0.17 its exit codes tell some failures apart; what it writes tells them all, from 0.14 on.
"""

import json
import re
from collections.abc import Iterable

from ...errors import (
    Corrupt,
    RepositoryDenied,
    RepositoryError,
    RepositoryLocked,
    RepositoryMissing,
    RepositoryUnavailable,
)

_MISSING, _LOCKED, _DENIED = 10, 11, 12
_NO_PASSWORD = re.compile(r"wrong password|no key found|Resolving password failed|empty password")
_HELD = re.compile(r"already locked(?: exclusively)? by PID (\d+) on (\S+) by (\S+)")
_SINCE = re.compile(r"lock was created at (\S+ \S+)")
_NOT_THERE = re.compile(
    r"no such file|does not exist|not found|\b404\b|NoSuchKey|NoSuchBucket|key does not exist", re.IGNORECASE
)
_AWAY = re.compile(
    r"connection refused|connection reset|broken pipe|no such host|no route to host|unreachable|timed? ?out|"
    r"dial tcp|unexpected EOF|: EOF|server misbehaving|TLS handshake|\b50[0234]\b|connection lost|"
    r"ssh command exited|unable to start the sftp session",
    re.IGNORECASE,
)
_DAMAGED = re.compile(
    r"ciphertext verification failed|invalid data returned|not found in (?:index|snapshot|repository)|"
    r"wrong hash|hash mismatch|does not match|size mismatch|corrupt|wrong data returned|no such file|"
    r"does not exist|decrypt|not enough bytes|truncated|unexpected EOF|invalid (?:magic|block|header)|"
    r"unmatched size|blob \S+ not found|unable to (?:load|read) (?:blob|tree|index)|index for |packs? from",
    re.IGNORECASE,
)
_INCOMPLETE = re.compile(r"missing in repo|index is not complete|seems? to be missing|blobs? .* missing")
_UNREADABLE = re.compile(
    r"input/output error|permission denied|not permitted|stale (?:NFS )?file handle|transport endpoint|"
    r"no such device|host is down|is not connected|structure needs cleaning",
    re.IGNORECASE,
)
"""A disk that can't be read: what lies on it may be as good as ever."""
_RETRYING = re.compile(r"retrying after [^:]*: ")
_NO_BUCKET = re.compile(r"bucket does not exist|NoSuchBucket|ContainerNotFound", re.IGNORECASE)
_REFUSED = re.compile(
    r"Access ?Denied|InvalidAccessKeyId|SignatureDoesNotMatch|access key id you provided|permission denied",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left|quota", re.IGNORECASE)
_NOT_ALLOWED = re.compile(r"permission denied|read-only file system|\b40[13]\b|AccessDenied", re.IGNORECASE)
_NOISE = re.compile(r"^(?:\x1b\[2K)?(?:Fatal: )*|\x1b\[2K")


def explain(place: str, operation: str, code: int, lines: Iterable[str]) -> RepositoryError:
    """Say what went wrong, given the exit code and what was written."""
    text = "\n".join(map(_plain, lines)).strip()
    if code == _DENIED or _NO_PASSWORD.search(text):
        return _denied(place, text)
    if code == _LOCKED or "already locked" in text:
        return RepositoryLocked(f"{place} is locked: {_holder(text)}", hint=_LOCK_HINT)
    is_away = bool(_AWAY.search(text))
    if code == _MISSING or ("Is there a repository at" in text and _NOT_THERE.search(text) and not is_away):
        return RepositoryMissing(f"there is no restic repository at {place}")
    reason = _last(text) or f"it ended with code {code} and said nothing"
    if is_away and ("://" in place or not place.startswith("/")):
        return RepositoryUnavailable(f"{place} can't be reached: {reason}")
    if _FULL.search(text):
        hint = "make room there, then run the command again"
        return RepositoryError(f"no space left at {place}: {reason}", hint=hint)
    if _NOT_ALLOWED.search(text):
        return _not_allowed(place, reason)
    return RepositoryError(f"restic {operation} failed at {place}: {reason}")


_LOCK_HINT = (
    "wait for the other run, or use --lock-wait SECONDS; the lock of a machine that is no more is removed "
    "after 30 minutes, or by `restic unlock`"
)


def is_pointless(line: str) -> bool:
    """Whether restic tries again, for a quarter of an hour, what somebody must do something about first."""
    return bool(_NO_BUCKET.search(line) or _REFUSED.search(line))


def gave_up(place: str, seconds: float, lines: Iterable[str]) -> RepositoryError:
    """Say why restic tried again and again."""
    causes = [cause for line in lines if (cause := _RETRYING.split(line, maxsplit=1)[1:])]
    reason = causes[-1][0] if causes else "it does not say why"
    if _NO_BUCKET.search(reason):
        return RepositoryMissing(f"there is no restic repository at {place}: {reason}")
    if _REFUSED.search(reason):
        return _not_allowed(place, reason)
    return RepositoryUnavailable(f"{place} can't be reached, tried again for {seconds:.0f} s: {reason}")


def _not_allowed(place: str, reason: str) -> RepositoryError:
    return RepositoryError(
        f"{place}: not permitted: {reason}", hint="check who may read and write there, and the credentials"
    )


def is_unreadable(error: RepositoryError) -> bool:
    """Whether the disk or its rights are in the way, so that nothing is known of what is stored."""
    return bool(_UNREADABLE.search(error.message))


def as_damage(error: RepositoryError, what: str) -> RepositoryError:
    """Take a failure to read what must be there for damage, if it looks like it."""
    if type(error) is RepositoryError and is_unreadable(error):
        hint = "see what the disk is about, and who may read there, then run the command again"
        return RepositoryError(f"{what} can't be read: {error.message}", hint=error.hint or hint)
    if type(error) is RepositoryError and _DAMAGED.search(error.message):
        return Corrupt(f"{what} can't be read: {error.message}")
    return error


def is_of_lost_data(error: RepositoryError) -> bool:
    """Whether restic refuses to remove anything as what it needs is lost: it might be found again."""
    return bool(_INCOMPLETE.search(error.message))


def _denied(place: str, text: str) -> RepositoryDenied:
    if "Resolving password failed" in text:
        return RepositoryDenied(
            f"the password of {place} can't be found: {_last(text)}",
            hint="check RESTIC_PASSWORD_FILE or RESTIC_PASSWORD_COMMAND",
        )
    return RepositoryDenied(
        f"the password is not that of {place}",
        hint="check RESTIC_PASSWORD, RESTIC_PASSWORD_FILE or RESTIC_PASSWORD_COMMAND",
    )


def _holder(text: str) -> str:
    held, since = _HELD.search(text), _SINCE.search(text)
    who = f"restic (pid {held[1]} on {held[2]}, run by {held[3]})" if held else "another restic"
    return f"{who} holds it" + (f" since {since[1]}" if since else "")


def _plain(line: str) -> str:
    """Take restic's own JSON and terminal codes off a line."""
    if line.startswith("{"):
        try:
            content = json.loads(line)
        except ValueError:
            return line
        found = content.get("message") or content.get("error", "")
        if isinstance(found, dict):
            found = found.get("message", "")
        return _NOISE.sub("", str(found))
    return _NOISE.sub("", line)


def _last(text: str) -> str:
    """The line that tells most: the last one that is no advice."""
    told = [line for line in text.splitlines() if line.strip() and not _ADVICE.search(line)]
    return told[-1].strip()[:500] if told else ""


_ADVICE = re.compile(
    r"^Is there a repository|`unlock` command|^storage ID|^/|^(?:rest|s3|sftp|rclone):|^signal "
)
