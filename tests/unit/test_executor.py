"""How steps are carried out: each for itself, checked before, never after the one it needs failed."""

import signal
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from incusbak.engine.execution.approval import Agreed, approve
from incusbak.engine.execution.context import ExecutionContext
from incusbak.engine.execution.executor import execute, exit_code
from incusbak.errors import Busy, Corrupt, Disturbed, OperationFailed, ServerUnavailable, StalePlan
from incusbak.model.actions import BackUp, Discard, Recover, Replace, Restore
from incusbak.model.backups import ExportOptions, RepositoryIdentity
from incusbak.model.goals import RestoreOptions
from incusbak.model.plans import (
    Absent,
    Exists,
    Expectation,
    HasManifest,
    HasRecord,
    Meta,
    Plan,
    PlanFile,
    ServerIdentity,
    Step,
    Unchanged,
)
from incusbak.model.policies import Hooks
from incusbak.model.records import PendingHooks
from incusbak.model.refs import BackupId, ResourceRef, instance_ref
from incusbak.model.results import Event, Finished, Outcome, Report, Started, Status
from tests.fakes import MemoryJournal, MemoryRepository
from tests.samples import WEB, export_record, store
from tests.unit.toys import NOW, ToyKind, execution_context, resource

A, B, C = (instance_ref("default", name) for name in "abc")


def back_up(ref: ResourceRef, *after: str, expects: tuple[Expectation, ...] | None = None) -> Step:
    wanted = (Exists(ref, f"u-{ref.name}"),) if expects is None else expects
    return Step(ref.name, ref.address, BackUp(ref, ExportOptions()), "asked for", after=after, expects=wanted)


def kind_of(*refs: ResourceRef) -> ToyKind:
    return ToyKind({ref: resource(ref) for ref in refs})


def run(
    steps: Iterable[Step],
    shop: ExecutionContext,
    *,
    parallel: int = 2,
    listen: Callable[[Event], None] = lambda _: None,
    stop_signal: Callable[[], int] = lambda: 0,
) -> Report:
    plan = Plan(ServerIdentity("f", "host", ""), RepositoryIdentity("r", "memory:"), steps=tuple(steps))
    approved = approve(PlanFile(Meta("", ""), "d" * 64, plan), Agreed())
    return execute(approved, shop, parallel=parallel, listen=listen, stop_signal=stop_signal)


def states(report: Report) -> dict[str, str]:
    return {outcome.step: outcome.status.value for outcome in report.outcomes}


# -- outcomes -----------------------------------------------------------------------------------------


def test_each_step_has_its_outcome_in_the_order_of_the_plan() -> None:
    repository = MemoryRepository()
    report = run([back_up(B), back_up(A)], execution_context(kind_of(A, B), repository))
    assert [outcome.step for outcome in report.outcomes] == ["b", "a"]
    assert [outcome.made.identity for outcome in report.outcomes] == ["u-b", "u-a"]
    made = {outcome.made.backup for outcome in report.outcomes}
    assert made == {backup.address for backups in repository.catalog().backups.values() for backup in backups}
    assert (report.digest, exit_code(report)) == ("d" * 64, 0)
    assert NOW < report.started < report.finished
    assert all(outcome.seconds > 0 for outcome in report.outcomes)


def test_a_step_that_fails_does_not_stop_the_others() -> None:
    kind = kind_of(A, B, C)
    kind.failing[B] = ServerUnavailable("gone")
    report = run([back_up(A), back_up(B), back_up(C)], execution_context(kind), parallel=1)
    assert states(report) == {"a": "done", "b": "failed", "c": "done"}
    failed = report.outcomes[1]
    assert (failed.error, failed.hint, failed.exit_code) == ("gone", ServerUnavailable.default_hint, 75)
    assert exit_code(report) == 3


def test_what_comes_after_a_failed_step_is_skipped_and_so_on() -> None:
    kind = kind_of(A, B, C)
    kind.failing[A] = ServerUnavailable("gone")
    report = run([back_up(A), back_up(B, "a"), back_up(C, "b")], execution_context(kind), parallel=3)
    assert states(report) == {"a": "failed", "b": "skipped", "c": "skipped"}
    assert [outcome.error for outcome in report.outcomes] == ["gone", "a failed", "b failed"]
    assert kind.done == []
    assert exit_code(report) == 75


