"""THE path: observe, plan, show, ask, execute, report. Every command that changes something takes it."""

from collections.abc import Callable, Collection

import click
from attrs import evolve

from .. import codec
from ..engine.execution.approval import Approved, approve
from ..engine.execution.context import ExecutionContext
from ..engine.execution.executor import execute, exit_code, short_of, shown_code
from ..engine.resumption import restore_noter, unreported
from ..engine.selection.policy import Selection
from ..errors import Blocked, Incomplete, IncusbakError, RepositoryError, StalePlan, Stopped, Unplannable
from ..model.actions import Accept, BackUp, Copy, Pin, Prune, Purge, Recover, Replace, Restore, Undelete
from ..model.plans import Plan, PlanFile
from ..model.results import Report, RestoreFact
from ..render import NOTHING_COVERED, render_missed, render_plan, render_report
from .complaints import say
from .consenting import agreed, check_force, has_to_be_seen
from .going_on import Intent, brought_back, forget_same, noting_steps, on_course, telling_of_unfinished
from .planning import Choose, make_plan_file, only_steps, plan_columns, save_plan, use_colour
from .progress.display import ProgressDisplay
from .session import Session
from .stopping import STOPPING_IN_WORDS, StopSignal, heard_by
from .telling import note_deed

_WRITING = Accept | BackUp | Copy | Pin | Prune | Purge | Undelete
"""What only one run does at a time; notes and reports are new files, which disturb nobody."""
_NOT_CLEAN = "Nothing more was done, and not everything that an earlier run left could be cleaned up."


def show_only(session: Session, choose: Choose, *, kinds: Collection[str], form: str = "text") -> int:
    """Show what would be done, and how to have it done."""
    plan_file = make_plan_file(session, choose, kinds=kinds)
    code = _only_show(plan_file, "", form)
    if plan_file.plan.steps:
        session.info("Nothing was changed; add --apply to make these changes.")
    return code


def run_now(
    session: Session,
    choose: Choose,
    *,
    kinds: Collection[str],
    out: str = "",
    intent: Intent | None = None,
    form: str = "text",
) -> int:
    """Plan in memory and carry it out in one go, as imperative commands do.

    What an interrupted run left is cleaned up in a round of its own: only then is it known what there is.

    Args:
        intent: for a command that can go on where an interrupted run of it stopped.
        form: ``json`` for a plan that is only shown.
    """
    only_shows = bool(out or session.settings.dry_run)
    choose = telling_of_unfinished(session, choose, intent, remember=not only_shows)

    def plan() -> PlanFile:
        return make_plan_file(session, choose, kinds=kinds, goes_on=intent.goes_on if intent else "")

    if only_shows:
        return _only_show(plan(), out, form)
    plan_file, uncleaned = _cleaned_plan(session, plan, kinds=kinds)
    if unmet := plan_file.plan.unmet:
        raise Blocked("\n".join(unmet), hint="nothing was done; correct what is named, or leave it out")
    if not has_to_be_seen(session, plan_file.plan):  # else its warnings are seen with it
        for warning in plan_file.plan.warnings:
            session.warn(warning)
    if not plan_file.plan.steps:
        code = _nothing_to_do(session, plan_file.plan, "everything is as it should be", uncleaned=uncleaned)
        if intent and not code:
            forget_same(session, intent)
        return code
    check_force(session, plan_file.plan, brought_back(session, intent))
    code = carry_out(session, agreed(session, plan_file), intent=intent)
    return Incomplete.exit_code if uncleaned and not code else code


def _cleaned_plan(
    session: Session, plan: Callable[[], PlanFile], *, kinds: Collection[str]
) -> tuple[PlanFile, int]:
    """Clean up what earlier runs left, whatever becomes of the rest; return the plan for that.

    With it the exit code of what could not be cleaned up; 0 if there is nothing such.
    """
    try:
        plan_file = plan()
    except Unplannable:
        plan_file = make_plan_file(session, lambda *_: Selection(()), kinds=kinds)
        if not plan_file.plan.summary.clean_up:
            raise
    if not plan_file.plan.summary.clean_up:
        return plan_file, 0
    uncleaned = _clean_up(session, plan_file)
    plan_file = plan()
    return only_steps(plan_file, cleaning=False), uncleaned or _code_of_unclean(plan_file)


def _nothing_to_do(session: Session, plan: Plan, otherwise: str, *, uncleaned: int = 0) -> int:
    """Say so, or what can't be done; return the exit code, ``uncleaned`` if there is no other."""
    if plan.missed:
        say(render_missed(plan.missed), nl=False)
    elif uncleaned:
        session.info(_NOT_CLEAN)
    else:
        session.info(f"No changes: {otherwise if plan.covered else NOTHING_COVERED}.")
    return short_of(plan.missed, done=False) or uncleaned


