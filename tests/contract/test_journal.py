"""``ports.Journal``: what a killed run leaves is known to the next."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from attrs import evolve

from incusbak.errors import RepositoryError
from incusbak.model.courses import LASTING, BackupMade, Course, Entry, RestoreMade, RunEnded, StepMade
from incusbak.model.records import EntityCreation, Phase, Quarantined, Record, Restoration, ScratchInstance
from incusbak.model.refs import BackupId, format_timestamp, instance_ref, parse_address
from incusbak.ports import Journal
from incusbak.state import StateJournal
from tests.fakes import MemoryJournal, Shelf
from tests.killing import killed_at_each_touch
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
        EntityCreation("n1", parse_address("network/default/br0"), {"config": {"ipv4.address": "none"}}),
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


# -- how far a run got --------------------------------------------------------------------------------

BACKUP = BackupId(WEB, format_timestamp(MOMENT))


def course_of(name: str = "c1") -> Course:
    """A course begun just now: one of long ago is gone."""
    return Course(name, "backup all", "key", "repository", datetime.now(UTC), 3)


def entries(course: Course) -> tuple[Entry, ...]:
    made = BackupMade(course.started, BACKUP, "uuid")
    back = RestoreMade(course.started, WEB, BACKUP, "uuid", "digest")
    return made, back, StepMade(course.started, "back-up:x"), RunEnded(course.started, 3)


def test_what_a_dead_run_set_out_to_do_and_did_is_known_to_the_next(begin: Begin) -> None:
    run, course = begin(), course_of()
    run.begin(course)
    for entry in entries(course):
        run.note(entry)
    assert begin().unfinished() == ()
    run.close()
    assert begin().unfinished() == (evolve(course, entries=entries(course)),)


def test_a_course_that_was_forgotten_is_gone(begin: Begin) -> None:
    run = begin()
    run.begin(course_of("a"))
    run.forget("a")
    run.close()
    dead = begin()
    dead.begin(course_of("b"))
    dead.close()
    [left] = begin().unfinished()
    assert left.id == "b"
    begin().forget("b")
    begin().forget("b")
    assert begin().unfinished() == ()


def test_the_course_of_a_live_run_is_left_alone(begin: Begin) -> None:
    alive = begin()
    alive.begin(course_of())
    begin().forget("c1")
    alive.close()
    assert len(begin().unfinished()) == 1


def test_who_tidies_up_notes_what_an_unfinished_run_has_done_by_that(begin: Begin) -> None:
    dead, course = begin(), course_of()
    dead.begin(course)
    dead.close()
    begin().note(entries(course)[1])
    assert begin().unfinished() == (evolve(course, entries=(entries(course)[1],)),)
    own = begin()
    own.begin(course_of("own"))
    own.note(entries(course)[0])
    assert [each.entries for each in begin().unfinished()] == [(entries(course)[1],)]


def test_where_nobody_has_a_course_a_note_is_dropped(begin: Begin) -> None:
    begin().note(entries(course_of())[0])
    assert begin().unfinished() == ()


def test_a_course_is_no_leftover_and_goes_when_it_is_forgotten(tmp_path: Path) -> None:
    dead = StateJournal(tmp_path, "f" * 64)
    dead.begin(course_of())
    dead.close()
    run = StateJournal(tmp_path, "f" * 64)
    assert (run.leftovers(), len(run.unfinished())) == ((), 1)
    run.forget("c1")
    run.close()
    assert [*(tmp_path / ("f" * 16)).iterdir()] == []


def test_a_line_that_was_cut_or_is_of_another_version_tells_of_nothing(tmp_path: Path) -> None:
    dead, course = StateJournal(tmp_path, "f" * 64), course_of()
    dead.begin(course)
    dead.note(entries(course)[0])
    dead.close()
    [file] = tmp_path.glob("*/*/course")
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    next_run = StateJournal(tmp_path, "f" * 64)
    next_run.note(entries(course)[1])
    assert next_run.unfinished() == (evolve(course, entries=(entries(course)[1],)),)
    file.write_bytes(whole.replace(b'"format_version":1', b'"format_version":2'))
    assert next_run.unfinished() == ()
    file.write_bytes(b"\x00\xff")
    assert next_run.unfinished() == ()


def test_a_course_of_long_ago_is_gone_and_nothing_is_noted_there(tmp_path: Path) -> None:
    old = evolve(course_of(), started=datetime.now(UTC) - LASTING - timedelta(minutes=1))
    dead = StateJournal(tmp_path, "f" * 64)
    dead.begin(old)
    dead.close()
    run = StateJournal(tmp_path, "f" * 64)
    run.note(StepMade(datetime.now(UTC), "late"))
    assert run.unfinished() == ()
    run.write(export_record("e1"))
    assert len([*tmp_path.glob("*/*")]) == 1


def test_a_run_killed_at_any_touch_leaves_what_can_be_read(tmp_path: Path) -> None:
    course = course_of()

    def work(number: int) -> None:
        run = StateJournal(tmp_path / str(number), "f" * 64)
        run.begin(course)
        for entry in entries(course):
            run.note(entry)

    seen = []
    for number in killed_at_each_touch(work):
        [*found] = StateJournal(tmp_path / str(number), "f" * 64).unfinished()
        seen.append(len(found[0].entries) if found else -1)
    assert seen == sorted(seen)
    assert {*seen} == {-1, 0, 1, 2, 3, 4}
