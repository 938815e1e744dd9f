"""What becomes of a rehearsal: a note in the repository, whether the backup comes up or not."""

import pytest

from incusbak.engine.execution.executor import exit_code
from incusbak.errors import Unfit
from incusbak.model.actions import Rehearse
from incusbak.model.notes import Rehearsal
from incusbak.model.plans import Step
from tests.unit.test_executor import A, B, back_up, kind_of, run, stored
from tests.unit.toys import ToyKind, execution_context, resource


@pytest.mark.parametrize("others", [0, 1])
def test_a_backup_that_does_not_come_up_is_a_finding_and_noted(others: int) -> None:
    repository, backup, _ = stored()
    kind = ToyKind({B: resource(B)}, failing={A: Unfit("it does not start")})
    step = Step(f"rehearse:{A}", A.address, Rehearse(A, backup, (), 9), "asked for")
    report = run([step, back_up(B)][: 1 + others], execution_context(kind, repository))
    assert exit_code(report) == 6
    [note] = repository.notes(backup)
    assert isinstance(note, Rehearsal)
    assert note.problem == "it does not start"


def test_a_backup_that_comes_up_is_noted_with_what_was_measured() -> None:
    repository, backup, _ = stored()
    step = Step(f"rehearse:{A}", A.address, Rehearse(A, backup, (), 9), "asked for")
    report = run([step], execution_context(kind_of(), repository))
    assert exit_code(report) == 0
    assert report.outcomes[0].made.note.endswith("restored in 2.5 s, up in 0.5 s")
    [note] = repository.notes(backup)
    assert note == Rehearsal(backup, note.at, "", 2.5, 0.5)


def test_what_an_earlier_step_made_is_rehearsed() -> None:
    repository, old, _ = stored()
    made = back_up(A)
    step = Step(f"rehearse:{A}", A.address, Rehearse(A, None, (), 9), "never rehearsed", after=(made.id,))
    assert exit_code(run([made, step], execution_context(kind_of(A), repository))) == 0
    [new] = set(repository.catalog().of(A)) - {old}
    assert [note.backup for note in repository.notes(new)] == [new]


def test_a_plan_that_makes_nothing_to_rehearse_is_stale() -> None:
    repository, backup, _ = stored()
    step = Step(f"rehearse:{A}", A.address, Rehearse(A, None, (), 9), "never rehearsed")
    report = run([step], execution_context(kind_of(), repository))
    assert exit_code(report) == 4
    assert repository.notes(backup) == ()
