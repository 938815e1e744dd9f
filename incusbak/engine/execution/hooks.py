"""Run a policy's commands around a backup: ``after`` always, once ``before`` has begun.

A record is kept from before the first command until after the last, so that the next run makes good what a
killed one left undone.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from attrs import define, evolve, field

from ...errors import CommandFailed, IncusbakError
from ...model.policies import Hooks
from ...model.records import PendingHooks
from ...model.refs import ResourceRef
from ...model.results import StepEvent, StepResult
from ...ports import Kind, KindContext


@contextmanager
def hooked(tools: KindContext, kind: Kind, ref: ResourceRef, hooks: Hooks) -> Iterator[KindContext]:
    """Run ``before``, then ``after`` as soon as the content is captured, at the latest on leaving.

    Nothing is run in what is not running.

    Raises:
        CommandFailed: ``before`` failed, and the block is not entered; or ``after`` did, on leaving a block
            that ended well, which is not undone.
    """
    if not hooks or not kind.has_inside(tools.api, ref):
        yield tools
        return
    pending = _Pending(tools, kind, PendingHooks(f"hooks-{secrets.token_hex(6)}", ref, hooks))
    tools.journal.write(pending.record)
    try:
        pending.run_before()
        yield evolve(tools, captured=pending.run_after)
    except IncusbakError as error:
        pending.run_after()
        if pending.failed:
            error.add_note(pending.failed.message)
        raise
    finally:
        pending.run_after()
    if pending.failed:
        raise CommandFailed(f"the backup was made, but {pending.failed.message}")


def make_good(tools: KindContext, kind: Kind, record: PendingHooks) -> StepResult:
    """Run the ``after`` that a killed run owes.

    Raises:
        CommandFailed: a command failed; it is not tried again.
    """
    pending = _Pending(tools, kind, record)
    kind.end_commands(tools, record.ref, record.id)
    pending.run_after()
    if pending.failed:
        raise pending.failed
    return StepResult(note=f"ran the commands after the backup of {record.ref}")


@define
class _Pending:
    """Commands of one backup; ``after`` is run once, whatever asks for it first."""

    _tools: KindContext
    _kind: Kind
    record: PendingHooks
    failed: CommandFailed | None = None
    _is_done: bool = field(init=False, default=False)

    def run_before(self) -> None:
        for command in self.record.hooks.before:
            self._run(self._tools, command)

    def run_after(self) -> None:
        """Run every command, also after one that failed; nobody can stop that."""
        if self._is_done:
            return
        self._is_done = True
        for command in self.record.hooks.after:
            if not self._kind.has_inside(self._tools.api, self.record.ref):
                break
            try:
                self._run(evolve(self._tools, tell=self._mention), command)
            except CommandFailed as error:
                self.failed = self.failed or error
        self._tools.journal.remove(self.record.id)

    def _run(self, tools: KindContext, command: tuple[str, ...]) -> None:
        timeout = self.record.hooks.timeout_seconds
        self._kind.run_inside(tools, self.record.ref, command, timeout_seconds=timeout, token=self.record.id)

    def _mention(self, what: StepEvent) -> None:
        with suppress(IncusbakError):
            self._tools.tell(what)
