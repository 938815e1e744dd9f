"""``incus-backup verify``."""

import re
from collections.abc import Iterable, Iterator, Sequence

import click
from attrs import evolve, frozen

from ..engine.execution.verify import unread_line
from ..engine.planning.verification import longest_unread
from ..engine.selection.care_requests import verify_goals
from ..engine.selection.policy import Selection
from ..errors import Corrupt, RepositoryError, UsageError
from ..model.actions import Verify
from ..model.backups import Catalog
from ..model.inventory import Inventory
from ..model.plans import Plan
from ..model.refs import BackupId
from ..model.results import Outcome, Report, Status
from ..render import render_table
from .offline import OfflineSession, existing_catalog
from .options import Settings, global_options
from .output import as_data
from .pinging import PingingCommand
from .planning import columns
from .resources import WORDS, read_request, read_stored
from .telling import Deed, tells_deeds
from .workflow import run_now


@frozen
class _Found:
    """What became of one backup.

    ``good``, ``seen`` if it was only looked at, ``damaged``, or ``unread`` where something came between.
    """

    address: str
    result: str
    problem: str = ""


def _found(plan: Plan, report: Report) -> Iterator[_Found]:
    """Take it from the report: a repository that can only be read keeps no notes."""
    for step, outcome in zip(plan.steps, report.outcomes, strict=True):
        if isinstance(step.action, Verify):
            yield from _of_step(step.action, outcome)


def _of_step(action: Verify, outcome: Outcome) -> Iterator[_Found]:
    """Tell the backups apart: damaged, not readable, read well, or not come to."""
    lines = outcome.error.splitlines()
    damage, unread = (
        {b: line for b in action.backups for line in reversed(lines) if line.startswith(begins(b))}
        for begins in (lambda backup: f"{backup}: ", unread_line)
    )
    came_to_end = outcome.status is Status.DONE or outcome.exit_code == Corrupt.exit_code or bool(unread)
    well = "good" if action.whole else "seen"
    for backup in action.backups:
        if backup in damage and came_to_end:
            yield _Found(backup.address, "damaged", damage[backup])
        elif backup in unread or not came_to_end:
            yield _Found(backup.address, "unread", unread.get(backup, outcome.error))
        else:
            yield _Found(backup.address, well)


def _tell(deeds: Sequence[Deed], output: str) -> str:
    """With --quiet, only what is not good; of no backup, no table."""
    found = [
        each
        for deed in deeds
        for each in _found(deed.plan, deed.report)
        if each.problem or not deed.session.settings.quiet
    ]
    return _rendered(found, output) if found or output != "table" else ""


def _rendered(found: list[_Found], output: str) -> str:
    if output == "table":
        rows = [[each.address, each.result, each.problem] for each in found]
        return render_table(["BACKUP", "RESULT", "WHAT IS WRONG"], rows, width=columns())
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


@click.command(cls=PingingCommand)
@click.argument("resource", metavar=f"[{'|'.join(WORDS)}]", default="all")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@tells_deeds("table", "json", "yaml", tell=_tell)
@click.option(
    "--read-data",
    default="all",
    show_default=True,
    metavar="none|N%|all",
    help="How much to read: only manifests and beginnings, those not read for longest, or all.",
)
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@global_options
@click.pass_obj
def verify(
    settings: Settings, resource: str, names: tuple[str, ...], output: str, read_data: str, out: str
) -> int:
    """Read stored backups again from end to end. Exit code 6: one is damaged. No server is asked.

    With --quiet, only what is not good is told.
    """
    request = read_request(resource, names, settings.project)
    percent = _percent(read_data)
    session = OfflineSession(settings)
    existing_catalog(session)

    def choose(_: Inventory, catalog: Catalog) -> Selection:
        stored = read_stored(session, request, catalog)
        goals = verify_goals(request, stored, session.kinds, whole=percent > 0)
        if 0 < percent < 100:
            sizes = _sizes(session, (backup for goal in goals for backup in catalog.of(goal.ref)))
            only = longest_unread(catalog, sizes, percent)
            goals = tuple(evolve(goal, only=only) for goal in goals)
        return Selection(goals)

    return run_now(session, choose, kinds=request.kinds, out=out, form=output)


def _percent(word: str) -> int:
    """Read how much to read: ``none`` is 0, ``all`` is 100."""
    matched = re.fullmatch(r"(\d{1,3})%", {"none": "0%", "all": "100%"}.get(word, word))
    if not matched or int(matched[1]) > 100:
        raise UsageError(f"--read-data: {word!r} is not none, all, or a part such as 10%")
    return int(matched[1])


def _sizes(session: OfflineSession, backups: Iterable[BackupId]) -> dict[BackupId, int]:
    """How much there is to read of each; nothing is known to be of one whose manifest can't be read."""
    found = {}
    for backup in backups:
        try:
            found[backup] = session.repository.manifest(backup).manifest.size_bytes
        except RepositoryError:
            found[backup] = 0
    return found