def _only_show(plan_file: PlanFile, out: str, form: str) -> int:
    if out:
        save_plan(plan_file, out)
    else:
        form = "json" if form == "json" else "text"
        click.echo(render_plan(plan_file, form=form, colour=use_colour(), width=plan_columns()), nl=False)
    return Blocked.exit_code if plan_file.plan.unmet else shown_code(plan_file.plan)


def _clean_up(session: Session, plan_file: PlanFile) -> int:
    """Carry out the steps that clean up, which need nobody's consent; return the exit code.

    What can't be cleaned up now does not keep what else was asked for from being done.
    """
    try:
        code = carry_out(session, approve(only_steps(plan_file, cleaning=True), None))
    except StalePlan:
        code = StalePlan.exit_code
    return 0 if code == StalePlan.exit_code else code  # another run cleans up


def _code_of_unclean(plan_file: PlanFile) -> int:
    return IncusbakError.exit_code if plan_file.plan.summary.clean_up else 0


def carry_out(
    session: Session,
    approved: Approved,
    *,
    intent: Intent | None = None,
) -> int:
    """Execute, keep the report, say how it went; return the exit code."""
    plan = approved.plan_file.plan
    if not plan.steps:
        return _nothing_to_do(session, plan, "everything is as the plan says")
    _check_place(session, plan)
    writes = any(isinstance(step.action, _WRITING) for step in plan.steps)
    known = _left_on(session)
    stop_signal = StopSignal()
    display = ProgressDisplay(
        quiet=session.settings.quiet, notice=lambda: STOPPING_IN_WORDS if stop_signal() else ""
    )
    with (
        heard_by(stop_signal, is_shown=display.is_open),
        session.repository.lock(writing=writes, wait_seconds=session.settings.lock_wait),
        display,
    ):
        context = _context(session)
        with on_course(session, intent, context.tools.owner, steps=len(plan.steps)) as end:
            report = execute(
                approved,
                context,
                parallel=session.settings.parallel,
                listen=noting_steps(session, display),
                stop_signal=stop_signal,
            )
            _keep(session, approved.plan_file, report)
            end(report, bool(stop_signal()))
    note_deed(session, plan, report)
    session.journal.close()
    say(render_report(report, quiet=session.settings.quiet), nl=False)
    _tell_what_is_left(session, known, stop_signal())
    return exit_code(report)


def _context(session: Session) -> ExecutionContext:
    owner = session.repository.catalog().repository_id
    noted = restore_noter(session.server, session.journal, session.kinds, session.clock)
    tools = evolve(session.tools(owner), restored=noted)
    return ExecutionContext(tools, session.repository, session.kinds, session.entities, session.other)


def _tell_what_is_left(session: Session, known: frozenset[str], signum: int) -> None:
    """Say what the next run has to clean up; leave if this one was stopped.

    Args:
        known: the records that were there before.
        signum: what stopped it; 0: nothing.
    """
    left = _left_on(session) - known
    if left:
        session.warn(f"not everything temporary could be removed ({len(left)}); the next run will do that")
    if signum:
        cleaned = "the next run cleans up what is left" if left else "what had begun was cleaned up"
        raise Stopped(f"stopped; {cleaned}", signum=signum)


def _left_on(session: Session) -> frozenset[str]:
    """The ids of what is left over on the server, in quarantine or not."""
    quarantined = (each.record.id for each in session.journal.quarantined())
    return frozenset({*(record.id for record in session.journal.leftovers()), *quarantined})


def _check_place(session: Session, plan: Plan) -> None:
    """A plan is for one server and one repository."""
    if session.server_info.fingerprint != plan.server.fingerprint:
        raise StalePlan(f"this is not the server the plan was made for ({plan.server.name})")
    catalog = session.repository.catalog()
    if catalog.repository_id != plan.repository.id:
        what = "another repository" if plan.repository.id else "made since"
        raise StalePlan(f"{plan.repository.uri} is not as the plan knows it: it is {what}")


def _keep(session: Session, plan_file: PlanFile, report: Report) -> None:
    """Record the run; a repository that can only be read does not make a restore fail."""
    facts = [
        RestoreFact(outcome.address, outcome.made.backup, outcome.made.identity)
        for outcome, step in zip(report.outcomes, plan_file.plan.steps, strict=True)
        if outcome.made.backup and isinstance(step.action, Restore | Replace | Recover)
    ]
    try:
        courses, repository_id = session.journal.unfinished(), plan_file.plan.repository.id
        earlier = unreported(courses, session.repository, repository_id, session.clock())
        session.repository.record(report, codec.dump(plan_file), [*earlier.values(), *facts])
    except RepositoryError as error:
        session.warn(f"this run is not recorded in the repository: {error.message}")
