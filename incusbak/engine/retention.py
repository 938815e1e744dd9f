"""Which backups of a resource are kept, and why. Pure.

The rules are those of ``restic forget`` from version 0.16 on (``ApplyPolicy`` in its source). They are ORed;
from the newest backup back, the first of each calendar period is kept while its rule has counts left; the
oldest backup fills a count that is left over, so that history is as long as it can be. Unlike restic's,
periods are of the policy's time zone, not of the zone a backup was made in, and hours are hours of UTC: the
hour a clock is turned back is two.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from datetime import datetime, timedelta, tzinfo
from operator import attrgetter
from zoneinfo import ZoneInfo

from attrs import frozen

from ..model.actions import Kept
from ..model.backups import Catalog
from ..model.goals import Retained
from ..model.policies import Keep
from ..model.refs import CONFIG, BackupId, format_timestamp

_HOUR = 3600
NEWEST, PINNED, ALL = "newest", "pinned", "all"
DAMAGED = "damaged, and no newer one is good"
SHRANK = "newer ones hold next to nothing"
AHEAD = "dated in the future"


@frozen
class Retention:
    """What stays and what goes, oldest first."""

    keep: tuple[Kept, ...]
    remove: tuple[BackupId, ...]


def retention_of(goal: Retained, catalog: Catalog, *, to_come: Set[BackupId] = frozenset()) -> Retention:
    """Decide with the backups that are still to be made, which are then left out: they have no name yet."""
    known = catalog.known(goal.ref)
    found = retain(
        {*known, *to_come},
        goal.keep,
        zone=ZoneInfo(goal.timezone),
        pinned={backup for backup, health in known.items() if health.pinned},
        damaged={backup for backup, health in known.items() if health.damaged},
        held=catalog.held(goal.ref),
        ahead={backup for backup, health in known.items() if health.ahead},
    )
    unmade = to_come - known.keys()
    if not unmade:
        return found
    return Retention(tuple(kept for kept in found.keep if kept.backup not in unmade), found.remove)


def retain(
    backups: Iterable[BackupId],
    keep: Keep,
    *,
    zone: tzinfo,
    pinned: Set[BackupId] = frozenset(),
    damaged: Set[BackupId] = frozenset(),
    held: Set[BackupId] = frozenset(),
    ahead: Set[BackupId] = frozenset(),
) -> Retention:
    """Divide the complete backups of one resource.

    No rule, no removal. The newest good one always stays. Pinned ones stay and are not counted. Damaged ones
    are not counted either; they go where there is a newer good one, which always stays. Those dated in the
    future stay and are not counted: whose clock is wrong can't be known, and the past would look like that
    to one that went back.

    Args:
        damaged: those known to be.
        held: those that stay since what came after them can't replace them.
        ahead: those dated in the future.
    """
    keep = Keep(all=True) if keep == Keep() else keep
    there = sorted(backups, key=attrgetter("timestamp"), reverse=True)
    special = {*pinned, *damaged, *ahead}.intersection(there)
    counted = [backup for backup in there if backup not in special]
    reasons = dict(_reasons(counted, keep, zone))
    good = next((backup for backup in there if backup not in damaged and backup not in ahead), None)
    if good is not None:
        reasons.setdefault(good, (NEWEST,))
    reasons = {**dict.fromkeys(held.__and__({*there}), (SHRANK,)), **reasons}
    reasons |= {b: (DAMAGED,) for b in special if good is None or good < b}
    reasons |= {b: (AHEAD,) for b in special if b in ahead}
    reasons |= {b: (PINNED,) for b in special if b in pinned}
    return Retention(
        keep=tuple(Kept(backup, reasons[backup]) for backup in reversed(there) if backup in reasons),
        remove=tuple(backup for backup in reversed(there) if backup not in reasons),
    )


def _reasons(
    newest_first: list[BackupId], keep: Keep, zone: tzinfo
) -> Iterator[tuple[BackupId, tuple[str, ...]]]:
    if not newest_first:
        return
    rules = [_Rule(name, count, period) for name, count, period in _rules(keep) if count]
    latest = newest_first[0].created
    for number, backup in enumerate(newest_first):
        moment = backup.created.astimezone(zone)
        reasons = [ALL] if keep.all else []
        if keep.within and moment > latest - keep.within:
            reasons.append("within")
        is_oldest = number == len(newest_first) - 1
        reasons += [reason for rule in rules if (reason := rule.take(moment, number, is_oldest=is_oldest))]
        if reasons:
            yield backup, tuple(reasons)


Period = Callable[[datetime, int], object]
"""What tells one period from another, from the local time of a backup and its position in the list."""


def _rules(keep: Keep) -> Iterator[tuple[str, int, Period]]:
    yield "last", keep.last, lambda _, number: number
    yield "hourly", keep.hourly, lambda moment, _: int(moment.timestamp()) // _HOUR
    yield "daily", keep.daily, lambda moment, _: moment.date()
    yield "weekly", keep.weekly, lambda moment, _: moment.isocalendar()[:2]
    yield "monthly", keep.monthly, lambda moment, _: (moment.year, moment.month)
    yield "yearly", keep.yearly, lambda moment, _: moment.year


class _Rule:
    """One rule on its way from the newest to the oldest."""

    def __init__(self, name: str, count: int, period: Period) -> None:
        self._name = name
        self._left = count
        self._period = period
        self._last: object = None

    def take(self, moment: datetime, number: int, *, is_oldest: bool) -> str:
        """Say why the rule wants this backup; empty if it does not."""
        if not self._left:
            return ""
        period = self._period(moment, number)
        is_new = period != self._last
        if not (is_new or is_oldest):
            return ""
        self._last = period
        self._left -= 1
        return self._name if is_new else f"oldest, {self._name}"


def simulate(keep: Keep, *, zone: tzinfo, start: datetime, days: int) -> tuple[Kept, ...]:
    """What is left of one backup a day, pruned every day, after so many days; oldest first."""
    there: set[BackupId] = set()
    found = Retention((), ())
    for day in range(1, days + 1):
        there.add(BackupId(CONFIG, format_timestamp(start + timedelta(days=day))))
        found = retain(there, keep, zone=zone)
        there.difference_update(found.remove)
    return found.keep