def test_only_what_changes_a_resource_is_kept_from_it_by_a_clean_up_that_failed() -> None:
    journal = MemoryJournal()
    journal.write(export_record("r1"))
    journal.close()
    kind = kind_of(A)
    kind.failing[WEB] = OperationFailed("read-only file system")
    repository = MemoryRepository()
    stored = store(repository, B)
    cleaning = Step("clean", WEB.address, Recover("r1", WEB), "left", expects=(HasRecord("r1"),))
    restore = Step("b", B.address, Restore(stored, B, RestoreOptions()), "asked", after=("clean",))
    shop = execution_context(kind, repository, MemoryJournal(journal.shelf))
    report = run([cleaning, back_up(A, "clean"), restore], shop)
    assert states(report) == {"clean": "failed", "a": "done", "b": "skipped"}
    [held] = shop.tools.journal.quarantined()
    assert (held.record, held.why) == (export_record("r1"), "read-only file system")
    assert shop.tools.journal.leftovers() == ()


def test_what_was_dealt_with_is_not_quarantined_for_another_failure() -> None:
    """Owed commands are run once, though they fail."""
    journal = MemoryJournal()
    journal.write(PendingHooks("h1", A, Hooks(after=(("false",),), timeout_seconds=1)))
    journal.close()
    shop = execution_context(kind_of(A), journal=MemoryJournal(journal.shelf))
    cleaning = Step("clean", A.address, Recover("h1", A), "owed", expects=(HasRecord("h1"),))
    assert states(run([cleaning], shop)) == {"clean": "failed"}
    assert (shop.tools.journal.leftovers(), shop.tools.journal.quarantined()) == ((), ())


@pytest.mark.parametrize("error", [Busy("still at it"), ServerUnavailable("gone")])
def test_a_clean_up_that_failed_for_a_reason_that_passes_is_tried_again(error: Exception) -> None:
    journal = MemoryJournal()
    journal.write(export_record("r1"))
    journal.close()
    kind = kind_of()
    kind.failing[WEB] = error
    shop = execution_context(kind, journal=MemoryJournal(journal.shelf))
    cleaning = Step("clean", WEB.address, Recover("r1", WEB), "left", expects=(HasRecord("r1"),))
    assert states(run([cleaning], shop)) == {"clean": "failed"}
    assert (shop.tools.journal.leftovers(), shop.tools.journal.quarantined()) == ((export_record("r1"),), ())


def test_a_defect_in_one_step_is_that_steps_failure() -> None:
    kind = kind_of(A, B)
    kind.failing[A] = ZeroDivisionError("division by zero")
    report = run([back_up(A), back_up(B)], execution_context(kind))
    assert states(report) == {"a": "failed", "b": "done"}
    assert report.outcomes[0].error == "unexpected ZeroDivisionError: division by zero"
    assert report.outcomes[0].exit_code == 1


def test_a_disturbed_backup_is_made_once_more() -> None:
    kind, left = kind_of(A), [Disturbed("started meanwhile")]

    def disturb(_: ResourceRef) -> None:
        if left:
            raise left.pop()

    kind.meanwhile = disturb
    assert states(run([back_up(A)], execution_context(kind))) == {"a": "done"}
    kind.failing[A] = Disturbed("again and again")
    report = run([back_up(A)], execution_context(kind))
    assert (states(report), report.outcomes[0].error) == ({"a": "failed"}, "again and again")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([], 0), ([0, 0], 0), ([0, 6], 3), ([6], 6), ([6, 6], 6), ([6, 75], 1), ([75, -1], 75), ([0, -1], 3)],
)
def test_exit_codes_are_summed_up(codes: list[int], expected: int) -> None:
    """-1 stands for a step that was skipped."""
    statuses = {0: Status.DONE, -1: Status.SKIPPED}
    outcomes = [
        Outcome(str(number), "a", statuses.get(code, Status.FAILED), exit_code=max(0, code))
        for number, code in enumerate(codes)
    ]
    assert exit_code(Report(NOW, NOW, "d", tuple(outcomes))) == expected


