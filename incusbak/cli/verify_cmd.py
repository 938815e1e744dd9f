"""``incus-backup verify``."""

import click

from ..engine.selecting import Selection
from ..engine.tending import verify_goals
from ..model.backups import Catalog
from ..model.inventory import Inventory
from ..model.notes import Inspection
from ..model.plans import Plan, Verify
from ..model.refs import BackupId
from ..render import render_table
from .offline import OfflineSession, existing_catalog
from .options import Settings, global_options
from .output import as_data
from .pinging import PingingCommand
from .resources import PLURALS, read_request, read_stored
from .session import Session
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

    done: list[Plan] = []
    code = run_now(session, choose, kinds=request.kinds, out=out, tell_plan=done.append)
    for plan in done:
        _show(session, plan, output)
    return code


def _show(session: Session, plan: Plan, output: str) -> None:
    """Tell of each backup what was found."""
    backups = [b for step in plan.steps if isinstance(step.action, Verify) for b in step.action.backups]
    problems = [(backup, _problem(session, backup)) for backup in backups]
    if output == "table":
        rows = [[str(backup), "damaged" if problem else "good", problem] for backup, problem in problems]
        click.echo(render_table(["BACKUP", "RESULT", "WHAT IS WRONG"], rows), nl=False)
    else:
        found = [{"address": str(b), "damaged": bool(problem), "problem": problem} for b, problem in problems]
        click.echo(as_data(found, output), nl=False)


def _problem(session: Session, backup: BackupId) -> str:
    inspections = [note for note in session.repository.notes(backup) if isinstance(note, Inspection)]
    return inspections[-1].problem if inspections else "it was not read to its end"
