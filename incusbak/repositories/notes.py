"""What was found out about backups, and what it says of them in sum."""

from collections.abc import Iterable
from datetime import datetime

from attrs import frozen

from ..model.notes import CLOCK_SKEW, BackupHealth, Note

REHEARSAL = "rehearsal"
_SUBJECTS = {
    **dict.fromkeys(("good", "damaged"), "content"),
    **dict.fromkeys(("rehearsed", "unfit"), REHEARSAL),
    **dict.fromkeys(("accepted", "shrunk"), "size"),
}
VERDICTS = {"good": 0, "rehearsed": 0, "damaged": 1, "unfit": 1, "shrunk": 1, "accepted": 2}
"""The words for what was found; of one second, the higher number counts: the bad, or a person's word."""
_BAD = 1


@frozen
class NoteFile:
    """One file of ``notes/``."""

    note: Note
    format_version: int = 1


def health_of(
    verdicts: Iterable[tuple[datetime, str]], *, pinned: bool, at: datetime | None = None
) -> BackupHealth:
    """Sum up what was found out when; of one second, what is bad counts.

    Args:
        at: what is dated later is no proof of anything good, and older than all else; None: nothing is.
    """
    last: dict[str, tuple[datetime | None, int]] = dict.fromkeys(_SUBJECTS.values(), (None, 0))
    for moment, verdict in verdicts:
        subject, weight = subject_of(verdict), VERDICTS[verdict]
        if at is None or moment <= at + CLOCK_SKEW:
            last[subject] = _later(last[subject], (moment, weight))
        elif weight == _BAD and last[subject][0] is None:
            last[subject] = (None, weight)
    read, rehearsed, size = last["content"], last[REHEARSAL], last["size"]
    return BackupHealth(pinned, read[0], bool(read[1]), rehearsed[0], bool(rehearsed[1]), size[1] == 1)


def subject_of(verdict: str) -> str:
    """What a note with this verdict is about: later ones about the same overtake it."""
    return _SUBJECTS.get(verdict, "")


def _later(known: tuple[datetime | None, int], found: tuple[datetime, int]) -> tuple[datetime | None, int]:
    return found if known[0] is None or found > (known[0], known[1]) else known