# -- several at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_so_many_steps_run_at_once_and_no_more(parallel: int) -> None:
    refs = [instance_ref("default", f"i{number}") for number in range(3 * parallel)]
    kind = kind_of(*refs)
    together = threading.Barrier(parallel)
    kind.meanwhile = lambda _: together.wait(10)
    report = run([back_up(ref) for ref in refs], execution_context(kind), parallel=parallel)
    assert set(states(report).values()) == {"done"}
    assert kind.most_at_once == parallel


def test_a_step_waits_for_those_it_comes_after() -> None:
    kind = kind_of(A, B, C)
    run([back_up(A), back_up(B, "a"), back_up(C, "a", "b")], execution_context(kind), parallel=3)
    assert kind.done == [f"export {ref}" for ref in (A, B, C)]


def test_events_tell_of_each_step_from_start_to_end() -> None:
    heard: list[Event] = []
    run([evolve(back_up(A), estimated_bytes=9)], execution_context(kind_of(A)), listen=heard.append)
    assert [event.step for event in heard] == ["a"] * len(heard)
    assert heard[0].what == Started()
    assert isinstance(heard[-1].what, Finished)
    assert heard[-1].what.outcome.status is Status.DONE


# -- stopping -----------------------------------------------------------------------------------------


def test_after_a_stop_signal_nothing_is_begun_and_what_runs_is_ended() -> None:
    kind, repository, received = kind_of(A, B), MemoryRepository(), [0]
    kind.meanwhile = lambda _: received.__setitem__(0, 15)
    report = run(
        [back_up(A), back_up(B)],
        execution_context(kind, repository),
        parallel=1,
        stop_signal=lambda: received[0],
    )
    assert states(report) == {"a": "failed", "b": "skipped"}
    assert [outcome.error for outcome in report.outcomes] == ["stopped", "stopped before it began"]
    assert repository.catalog().backups == {}


def test_a_signal_is_heard_though_it_wakes_nobody() -> None:
    """Python runs a handler in the main thread only; that may just have begun to wait for the steps."""
    kind, heard = kind_of(A), threading.Event()

    def interrupt(_: ResourceRef) -> None:
        time.sleep(0.1)  # the main thread waits by now, and is not the one that gets the signal
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        assert heard.wait(20)

    kind.meanwhile = interrupt
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.set())
    try:
        report = run([back_up(A)], execution_context(kind))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert states(report) == {"a": "done"}


# -- expectations -------------------------------------------------------------------------------------


def stored(ref: ResourceRef = A) -> tuple[MemoryRepository, BackupId, str]:
    repository = MemoryRepository()
    backup = store(repository, ref)
    return repository, backup, repository.manifest(backup).sha256


def unchanged(**other: Any) -> Unchanged:
    seen = Unchanged(A, identity="u-a", generation="", etag="e1", snapshots=("s0", "s1"))
    return evolve(seen, **other)


GONE = BackupId(A, "20260301T123000Z")
STALE: list[tuple[Expectation, str]] = [
    (Exists(C, "u-c"), "instance/default/c is not the one the plan was made for"),
    (Exists(A, "u-x"), "instance/default/a is not the one the plan was made for"),
    (Absent(A), "instance/default/a exists by now"),
    (unchanged(ref=C), "instance/default/c is gone"),
    (unchanged(identity="u-x"), "instance/default/a is another one by now"),
    (unchanged(generation="g"), "instance/default/a was put back in time"),
    (unchanged(snapshots=("s0",)), "the snapshots of instance/default/a have changed"),
    (unchanged(snapshots=("s0", "s1", "s2")), "the snapshots of instance/default/a have changed"),
    (unchanged(etag="e0"), "the configuration of instance/default/a has changed"),
    (HasManifest(GONE, "0"), f"{GONE} is gone"),
    (HasRecord("r1"), "the leftover r1 has been dealt with"),
]


