"""What we keep is what restic keeps: hundreds of random histories, many rules, time zones of every sort."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from attrs import frozen

from incusbak.engine.retention import retain
from incusbak.model.policies import Keep
from incusbak.model.refs import BackupId, format_timestamp, instance_ref
from tests.live.support.restic import Restic
from tests.live.thinning import some

HISTORIES = 250
ZONES = ("Europe/Berlin", "America/New_York", "UTC")
REF = instance_ref("default", "web")
RULES = (
    Keep(last=1),
    Keep(last=3, daily=4),
    Keep(hourly=5),
    Keep(daily=7, weekly=4, monthly=12),
    Keep(weekly=3),
    Keep(monthly=2, yearly=3),
    Keep(yearly=1),
    Keep(within=timedelta(hours=36)),
    Keep(within=timedelta(hours=100), weekly=2),
    Keep(hourly=24, daily=7, weekly=5, monthly=12, yearly=10, last=2),
    Keep(daily=1000),
)
COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


@frozen
class Histories:
    """The moments of each history, by its name, all in one zone."""

    zone: ZoneInfo
    moments: dict[str, tuple[datetime, ...]]


def make_histories(zone: ZoneInfo) -> Histories:
    """Bursts and gaps around changes of clock, years and ISO weeks; the same at every run.

    All of them are past: restic does not count what is within a time of a snapshot of the future.
    """
    dice = random.Random(str(zone))
    starts = [datetime(*day, tzinfo=UTC) for day in ((2005, 3, 27), (2004, 12, 31), (2004, 2, 28))]
    return Histories(zone, {f"h{number}": tuple(_moments(dice, starts)) for number in range(HISTORIES)})


def _moments(dice: random.Random, starts: Sequence[datetime]) -> Iterator[datetime]:
    moment = dice.choice(starts) + timedelta(seconds=dice.randrange(86400 * 3))
    longest = dice.choice([2, 30, 24 * 4, 24 * 60, 24 * 400])
    for _ in range(dice.randrange(1, 18)):
        yield moment
        moment += timedelta(seconds=dice.randrange(1, longest * 3600))


def turned_back(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether the local hour comes twice on this day: restic takes both for one, and we do not."""
    there = moment.astimezone(zone)
    return there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset()


@pytest.fixture(params=some(ZONES, 3))
def histories(request: pytest.FixtureRequest) -> Histories:
    return make_histories(ZoneInfo(request.param))


@pytest.mark.usefixtures("_installed")
def test_the_same_backups_are_kept(histories: Histories, workdir: Path) -> None:
    zone = histories.zone
    restic = Restic(workdir / "restic")
    restic.init()
    restic.add((name, moment.astimezone(zone)) for name, all_ in histories.moments.items() for moment in all_)
    for rule in RULES:
        expected = restic.kept(*_flags(rule))
        for name, moments in histories.moments.items():
            if rule.hourly and any(turned_back(moment, zone) for moment in moments):
                continue
            backups = [BackupId(REF, format_timestamp(moment)) for moment in moments]
            kept = {each.backup.created for each in retain(backups, rule, zone=zone).keep}
            assert kept == expected[name] | {max(moments)}, (rule, name, sorted(moments))


def _flags(rule: Keep) -> list[str]:
    flags = [f"--keep-{name}={getattr(rule, name)}" for name in COUNTS if getattr(rule, name)]
    hours = int(rule.within.total_seconds()) // 3600
    return [*flags, *([f"--keep-within={hours}h"] if hours else [])]
