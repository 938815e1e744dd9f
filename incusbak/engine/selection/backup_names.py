"""Several backups named by address and timestamp, either of them a glob. Pure."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

from attrs import frozen

from ...errors import Unplannable, all_of
from ...model.backups import Catalog
from ...model.goals import Marking
from ...model.refs import BackupId, parse_backup_id
from .patterns import is_pattern, nearest


@frozen
class Named:
    """A backup, or all whose address and timestamp match globs."""

    address: str
    timestamp: str

    def __str__(self) -> str:
        return f"{self.address}@{self.timestamp}"

    def means(self, backup: BackupId) -> bool:
        return fnmatchcase(backup.ref.address, self.address) and fnmatchcase(backup.timestamp, self.timestamp)


def read_named(text: str) -> BackupId | Named:
    """Read ``ADDRESS@TIMESTAMP``; with a glob in it, it may mean several.

    Raises:
        BadAddress: not of that form.
    """
    address, at, timestamp = text.rpartition("@")
    if at and (is_pattern(address) or is_pattern(timestamp)):
        return Named(address, timestamp)
    return parse_backup_id(text)


def marking_goals(
    named: Iterable[BackupId | Named],
    there: Iterable[BackupId],
    catalog: Catalog,
    goal: Callable[[BackupId, Catalog], Marking],
) -> tuple[Marking, ...]:
    """Ask the same of each backup that is named.

    Args:
        there: those that a glob may mean.

    Raises:
        Unplannable: one is not there, or a glob means none; a line for each, and nothing is asked for.
    """
    known = sorted(there)
    goals: dict[BackupId, Marking] = {}
    problems = []
    for each in named:
        try:
            goals |= {backup: goal(backup, catalog) for backup in _meant(each, known)}
        except Unplannable as problem:
            problems.append(problem)
    if problems:
        raise all_of(problems)
    return tuple(goals.values())


def _meant(named: BackupId | Named, known: Iterable[BackupId]) -> list[BackupId]:
    if isinstance(named, BackupId):
        return [named]
    of_that_name = [backup for backup in known if str(backup) == str(named)]
    found = of_that_name or [backup for backup in known if named.means(backup)]
    if not found:
        raise Unplannable(f"no such backup: {named}", hint=nearest(str(named), map(str, known)))
    return found
