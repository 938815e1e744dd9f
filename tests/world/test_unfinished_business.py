"""What a dead run left and somebody touched since; what can't be cleaned up; what is somebody else's."""

import pytest
from attrs import evolve

from incusbak.errors import RepositoryError
from incusbak.model.records import Record
from tests.fakes import MemoryJournal, MemoryRepository
from tests.world.mortal import DAMAGED, RESTORED, MortalEstate
from tests.world.session import MemorySession
from tests.world.test_crash_recovery import with_backup

_PROTECT = """
version: 1
protect:
  - {name: all, select: {kind: instance}}
"""
_RESTORE = """
version: 1
restore:
  - {name: back, select: {kind: instance, names: [web]}, if_present: replace}
"""


def dead_after(estate: MortalEstate, method: str, path_start: str, nth: int = 1) -> None:
    """Kill a replacement right after the server has done its n-th such request."""
    seen = 0

    def count(done: str, path: str) -> None:
        nonlocal seen
        seen += done == method and path.startswith(path_start)
        if seen >= nth:
            estate.server.arm(1)
        estate.server.moment()

    estate.server.after(count)
    assert estate.dies(0, estate.replace_web)
    estate.server.after(lambda *_: estate.server.moment())


def test_what_cannot_be_cleaned_up_keeps_nothing_else_from_being_done() -> None:
    estate = with_backup()
    world = estate.server.world
    world.add_instance("db", status="Running")
    dead_after(estate, "POST", "instances/web")  # it waits under another name
    world.add_instance("web", files={"rootfs/data": b"somebody's"})

    assert estate.back_up("db") == 3
    assert [backup.ref.name for backup in estate.disk.backups] == ["web", "db"]
    assert estate.holds() == {DAMAGED, b"somebody's"}

    del world.instances["default", "web"]
    assert estate.back_up("db") == 0
    assert (estate.holds(), estate.left()) == ({DAMAGED}, [])


def test_a_named_instance_that_waits_under_another_name_is_put_back_and_backed_up() -> None:
    estate = with_backup()
    dead_after(estate, "POST", "instances/web")

    assert estate.back_up("web") == 0
    assert len(estate.disk.backups) == 2


def test_what_waits_under_another_name_is_not_taken_for_an_instance_of_its_own() -> None:
    estate = with_backup()
    dead_after(estate, "POST", "instances/web")  # before it got any mark

    steps = estate.plan(_PROTECT).plan.steps
    assert [step.id.split(":")[0] for step in steps] == ["recover"]


def test_an_original_removed_meanwhile_is_no_reason_to_fail_for_ever() -> None:
    estate = with_backup()
    dead_after(estate, "POST", "instances", 1)
    del estate.server.world.instances["default", "web"]

    assert estate.restore("web") == 0
    assert (estate.holds(), estate.left()) == ({RESTORED}, [])


def test_an_original_stopped_during_the_import_stays_stopped() -> None:
    estate = with_backup()
    dead_after(estate, "POST", "instances", 1)
    estate.web().status = "Stopped"

    assert estate.back_up("web") == 0
    assert (estate.web().status, estate.left()) == ("Stopped", [])


def test_an_original_changed_during_the_import_is_not_replaced() -> None:
    estate = with_backup()

    def change(method: str, path: str) -> None:
        if (method, path) == ("POST", "instances"):
            estate.web().config["user.note"] = "changed"

    estate.server.after(change)
    assert estate.replace_web() == 4
    assert (estate.web().status, estate.web().config["user.note"]) == ("Running", "changed")
    assert (estate.holds(), estate.left()) == ({DAMAGED}, [])


def test_a_replacement_that_the_next_run_finished_is_not_planned_again() -> None:
    estate = with_backup()
    dead_after(estate, "PUT", "instances/web", 6)  # stop, definition twice, expiry, start, marks off

    cleaning = estate.plan(_RESTORE)
    assert [step.id.split(":")[0] for step in cleaning.plan.steps] == ["recover"]
    assert estate.apply(cleaning) == 0
    assert estate.plan(_RESTORE).plan.steps == ()
    assert (estate.holds(), estate.left()) == ({RESTORED}, [])


def test_the_replaced_one_stays_while_its_successor_does_not_run() -> None:
    estate = with_backup()
    dead_after(estate, "PUT", "instances/web", 6)
    estate.web().status = "Stopped"

    assert estate.back_up_web() != 0
    assert estate.back_up_web() == 0  # it is told of once
    assert estate.holds() == {DAMAGED, RESTORED}
    instances = estate.server.world.instances
    [aside] = [key for key in instances if key[1] != "web"]
    del instances[aside]  # by hand, as the error says
    estate.back_up_web()
    assert (estate.holds(), estate.left()) == ({RESTORED}, [])


def test_what_a_live_run_works_with_is_left_alone() -> None:
    estate = with_backup()
    dead_after(estate, "POST", "instances/web")
    estate.shelf.alive.update(estate.shelf.runs)

    plan = estate.plan(_RESTORE).plan
    assert plan.summary.clean_up == 0


class ReadOnlyJournal(MemoryJournal):
    def write(self, record: Record) -> None:
        raise RepositoryError("the journal is read-only")


class WithoutJournal(MortalEstate):
    def session(self) -> MemorySession:
        return MemorySession(self.server, MemoryRepository(self.disk), ReadOnlyJournal(self.shelf))


@pytest.mark.parametrize("command", ["back up", "replace"])
def test_without_a_journal_nothing_is_begun(command: str) -> None:
    estate = with_backup()
    estate.server.server = evolve(estate.server.server, extensions=frozenset())
    crippled = WithoutJournal(server=estate.server, disk=estate.disk, shelf=estate.shelf)
    estate.server.requests.clear()
    assert (crippled.back_up_web if command == "back up" else crippled.replace_web)() == 1
    assert {method for method, _ in estate.server.requests} == {"GET"}
