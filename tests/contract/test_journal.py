"""``ports.Journal``: what a killed run leaves is known to the next."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from attrs import evolve

from incusbak.errors import RepositoryError
from incusbak.model.records import Phase, Quarantined, Record, Restoration, ScratchInstance
from incusbak.model.refs import instance_ref
from incusbak.ports import Journal
from incusbak.state import StateJournal
from tests.fakes import MemoryJournal, Shelf
from tests.samples import MOMENT, WEB, export_record


class Run(Journal, Protocol):
    """The journal of a run that can end."""

    def close(self) -> None: ...


Begin = Callable[[], Run]


@pytest.fixture(params=["memory", "state"])
def begin(request: pytest.FixtureRequest, tmp_path: Path) -> Begin:
    """Begin a run; all runs of a test are of one machine and one server."""
    if request.param == "memory":
        shelf = Shelf()
        return lambda: MemoryJournal(shelf)
    return lambda: StateJournal(tmp_path / "state", "f" * 64)


def left_by_a_dead_run(begin: Begin, *records: Record) -> Run:
    """Leave records behind; gives the next run."""
    dead = begin()
    for record in records:
        dead.write(record)
    dead.close()
    return begin()


def restoration(phase: Phase) -> Restoration:
    return Restoration(
        id="r1", ref=WEB, temporary="tmp", aside="old", phase=phase, start=True, victim={"name": "web"}
    )


def test_there_are_no_leftovers_at_first(begin: Begin) -> None:
    assert begin().leftovers() == ()


def test_records_of_this_run_are_no_leftovers(begin: Begin) -> None:
    run = begin()
    run.write(export_record("e1"))

    assert run.leftovers() == ()


def test_records_of_a_live_run_are_no_leftovers(begin: Begin) -> None:
    alive = begin()
    alive.write(export_record("e1"))

    assert begin().leftovers() == ()


@pytest.mark.parametrize(
    "record",
    [
        export_record("e1"),
        ScratchInstance(id="s1", ref=instance_ref("default", "tmp"), source=WEB, source_was_frozen=True),
        restoration(Phase.SWAPPING),
        evolve(restoration(Phase.IMPORTING), victim=None),
    ],
    ids=lambda record: type(record).__name__,
)
def test_records_of_a_dead_run_are_leftovers_as_they_were_written(begin: Begin, record: Record) -> None:
    assert left_by_a_dead_run(begin, record).leftovers() == (record,)


def test_leftovers_of_all_dead_runs_come_sorted_by_id(begin: Begin) -> None:
    left_by_a_dead_run(begin, export_record("b"), export_record("a")).close()
    run = left_by_a_dead_run(begin, export_record("c"))

    assert [record.id for record in run.leftovers()] == ["a", "b", "c"]


def test_a_record_with_the_same_id_is_replaced(begin: Begin) -> None:
    run = left_by_a_dead_run(begin, restoration(Phase.IMPORTING), restoration(Phase.SWAPPING))

    assert run.leftovers() == (restoration(Phase.SWAPPING),)


def test_a_removed_record_is_forgotten(begin: Begin) -> None:
    run = begin()
    run.write(export_record("e1"))
    run.remove("e1")
    run.close()

    assert begin().leftovers() == ()


def test_removing_what_is_not_there_is_fine(begin: Begin) -> None:
    run = begin()
    run.remove("e1")
    run.write(export_record("e2"))
    run.remove("e1")
    run.close()

    assert [record.id for record in begin().leftovers()] == ["e2"]


def test_a_leftover_is_removed_by_the_run_that_dealt_with_it(begin: Begin) -> None:
    run = left_by_a_dead_run(begin, export_record("a"), export_record("b"))

    run.remove("a")

    assert [record.id for record in run.leftovers()] == ["b"]


def test_a_leftover_that_is_rewritten_stays_one(begin: Begin) -> None:
    run = left_by_a_dead_run(begin, restoration(Phase.SWAPPING))

    run.write(restoration(Phase.COMPLETE))

    assert run.leftovers() == (restoration(Phase.COMPLETE),)


def test_a_run_leaves_the_records_of_a_live_one_alone(begin: Begin) -> None:
    alive = begin()
    alive.write(export_record("e1"))
    begin().remove("e1")
    alive.close()

    assert [record.id for record in begin().leftovers()] == ["e1"]


def test_a_leftover_is_taken_over_by_one_run_only(begin: Begin) -> None:
    first = left_by_a_dead_run(begin, export_record("a"), export_record("b"))
    second = begin()

    assert first.take_over("a") == export_record("a")
    assert second.take_over("a") is None
    assert [record.id for record in second.leftovers()] == ["b"]


def test_a_leftover_taken_over_is_still_one_for_its_taker(begin: Begin) -> None:
    run = left_by_a_dead_run(begin, export_record("a"))
    run.take_over("a")

    assert run.leftovers() == (run.take_over("a"),) == (export_record("a"),)


def test_a_leftover_taken_over_and_not_removed_is_one_for_the_next_run(begin: Begin) -> None:
    run = left_by_a_dead_run(begin, export_record("a"))
    run.take_over("a")
    run.close()

    assert begin().leftovers() == (export_record("a"),)


def test_a_leftover_taken_over_is_forgotten_once_removed(begin: Begin) -> None:
    run = left_by_a_dead_run(begin, export_record("a"))
    run.take_over("a")
    run.remove("a")
    run.close()

    assert begin().leftovers() == ()


def test_only_leftovers_can_be_taken_over(begin: Begin) -> None:
    alive = begin()
    alive.write(export_record("a"))

    assert begin().take_over("a") is None
    assert alive.take_over("a") is None
    assert begin().take_over("b") is None


HELD = Quarantined(export_record("a"), "the server refuses", "do it by hand", MOMENT, "there")


def test_a_leftover_in_quarantine_is_none_for_any_run(begin: Begin) -> None:
    run = left_by_a_dead_run(begin, export_record("a"), export_record("b"))
    run.take_over("a")
    run.quarantine(HELD)

    assert (run.quarantined(), run.leftovers()) == ((HELD,), (export_record("b"),))
    run.close()
    later = begin()
    assert (later.quarantined(), later.leftovers()) == ((HELD,), (export_record("b"),))


def test_a_leftover_in_quarantine_can_be_taken_over_and_removed(begin: Begin) -> None:
    run = left_by_a_dead_run(begin, export_record("a"))
    run.take_over("a")
    run.quarantine(HELD)
    run.close()
    later = begin()

    assert later.take_over("a") == export_record("a")
    assert begin().take_over("a") is None
    later.remove("a")
    assert later.quarantined() == begin().quarantined() == ()


def test_what_is_written_again_is_in_quarantine_no_longer(begin: Begin) -> None:
    run = left_by_a_dead_run(begin, export_record("a"))
    run.take_over("a")
    run.quarantine(HELD)
    run.write(export_record("a"))

    assert (run.quarantined(), run.leftovers()) == ((), (export_record("a"),))


def test_a_run_can_be_closed_twice(begin: Begin) -> None:
    run = left_by_a_dead_run(begin, export_record("e1"))
    run.close()
    run.close()

    assert len(begin().leftovers()) == 1


@pytest.mark.parametrize("record_id", ["../e1", "", "a/b"])
def test_ids_that_must_not_be_file_names_are_refused(tmp_path: Path, record_id: str) -> None:
    with pytest.raises(RepositoryError):
        StateJournal(tmp_path, "f" * 64).write(export_record(record_id))
