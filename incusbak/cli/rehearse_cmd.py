"""``incus-backup rehearse``."""

from datetime import datetime, timedelta
from typing import Any

import click

from ..engine.selecting import Selection, selection_of
from ..engine.tending import rehearse_goals
from ..model.actions import Rehearse
from ..model.backups import Catalog
from ..model.inventory import Inventory
from ..model.notes import Rehearsal
from ..model.plans import Plan
from ..model.policies import Version
from ..model.refs import BackupId
from ..model.results import Report
from ..policyfile import parse_command, parse_duration
from ..render import render_table
from .offline import existing_catalog
from .options import Settings, global_options
from .output import as_data, output_option
from .pinging import PingingCommand
from .planning import columns
from .resources import read_request, read_stored
from .restore_cmd import VersionType
from .session import Session, now
from .workflow import run_now

_KINDS = ("instance",)


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


@click.command(cls=PingingCommand)
@click.argument("resource", metavar="instance")
@click.argument("names", metavar="NAME", nargs=-1)
@click.option("--version", type=VersionType(), default="latest", metavar="TS|latest", help="Which backup.")
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
@output_option("table", "json", "yaml")
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@global_options
@click.pass_obj
def rehearse(
    settings: Settings,
    resource: str,
    names: tuple[str, ...],
    version: Version,
    probes: tuple[tuple[str, ...], ...],
    timeout: timedelta,
    output: str,
    out: str,
) -> int:
    """Prove that a backup restores, by doing so aside. Exit code 6: it does not come up.

    It is brought up in a scratch project, without a network and any device but its own disks, probed (without
    a probe: it must start and go on running), and removed. Its original is left alone.
    """
    request = read_request(resource, names, settings.project, known=_KINDS)
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

    begun = now()

    def show(plan: Plan, _: Report) -> None:
        _show(session, plan, output, since=begun)

    return run_now(session, choose, kinds=_KINDS, out=out, tell_done=show, form=output)


def _show(session: Session, plan: Plan, output: str, *, since: datetime) -> None:
    """Tell how each rehearsal went."""
    backups = [step.action.backup for step in plan.steps if isinstance(step.action, Rehearse)]
    found = [_found(session, backup, since) for backup in backups]
    if output == "table":
        rows = [_row(each) for each in found]
        headers = ["BACKUP", "RESULT", "RESTORED IN", "UP IN", "WHAT IS WRONG"]
        click.echo(render_table(headers, rows, width=columns()), nl=False)
    else:
        data = [
            {
                "address": str(each.backup),
                "fit": not each.problem,
                "problem": each.problem,
                "restore_seconds": each.restore_seconds,
                "boot_seconds": each.boot_seconds,
            }
            for each in found
        ]
        click.echo(as_data(data, output), nl=False)


def _found(session: Session, backup: BackupId, since: datetime) -> Rehearsal:
    notes = [note for note in session.repository.notes(backup) if isinstance(note, Rehearsal)]
    if notes and notes[-1].at >= since:
        return notes[-1]
    return Rehearsal(backup, since, "the rehearsal did not come to its end")


def _row(found: Rehearsal) -> list[str]:
    if found.problem:
        return [str(found.backup), found.verdict, "-", "-", found.problem]
    return [
        str(found.backup),
        found.verdict,
        f"{found.restore_seconds:.1f} s",
        f"{found.boot_seconds:.1f} s",
        "",
    ]
