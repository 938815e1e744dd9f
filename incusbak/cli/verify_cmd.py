"""``incus-backup verify``."""

from collections.abc import Iterator

import click
from attrs import frozen

from ..engine.selecting import Selection
from ..engine.tending import verify_goals
from ..errors import Corrupt
from ..model.actions import Verify
from ..model.backups import Catalog
from ..model.inventory import Inventory
from ..model.plans import Plan
from ..model.results import Outcome, Report, Status
from ..render import render_table
from .offline import OfflineSession, existing_catalog
from .options import Settings, global_options
from .output import as_data
from .pinging import PingingCommand
from .resources import PLURALS, read_request, read_stored
from .workflow import run_now


@click.command(cls=PingingCommand)
@click.argument("resource", metavar="[all|instances|volumes|images|config]", default="all")
@click.argument("names", nargs=-1)
@click.option("--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@global_options
@click.pass_obj
def verify(settings: Settings, resource: str, names: tuple[str, ...], output: str, out: str) -> int:
    """Read stored backups again from end to end. Exit code 6: one is damaged. No server is asked."""
    request = read_request(resource, names, settings.project, known=PLURALS)
    session = OfflineSession(settings)
    existing_catalog(session)

    def choose(_: Inventory, catalog: Catalog) -> Selection:
        return Selection(verify_goals(request, read_stored(session, request, catalog), session.kinds))

    def show(plan: Plan, report: Report) -> None:
        click.echo(_rendered(list(_found(plan, report)), output), nl=False)

    return run_now(session, choose, kinds=request.kinds, out=out, tell_done=show)


@frozen
class _Found:
    """What became of one backup: ``good``, ``damaged``, or ``unread`` where something came between."""

    address: str
    result: str
    problem: str = ""


def _found(plan: Plan, report: Report) -> Iterator[_Found]:
    """Take it from the report: a repository that can only be read keeps no notes."""
    for step, outcome in zip(plan.steps, report.outcomes, strict=True):
        if isinstance(step.action, Verify):
            yield from (_of_backup(str(backup), outcome) for backup in step.action.backups)


def _of_backup(address: str, outcome: Outcome) -> _Found:
    problems = [line for line in outcome.error.splitlines() if line.startswith(f"{address}: ")]
    if outcome.exit_code == Corrupt.exit_code and problems:
        return _Found(address, "damaged", problems[0])
    if outcome.exit_code in (0, Corrupt.exit_code) and outcome.status is not Status.SKIPPED:
        return _Found(address, "good")
    return _Found(address, "unread", outcome.error)


def _rendered(found: list[_Found], output: str) -> str:
    if output == "table":
        rows = [[each.address, each.result, each.problem] for each in found]
        return render_table(["BACKUP", "RESULT", "WHAT IS WRONG"], rows)
    fields = [
        {
            "address": each.address,
            "result": each.result,
            "damaged": each.result == "damaged",
            "problem": each.problem,
        }
        for each in found
    ]
    return as_data(fields, output)
