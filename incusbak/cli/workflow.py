"""THE path: observe, plan, show, ask, execute, report. Every command that changes something takes it."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from types import FrameType
from typing import Any

import click
from attrs import evolve

from .. import __version__, codec
from ..engine.approval import Agreed, AgreedTo, Approved, Consent, approve
from ..engine.executor import execute, exit_code
from ..engine.observer import gather, observe, with_volumes
from ..engine.performer import Workshop
from ..engine.planner import Origin, World, make_plan
from ..engine.selecting import Selection
from ..errors import Incomplete, PlanFormatError, RepositoryError, StalePlan, Stopped, UsageError
from ..model.backups import Catalog
from ..model.goals import Goal, Restored
from ..model.inventory import Inventory
from ..model.plans import (
    BackUp,
    Discard,
    Drift,
    Meta,
    Plan,
    PlanFile,
    Recover,
    Replace,
    RepositoryIdentity,
    Restore,
    ServerIdentity,
)
from ..model.policies import PolicyFile
from ..model.results import Report, RestoreFact, Status
from ..render import render_plan, render_report
from .progress import ProgressDisplay
from .session import Session, now

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_PRESS = 0.5
"""Seconds in which a second signal is the first one again: timeout(1) signals a process, then its group."""

Choose = Callable[[Inventory, Catalog], Selection]
ChooseGoals = Callable[[Inventory, Catalog], tuple[Goal, ...]]
"""Say what shall be true, given what there is; a policy also says what it leaves out."""


def make_plan_file(
    session: Session, choose: Choose, *, policies: tuple[PolicyFile, ...] = (), only: str = "*"
) -> PlanFile:
    """Observe, choose goals, plan."""
    catalog = session.repository.catalog()
    inventory = observe(session.server, session.journal, session.kinds)
    selection = choose(inventory, catalog)
    goals = tuple(goal for goal in selection.goals if fnmatchcase(goal.ref.address, only))
    evidence = gather(
        goals,
        api=session.server,
        repository=session.repository,
        inventory=inventory,
        catalog=catalog,
        kinds=session.kinds,
    )
    if any(isinstance(goal, Restored) for goal in goals):
        inventory = with_volumes(session.server, inventory)
    plan = make_plan(
        goals,
        World(inventory, catalog, evidence, session.kinds, now()),
        Origin(
            server=_server_identity(session),
            repository=RepositoryIdentity(catalog.repository_id, session.repository.uri),
            policies=policies,
            drift=selection.drift,
            warnings=selection.warnings,
        ),
    )
    meta = Meta(created=now().strftime("%Y-%m-%dT%H:%M:%SZ"), tool_version=__version__)
    return PlanFile(meta=meta, digest=codec.digest(plan), plan=plan)


def _server_identity(session: Session) -> ServerIdentity:
    info = session.server_info
    return ServerIdentity(info.fingerprint, info.name, session.server.remote_name)


def load_plan(text: bytes, source: str) -> PlanFile:
    """Read a plan file and see that it is as it was written.

    Raises:
        PlanFormatError: see there.
    """
    try:
        version = codec.load(text, dict[str, Any]).get("format_version")
        if version != 1:
            raise PlanFormatError(f"{source}: plan format {version!r}, this version reads 1")
        plan_file = codec.load(text, PlanFile)
    except codec.BadDocument as error:
        raise PlanFormatError(f"{source}: {error}") from error
    if codec.digest(plan_file.plan) != plan_file.digest:
        raise PlanFormatError(f"{source} was edited after it was written: its digest does not match")
    _check_order(plan_file.plan, source)
    return plan_file


def _check_order(plan: Plan, source: str) -> None:
    """A step that waits for itself, or for one that is not there, would be waited for without end."""
    earlier: set[str] = set()
    for step in plan.steps:
        if step.id in earlier or not earlier.issuperset(step.after):
            raise PlanFormatError(f"{source}: step {step.id!r} stands there twice or too early")
        earlier.add(step.id)


def run_now(session: Session, goals: ChooseGoals, *, out: str = "") -> int:
    """Plan in memory and carry it out in one go, as imperative commands do.

    What an interrupted run left is cleaned up in a round of its own: only then is it known what there is.
    """

    def choose(inventory: Inventory, catalog: Catalog) -> Selection:
        return Selection(goals=goals(inventory, catalog), drift=Drift(), warnings=())

    plan_file = make_plan_file(session, choose)
    if out or session.settings.dry_run:
        return _only_show(plan_file, out)
    uncleaned = 0
    if plan_file.plan.summary.clean_up:
        uncleaned = _clean_up(session, plan_file)
        plan_file = _only(make_plan_file(session, choose), cleaning=False)
    for warning in plan_file.plan.warnings:
        session.warn(warning)
    if not plan_file.plan.steps:
        session.info("No changes: everything is as it should be.")
        return uncleaned
    code = carry_out(session, approve(plan_file, consent(session, plan_file)))
    return Incomplete.exit_code if uncleaned and not code else code


def _only_show(plan_file: PlanFile, out: str) -> int:
    if out:
        save_plan(plan_file, out)
    else:
        click.echo(render_plan(plan_file, form="text", colour=use_colour()), nl=False)
    return 0


def _clean_up(session: Session, plan_file: PlanFile) -> int:
    """Carry out the steps that clean up, which need nobody's consent; return the exit code.

    What can't be cleaned up now does not keep what else was asked for from being done.
    """
    try:
        return carry_out(session, approve(_only(plan_file, cleaning=True), None))
    except StalePlan:
        return 0  # another run is cleaning up


def _only(plan_file: PlanFile, *, cleaning: bool) -> PlanFile:
    """Take the steps that clean up, or all others, as a plan of their own."""
    plan = plan_file.plan
    steps = [step for step in plan.steps if isinstance(step.action, Recover | Discard) == cleaning]
    kept = {step.id for step in steps}
    steps = [evolve(step, after=tuple(id for id in step.after if id in kept)) for step in steps]
    plan = evolve(plan, steps=tuple(steps))
    return evolve(plan_file, plan=plan, digest=codec.digest(plan))


def save_plan(plan_file: PlanFile, path: str) -> None:
    try:
        with click.open_file(path, "w", encoding="utf-8", atomic=path != "-") as file:
            file.write(codec.dump(plan_file))
    except OSError as error:
        raise UsageError(f"the plan can't be written to {path}: {error.strerror}") from error


def consent(session: Session, plan_file: PlanFile, *, approve_digits: str = "") -> Consent | None:
    """Find out whether somebody agrees: by digest, by --yes, or at the terminal."""
    if approve_digits:
        return AgreedTo(approve_digits)
    if not plan_file.plan.hazards:
        return None
    if session.settings.yes or session.settings.force:
        return Agreed()
    if not session.is_interactive:
        return None
    click.echo(render_plan(plan_file, form="text", colour=use_colour(err=True)), err=True, nl=False)
    click.echo("\nDo you want to carry this out? Only 'yes' is taken as consent.", err=True)
    answer = click.prompt("Answer", default="no", show_default=False, err=True)
    if answer.strip() != "yes":
        raise click.Abort
    return Agreed()


def carry_out(session: Session, approved: Approved) -> int:
    """Execute, keep the report, say how it went; return the exit code."""
    plan = approved.plan_file.plan
    if not plan.steps:
        session.info("No changes: everything is as the plan says.")
        return 0
    _check_place(session, plan)
    writes = any(isinstance(step.action, BackUp) for step in plan.steps)
    known = {record.id for record in session.journal.leftovers()}
    with (
        _signals() as stop_signal,
        session.repository.lock(exclusive=writes, wait_seconds=session.settings.lock_wait),
        ProgressDisplay(quiet=session.settings.quiet) as display,
    ):
        owner = session.repository.catalog().repository_id
        shop = Workshop(session.tools(owner), session.repository, session.kinds)
        report = execute(
            approved, shop, parallel=session.settings.parallel, listen=display, stop_signal=stop_signal
        )
        _keep(session, approved.plan_file, report)
    session.journal.close()
    if not session.settings.quiet or report.count(Status.DONE) < len(report.outcomes):
        click.echo(render_report(report), err=True, nl=False)
    left = [record for record in session.journal.leftovers() if record.id not in known]
    if left:
        session.warn(f"not everything temporary could be removed ({len(left)}); the next run will do that")
    if signum := stop_signal():
        cleaned = "the next run cleans up what is left" if left else "what had begun was cleaned up"
        raise Stopped(f"stopped; {cleaned}", signum=signum)
    return exit_code(report)


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
        session.repository.record(report, codec.dump(plan_file), facts)
    except RepositoryError as error:
        session.warn(f"this run is not recorded in the repository: {error.message}")


@contextmanager
def _signals() -> Iterator[Callable[[], int]]:
    """Turn signals into a flag; a second one ends at once, the next run cleans up.

    Those that were ignored from the start (by nohup, or a shell for what it runs in the background) stay so.
    """
    received: list[tuple[int, float]] = []

    def note(signum: int, _: FrameType | None) -> None:
        if not received:
            received.append((signum, time.monotonic()))
            _say_at_once("stopping: what has begun is cleaned up; once more to stop at once")
        elif time.monotonic() - received[0][1] > _ONE_PRESS:
            _say_at_once("stopped at once; the next run removes what is left")
            os._exit(128 + signum)

    heard = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield lambda: received[0][0] if received else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_at_once(line: str) -> None:
    """Write from within a signal handler, where buffered streams may be in the middle of something."""
    with suppress(OSError):
        os.write(2, f"{line}\n".encode())


def use_colour(*, err: bool = False) -> bool:
    stream = sys.stderr if err else sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR")