@pytest.mark.parametrize(("expectation", "sentence"), STALE, ids=[sentence for _, sentence in STALE])
def test_one_broken_expectation_refuses_the_whole_plan(expectation: Expectation, sentence: str) -> None:
    kind = ToyKind({A: resource(A, snapshots=("s0", "s1")), B: resource(B)})
    steps = [back_up(B), back_up(A, expects=(Exists(A, "u-a"), expectation))]
    if expectation == Exists(A, "u-x"):
        steps[1] = back_up(A, expects=(expectation,))
    with pytest.raises(StalePlan) as refusal:
        run(steps, execution_context(kind))
    assert refusal.value.message == sentence
    assert kind.done == []


def test_what_holds_is_held_to_hold() -> None:
    repository, backup, sha256 = stored()
    kind = ToyKind({A: resource(A, snapshots=("s0", "s1"))})
    expects = (Exists(A, "u-a"), Absent(C), unchanged(), HasManifest(backup, sha256))
    assert states(run([back_up(A, expects=expects)], execution_context(kind, repository))) == {"a": "done"}


def test_a_changed_manifest_is_another_backup() -> None:
    repository, backup, _ = stored()
    with pytest.raises(StalePlan, match=r"the manifest of .* has changed"):
        run([back_up(A, expects=(HasManifest(backup, "0" * 64),))], execution_context(kind_of(A), repository))


def test_all_reasons_are_told_at_once_each_once() -> None:
    steps = [back_up(A, expects=(Absent(A), Exists(C, ""))), back_up(B, expects=(Absent(A),))]
    with pytest.raises(StalePlan) as refusal:
        run(steps, execution_context(kind_of(A, B)))
    assert refusal.value.message.splitlines() == [
        "instance/default/a exists by now",
        "instance/default/c is not the one the plan was made for",
    ]


def test_a_step_is_checked_again_right_before_it() -> None:
    kind = kind_of(A, B)
    kind.meanwhile = lambda _: kind.there.pop(B, None)
    report = run([back_up(A), back_up(B)], execution_context(kind), parallel=1)
    assert states(report) == {"a": "done", "b": "failed"}
    assert report.outcomes[1].exit_code == 4
    assert kind.done == [f"export {A}"]


# -- actions ------------------------------------------------------------------------------------------


def test_a_backup_is_verified_before_the_kind_hears_of_it() -> None:
    repository, backup, _ = stored()
    repository.damage(backup, "export.tar.zst", b"arch1ve")
    kind = kind_of()
    step = Step("r", A.address, Restore(backup, A, RestoreOptions()), "gone", expects=(Absent(A),))
    report = run([step], execution_context(kind, repository))
    assert (states(report), exit_code(report)) == ({"r": "failed"}, Corrupt.exit_code)
    assert (kind.done, kind.there) == ([], {})


def test_every_action_reaches_its_kind() -> None:
    repository, backup, _ = stored()
    kind = kind_of(B, C)
    dead = MemoryJournal()
    dead.write(export_record("r1"))
    dead.close()
    options = RestoreOptions()
    report = run(
        [
            Step("1", A.address, Recover("r1", A), "left", expects=(HasRecord("r1"),)),
            Step("2", C.address, Discard(C), "expired"),
            Step("3", A.address, Restore(backup, A, options), "gone"),
            Step("4", B.address, Replace(backup, B, options), "spoilt"),
        ],
        execution_context(kind, repository, MemoryJournal(dead.shelf)),
        parallel=1,
    )
    assert kind.done == ["recover r1", f"discard {C}", f"restore {A}", f"replace {B}"]
    assert [outcome.made.note for outcome in report.outcomes[:2]] == ["recovered r1", f"removed {C}"]
    assert [outcome.made.backup for outcome in report.outcomes[2:]] == [backup.address] * 2
    assert timedelta(0) < report.finished - report.started


def test_a_terminal_that_has_gone_does_not_end_a_step() -> None:
    def broken(_: Event) -> None:
        raise BrokenPipeError

    report = run([back_up(A)], execution_context(kind_of(A)), listen=broken)
    assert [outcome.status for outcome in report.outcomes] == [Status.DONE]
