"""Carry out an approved plan with a few workers: the only threads there are."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress

from attrs import evolve

from ...errors import Corrupt, Incomplete, IncusbakError, StalePlan, Stopped, Unplannable
from ...model.actions import Create, Delete, Discard, Recover, Replace, Restore, Update
from ...model.documents import Json
from ...model.plans import Missed, Plan, Step
from ...model.refs import BackupId, ResourceRef, parse_backup_id
from ...model.results import Event, Finished, Outcome, Report, Started, Status, StepEvent, StepResult
from .approval import Approved
from .context import ExecutionContext
from .preconditions import Definitions, check
from .steps import perform

Listen = Callable[[Event], None]
_FINDING = ("verify:", "rehearse:")
"""Beginnings of the ids of steps that find out what backups are worth."""
_CHANGING = Create | Update | Delete | Restore | Replace
"""What is not tried where a clean-up failed; for a backup it is enough that its resource is there."""
StopSignal = Callable[[], int]
"""The number of the signal that asked this run to stop, 0 for none."""


def execute(
    approved: Approved, context: ExecutionContext, *, parallel: int, listen: Listen, stop_signal: StopSignal
) -> Report:
    """Check the whole plan, then carry out its steps; one that fails does not stop the others.

    ``context.tools.tell`` is not used: each step tells ``listen``. After a stop signal no step is begun, and
    the running ones end by ``Stopped`` at their next sign of progress, cleaning up after themselves.

    Raises:
        StalePlan: a precondition no longer holds; nothing was changed.
    """
    plan, clock = approved.plan_file.plan, context.tools.clock
    started = clock()
    run = _Run(context, listen, stop_signal, _check_all(plan, context))
    outcomes = run.all(plan.steps, parallel)
    return Report(started, clock(), approved.plan_file.digest, outcomes, missed=plan.missed)


def _check_all(plan: Plan, context: ExecutionContext) -> Definitions:
    stale: list[str] = []
    seen: dict[ResourceRef, Json] = {}
    for step in plan.steps:
        try:
            seen |= check(step, context)
        except StalePlan as error:
            stale += error.message.splitlines()
    if stale:
        raise StalePlan("\n".join(sorted(set(stale))))
    return seen


_HEARTBEAT_SECONDS = 0.5
"""How soon a signal is heard that wakes nobody: it may come just before the wait, or reach another thread."""


class _Run:
    """One execution: which steps wait, run and are done."""

    def __init__(
        self, context: ExecutionContext, listen: Listen, stop_signal: StopSignal, definitions: Definitions
    ) -> None:
        self._shop = context
        self._definitions = definitions
        self._listen = listen
        self._stop_signal = stop_signal
        self._outcomes: dict[str, Outcome] = {}
        self._held: dict[str, frozenset[str]] = {}
        self._cleaning: set[str] = set()

    def all(self, steps: Iterable[Step], parallel: int) -> tuple[Outcome, ...]:
        """Run every step as soon as those it comes after are done, in the plan's order otherwise."""
        waiting = list(steps)
        self._cleaning = {step.id for step in waiting if isinstance(step.action, Recover | Discard)}
        order = [step.id for step in waiting]
        running: set[Future[Outcome]] = set()
        with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="step") as pool:
            while waiting or running:
                while len(running) < parallel and (step := self._next(waiting)):
                    waiting.remove(step)
                    self._held[step.id] = _touched(step)
                    running.add(pool.submit(self._one, step))
                done, running = wait(running, timeout=_HEARTBEAT_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    del self._held[future.result().step]
                self._outcomes |= {future.result().step: future.result() for future in done}
        return tuple(self._outcomes[step_id] for step_id in order)

    def _next(self, waiting: Iterable[Step]) -> Step | None:
        """The first step that waits for nothing and works on nothing that a running one works on."""
        held = frozenset().union(*self._held.values())
        ready = (step for step in waiting if set(step.after) <= self._outcomes.keys())
        return next((step for step in ready if not held & _touched(step)), None)

    def _one(self, step: Step) -> Outcome:
        begun = self._shop.tools.clock()
        outcome = self._blocked(step) or self._attempt(step)
        seconds = (self._shop.tools.clock() - begun).total_seconds()
        outcome = evolve(outcome, seconds=seconds)
        self._say(step, Finished(outcome))
        return outcome

    def _blocked(self, step: Step) -> Outcome | None:
        """Say why a step is not even tried."""
        if self._stop_signal():
            return Outcome(step.id, step.address, Status.SKIPPED, error="stopped before it began")
        after = set(step.after) - (set() if isinstance(step.action, _CHANGING) else self._cleaning)
        failed = [id for id in sorted(after) if self._outcomes[id].status is not Status.DONE]
        if failed:
            return Outcome(step.id, step.address, Status.SKIPPED, error=f"{', '.join(failed)} failed")
        return None

    def _attempt(self, step: Step) -> Outcome:
        context = evolve(self._shop, tools=evolve(self._shop.tools, tell=self._teller(step)))
        self._say(step, Started())
        try:
            check(step, context, known=self._definitions)
            made = perform(step, context, made=self._made_for(step))
        except IncusbakError as error:
            return _failed(step, error)
        except Exception as error:  # a defect in one step must not cost the others their backup
            return _failed(step, IncusbakError(f"unexpected {type(error).__name__}: {error}"))
        return Outcome(step.id, step.address, Status.DONE, _with_note(made, step))

    def _made_for(self, step: Step) -> BackupId | None:
        """The backup that a step which this one comes after has made of the same resource."""
        done = (self._outcomes[id] for id in step.after)
        made = (outcome.made.backup for outcome in done if outcome.address == step.address)
        return next((parse_backup_id(address) for address in made if address), None)

    def _say(self, step: Step, what: StepEvent) -> None:
        """Tell who listens; that a terminal or a pipe has gone must not end what is being done."""
        with suppress(OSError):
            self._listen(Event(step.id, step.address, what))

    def _teller(self, step: Step) -> Callable[[StepEvent], None]:
        def tell(what: StepEvent) -> None:
            self._say(step, what)
            if signum := self._stop_signal():
                raise Stopped("stopped", signum=signum)

        return tell


def _touched(step: Step) -> frozenset[str]:
    return frozenset({step.address, *(ref.address for ref in step.holds)})


def _with_note(made: StepResult, step: Step) -> StepResult:
    """Add which newer backups were not taken, and what stays: that is what somebody may miss."""
    stamps = ", ".join(backup.timestamp for backup in step.passed_over)
    words = f"{stamps} {'is' if len(step.passed_over) == 1 else 'are'} known to be damaged" if stamps else ""
    return evolve(made, note="; ".join(filter(None, (made.note, words))), stays=step.stays)


def _failed(step: Step, error: IncusbakError) -> Outcome:
    return Outcome(
        step.id,
        step.address,
        Status.FAILED,
        StepResult(),
        error=error.message,
        hint=error.hint,
        exit_code=error.exit_code,
    )


def exit_code(report: Report) -> int:
    """Sum a report up as the exit codes' table says."""
    failed = [outcome for outcome in report.outcomes if outcome.status is not Status.DONE]
    if not failed:
        return short_of(report.missed, done=bool(report.outcomes))
    if all(outcome.step.startswith(_FINDING) for outcome in failed) and _codes(failed) == {Corrupt.exit_code}:
        return Corrupt.exit_code  # what was found is not what went wrong
    if report.count(Status.DONE):
        return 3
    codes = _codes(failed)
    return codes.pop() if len(codes) == 1 else 1


def short_of(missed: Iterable[Missed], *, done: bool) -> int:
    """The exit code of a run all of whose steps, if there were any, were carried out.

    Args:
        missed: what was asked for and had no step.
    """
    found = list(missed)
    if not found:
        return 0
    if done:
        return Incomplete.exit_code
    return Corrupt.exit_code if any(each.damaged for each in found) else Unplannable.exit_code


def shown_code(plan: Plan) -> int:
    """The exit code of showing a plan: damage that it tells of, or that it would be done in part only."""
    is_damaged = any(each.damaged for each in plan.missed)
    return short_of(plan.missed, done=bool(plan.steps) and not is_damaged)


def _codes(failed: Iterable[Outcome]) -> set[int]:
    return {outcome.exit_code for outcome in failed if outcome.exit_code}
