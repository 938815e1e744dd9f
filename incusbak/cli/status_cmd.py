"""``incus-backup status``."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import click
from attrs import evolve

from .. import codec
from ..engine.observation.evidence import gather
from ..engine.observation.inventory import observe
from ..engine.planning.world import World
from ..engine.reporting.attempts import failed_attempts
from ..engine.reporting.status import take_stock
from ..engine.selection.protection import Protection, protect
from ..engine.selection.stored import documents_to_read
from ..errors import Blocked, RepositoryError
from ..model.backups import Catalog
from ..model.documents import Json
from ..model.facts import Evidence
from ..model.goals import Goal
from ..model.inventory import Inventory
from ..model.notes import Rehearsal
from ..model.policies import Policy
from ..model.refs import BackupId, ResourceRef
from ..model.standings import Overview, State, StoredSize, Totals
from ..policyfile import load_policies
from ..render.prometheus import render_metrics
from ..render.standings import render_status, status_summary
from ..render.status_page import render_status_page
from .options import Command, Settings, global_options
from .output import as_data, output_option, put_out
from .planning import columns, read_documents, use_colour
from .session import Session, now
from .targets import TargetRun, attempt_each, target_runs_of

_OUTPUTS = ("table", "json", "yaml", "prometheus", "html")
_HISTORY = {"html": 60, "prometheus": 0}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MOST_RUNS = 30
"""How far back failures are looked for: each report is read, which takes time in a repository elsewhere."""
_USUAL_HISTORY = 7
"""Of how many backups of each resource the sizes are told; a page draws more, a collector keeps its own."""


@click.command(cls=Command)
@click.option("-f", "--file", "files", multiple=True, required=True, metavar="POLICY", help="File or folder.")
@output_option(*_OUTPUTS)
@click.option("--write", default="", metavar="FILE", help="Write to a file, put in place in one step.")
@global_options
@click.pass_obj
def status(settings: Settings, files: tuple[str, ...], output: str, write: str) -> int:
    """Tell whether every promise of a policy is kept. Exits 7 if one is broken; nothing is changed.

    A promise is kept if the resource has a backup that is not older than the rule's `every`, the newest one
    is not known to be damaged, all were read again in time where the rule says `verify`, and the last
    rehearsal is not older than `rehearse` wants, and did not fail. Of a policy's targets, all are told of;
    --target NAME takes one of them.
    """
    write = "" if write == "-" else write
    policy, at = load_policies([Path(file) for file in files]), now()
    target_runs = target_runs_of(policy, settings)

    def look(target_run: TargetRun) -> Overview:
        history = _HISTORY.get(output, _USUAL_HISTORY)
        return evolve(
            survey(Session(target_run.settings), target_run.policy, at=at, history=history),
            target=target_run.name,
        )

    # what a program or a later reader takes for all there is must not be half of it
    seen, failure = attempt_each(target_runs, look, go_on=output == "table" and not write)
    overviews = [overview for _, overview in seen]
    if overviews:
        as_list = bool(policy.targets) and not settings.flagged_target
        put_out(_rendered(overviews, output, is_shown=not write, as_list=as_list), write)
    session = Session(settings)
    _trace_leftovers(session, overviews)
    if output == "prometheus":
        for warning in sorted({warning for overview in overviews for warning in overview.warnings}):
            session.warn(warning)
    if write:
        session.info(f"{status_summary(*overviews)} Saved as {write}.")
    is_broken = any(overview.broken_promises for overview in overviews)
    return failure or (Blocked.exit_code if is_broken else 0)


def _trace_leftovers(session: Session, overviews: Sequence[Overview]) -> None:
    """Tell, where that is wanted, all that the server said of what it can't remove."""
    if session.settings.log_level == "debug":
        for line in dict.fromkeys(f"{e.address}: {e.why}" for each in overviews for e in each.quarantined):
            session.trace(line)


