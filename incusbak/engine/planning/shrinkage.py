"""Backups that hold next to nothing, though those before them did: a volume whose disk is not mounted, say.

Nobody can tell whether that is meant. Such a backup is stored, a note says what it is, and no older one that
holds more is removed until a person agrees (``accept``), or a later backup is as full as they are.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ...errors import Blocked
from ...model.backups import Catalog, Manifest
from ...model.goals import Goal, Rehearsed, Restored, Retained
from ...model.policies import Latest
from ...model.refs import BackupId, ResourceRef
from ...model.sizes import humanize_bytes
from ..selection.versions import trying

_MUCH = 1 << 20
"""Bytes; what holds less may come and go, but not down to nothing."""
_SHARE = 20


def own_bytes(manifest: Manifest) -> int | None:
    """What a resource takes without its snapshots; None where that is not known well enough."""
    captured = manifest.captured
    if captured.own_bytes is not None:
        return captured.own_bytes
    known = not captured.snapshots and captured.content_bytes >= _MUCH
    return captured.content_bytes if known else None


def has_shrunk(before: int | None, now: int | None) -> bool:
    """Whether next to nothing is left."""
    if before is None or now is None:
        return False
    return now == 0 < before or (before >= _MUCH and now * _SHARE < before)


def check_removal(backups: Iterable[BackupId], ref: ResourceRef, catalog: Catalog) -> None:
    """See that nothing goes that a nearly empty backup does not replace.

    Raises:
        Blocked: it would.
    """
    doubted = catalog.doubted(ref)
    if not catalog.held(ref).isdisjoint(backups):
        raise Blocked(
            f"{doubt_in_words(doubted)}; nothing that holds more is removed", hint=how_to_agree(doubted)
        )


def doubt_in_words(doubted: tuple[BackupId, ...]) -> str:
    since = f", since {doubted[0].timestamp}" if len(doubted) > 1 else ""
    return f"{doubted[-1]} holds next to nothing, while earlier ones hold more{since}"


def how_to_agree(doubted: tuple[BackupId, ...]) -> str:
    return f"see that its storage is there; if it is meant to be empty: `incus-backup accept {doubted[-1]}`"


def shrinkage_warnings(goals: Iterable[Goal], catalog: Catalog) -> Iterator[str]:
    """Tell of what is kept since nobody agreed, and of restores that take, or pass over, next to nothing."""
    for goal in goals:
        match goal:
            case Retained(ref=ref) if doubted := catalog.doubted(ref):
                yield f"{doubt_in_words(doubted)}; those are kept: {how_to_agree(doubted)}"
            case Restored(source=source) if catalog.health(source).shrunk:
                full = catalog.last_full(source.ref)
                yield f"{source} holds next to nothing" + (f"; {full.timestamp} holds more" if full else "")
            case Rehearsed(ref=ref, source=source) if source and source == catalog.last_full(ref):
                if doubted := catalog.doubted(ref):
                    yield f"{doubt_in_words(doubted)}; {source.timestamp} is rehearsed"
            case Restored(source=source, version=Latest(before=before)):
                if passed := _newer_doubted(source, before, catalog):
                    anyway = f"{trying(passed[-1], 'restore')} takes it all the same"
                    yield f"{doubt_in_words(passed)}; {source.timestamp} is taken; {anyway}"


def _newer_doubted(source: BackupId, before: datetime | None, catalog: Catalog) -> tuple[BackupId, ...]:
    newer = (backup for backup in catalog.up_to(source.ref, before) if backup > source)
    return tuple(b for b in newer if catalog.health(b).shrunk and catalog.health(b).counts)


def what_shrank(before: int, now: int) -> str:
    return f"it holds {humanize_bytes(now)}, the one before {humanize_bytes(before)}"
