"""``incus-backup rehearse``."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import click
from attrs import frozen

from ..engine.selection.care_requests import rehearse_goals
from ..engine.selection.policy import Selection, selection_of
from ..errors import RepositoryError
from ..model.actions import Rehearse
from ..model.backups import Catalog
from ..model.inventory import Inventory
from ..model.notes import Rehearsal
from ..model.policies import Version
from ..model.refs import BackupId
from ..model.results import Outcome
from ..policyfile import parse_command, parse_duration
from ..render import render_table
from .offline import existing_catalog
from .options import Settings, global_options
from .output import as_data
from .pinging import PingingCommand
from .planning import columns
from .resources import read_request, read_stored
from .restore_cmd import at_option, version_meant, version_option
from .session import Session
from .telling import Deed, tells_deeds
from .workflow import run_now

_KINDS = ("instance",)
_WORDS = ("instance", "instances")
_UNKNOWN = "unknown"


class ProbeType(click.ParamType[tuple[str, ...]]):
    """``'test -e /etc/hostname'``."""

    name = "CMD"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        try:
            return parse_command(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class DurationType(click.ParamType[timedelta]):
    """``5m``."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return parse_duration(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


@frozen
class _Found:
    """How a rehearsal went. ``result``: ``rehearsed``, ``unfit`` or, where it did not end, ``unknown``."""

    address: str
    result: str
    problem: str = ""
    restore_seconds: float = 0.0
    boot_seconds: float = 0.0

    @property
    def fit(self) -> bool | None:
        return None if self.result == _UNKNOWN else not self.problem


def _tell(deeds: Sequence[Deed], output: str) -> str:
    """Say how each rehearsal went; of none, no table. With --quiet, only of those that did not go well."""
    found = [
        each for deed in deeds for each in _all_found(deed) if not (each.fit and deed.session.settings.quiet)
    ]
    if output == "table":
        headers = ["BACKUP", "RESULT", "RESTORED IN", "UP IN", "WHAT IS WRONG"]
        return render_table(headers, [_row(each) for each in found], width=columns()) if found else ""
    data = [
        {
            "address": each.address,
            "fit": each.fit,
            "problem": each.problem,
            "restore_seconds": each.restore_seconds,
            "boot_seconds": each.boot_seconds,
        }
        for each in found
    ]
    return as_data(data, output)


def _all_found(deed: Deed) -> Iterator[_Found]:
    for step, outcome in zip(deed.plan.steps, deed.report.outcomes, strict=True):
        if isinstance(step.action, Rehearse) and step.action.backup:
            yield _found(deed.session, step.action.backup, outcome, deed.report.started)


def _found(session: Session, backup: BackupId, outcome: Outcome, since: datetime) -> _Found:
    """Take it from its note, which no run has kept that did not come to an end."""
    notes: list[Rehearsal] = []
    with suppress(RepositoryError):  # then nothing can be known of it
        notes = [note for note in session.repository.notes(backup) if isinstance(note, Rehearsal)]
    note = max(notes, key=lambda each: each.at, default=None)  # their order is that of whole seconds
    if note is None or note.at < since:
        return _Found(backup.address, _UNKNOWN, outcome.error)
    return _Found(backup.address, note.verdict, note.problem, note.restore_seconds, note.boot_seconds)


def _row(found: _Found) -> list[str]:
    if found.problem:
        return [found.address, found.result, "-", "-", found.problem]
    times = [f"{seconds:.1f} s" for seconds in (found.restore_seconds, found.boot_seconds)]
    return [found.address, found.result, *times, ""]


@click.command(cls=PingingCommand)
@click.argument("resource", metavar="instance[s]")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@version_option("instances")
@at_option
@click.option(
    "--probe",
    "probes",
    type=ProbeType(),
    multiple=True,
    metavar="CMD",
    help="Must succeed inside; repeatable.",
)
@click.option(
    "--timeout",
    type=DurationType(),
    default="5m",
    show_default=True,
    help="How long probes may go on failing.",
)
@tells_deeds("table", "json", "yaml", tell=_tell)
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@global_options
@click.pass_obj
def rehearse(
    settings: Settings,
    resource: str,
    names: tuple[str, ...],
    version: Version,
    at: str,
    timezone: str,
    probes: tuple[tuple[str, ...], ...],
    timeout: timedelta,
    output: str,
    out: str,
) -> int:
    """Prove that a backup restores, by doing so aside. Exit code 6: it does not come up.

    No names after `instances`: all of the project; they may be globs, in quotes, and one with ! excludes.

    It is brought up in a scratch project, without a network and any device but its own disks, probed (without
    a probe: it must start and go on running), and removed. Its original is left alone.

    With --quiet, only what did not come up is told.
    """
    request = read_request(resource, names, settings.project, known=_WORDS)
    version = version_meant(version, at, timezone)
    session = Session(settings)
    existing_catalog(session)

    def choose(_: Inventory, catalog: Catalog) -> Selection:
        goals, choice = rehearse_goals(
            request,
            read_stored(session, request, catalog),
            version,
            probe=probes,
            timeout_seconds=int(timeout.total_seconds()),
            kinds=session.kinds,
        )
        return selection_of(goals, choice, catalog)

    return run_now(session, choose, kinds=_KINDS, out=out, form=output)