def survey(session: Session, policy: Policy, *, at: datetime, history: int) -> Overview:
    """Look at server and repository, as a plan does, and compare them with what is promised.

    Args:
        history: of how many backups of each resource to tell the sizes.
    """
    catalog = session.repository.catalog(at)
    space = session.repository.stored_bytes(), session.repository.free_bytes()
    inventory = observe(session.server, session.journal, session.kinds)
    protection = protect(policy, inventory, session.kinds)
    goals = [covered.goal for covered in protection.covered.values()]
    evidence, catalog = _evidence(session, goals, inventory, catalog)
    rehearsals = _last_rehearsals(session, protection, catalog)
    asked = documents_to_read(policy, inventory, catalog, kinds=session.kinds)
    overview = take_stock(
        policy,
        protection,
        World(
            inventory, catalog, evolve(evidence, rehearsals=rehearsals), session.kinds, at, session.entities
        ),
        repository=session.repository.uri,
        documents=read_documents(session, asked),
        totals=Totals(sum(map(len, catalog.backups.values())), *space),
        sizes={ref: _sizes(session, _dated(catalog, ref), history) for ref in protection.covered},
    )
    return _with_failures(session, overview)


def _with_failures(session: Session, overview: Overview) -> Overview:
    """Tell of what is not in order whether newer backups were tried in vain."""
    since = {
        each.address: each.newest.created if each.newest else _LONG_AGO
        for each in overview.protected
        if each.state is not State.OK
    }
    reports = session.repository.reports(min(since.values())) if since else iter(())
    failed = failed_attempts(since, islice(reports, _MOST_RUNS))
    told = tuple(evolve(each, failed=failed.get(each.address)) for each in overview.protected)
    return evolve(overview, protected=told)


def _evidence(
    session: Session, goals: Sequence[Goal], inventory: Inventory, catalog: Catalog
) -> tuple[Evidence, Catalog]:
    """Read what these goals need to be told of; the catalog knows what damage that finds."""
    while True:
        evidence = gather(
            goals,
            api=session.server,
            repository=session.repository,
            inventory=inventory,
            catalog=catalog,
            kinds=session.kinds,
            entities=session.entities,
        )
        if not evidence.damaged:
            return evidence, catalog
        catalog = catalog.knowing(evidence.damaged)


def _last_rehearsals(session: Session, protection: Protection, catalog: Catalog) -> dict[BackupId, Rehearsal]:
    """Read how the last rehearsals of what is covered went."""
    backups = {catalog.rehearsed(ref) for ref in protection.covered}
    found = {}
    for backup in sorted(backup for backup in backups if backup):
        for note in session.repository.notes(backup):
            if isinstance(note, Rehearsal):
                found[backup] = note
    return found


def _dated(catalog: Catalog, ref: ResourceRef) -> list[BackupId]:
    """The backups whose date can be believed."""
    return [backup for backup, health in catalog.known(ref).items() if not health.ahead]


def _sizes(session: Session, backups: Sequence[BackupId], count: int) -> tuple[StoredSize, ...]:
    """Read the sizes of the last backups; one that can't be read has none."""
    found = []
    for backup in backups[len(backups) - min(count, len(backups)) :]:
        with suppress(RepositoryError):
            size = session.repository.manifest(backup).manifest.size_bytes
            found.append(StoredSize(backup.created, size))
    return tuple(found)


def _rendered(overviews: Sequence[Overview], output: str, *, is_shown: bool, as_list: bool) -> str:
    match output:
        case "table":
            is_terminal = is_shown and sys.stdout.isatty()
            width = columns() if is_shown else 0
            return render_status(*overviews, colour=is_terminal and use_colour(), width=width)
        case "prometheus":
            return render_metrics(*overviews)
        case "html":
            return render_status_page(*overviews)
        case _:
            data = [_named(overview) for overview in overviews]
            return as_data(data if as_list else data[0], output)


def _named(overview: Overview) -> Json:
    """Say which target it is, where there are several."""
    data: Json = codec.to_data(overview)
    return {key: value for key, value in data.items() if key != "target" or value}
