"""Rehearsals by policy: when they are due, what they keep from being removed, what status tells of them."""

from datetime import timedelta

from attrs import evolve

from incusbak.cli.session import now
from incusbak.cli.status_cmd import survey
from incusbak.errors import ServerError
from incusbak.model.notes import Inspection
from incusbak.model.standings import LastRehearsal, Standing, State
from incusbak.policyfile import parse_policy
from tests.fakes import MemoryRepository
from tests.world.aging import date_back
from tests.world.rehearse_scene import WEB, estate_with, notes, problems
from tests.world.session import Estate


def policy(rehearse: str = "{every: 30d, probe: [[cat, /data]]}", more: str = "") -> str:
    backup = "{every: 365d, attached_volumes: false}"
    rule = f"{{name: all, select: {{kind: instance}}, rehearse: {rehearse}, backup: {backup}{more}}}"
    return f"version: 1\nprotect: [{rule}]\n"


def steps(estate: Estate, text: str) -> list[str]:
    return [step.id for step in estate.plan(text).plan.steps]


def aged(*days: int) -> Estate:
    estate = estate_with()
    [backup] = estate.disk.backups
    date_back(estate.disk, backup, timedelta(days=days[0]))
    for age in days[1:]:
        assert estate.back_up("web") == 0
        date_back(estate.disk, max(estate.disk.backups, key=lambda b: b.created), timedelta(days=age))
    return estate


def test_a_first_backup_is_rehearsed_by_the_plan_that_makes_it() -> None:
    estate = Estate()
    estate.server.world.add_instance("web", status="Running", files={"rootfs/data": b"web"})
    plan_file = estate.plan(policy())
    assert [step.id for step in plan_file.plan.steps] == [f"back-up:{WEB}", f"rehearse:{WEB}"]
    assert estate.apply(plan_file) == 0
    [backup] = estate.disk.backups
    assert [(note.backup, note.problem) for note in notes(estate)] == [(backup, "")]
    assert steps(estate, policy()) == []


def test_what_was_not_backed_up_is_not_rehearsed() -> None:
    estate = Estate()
    estate.server.world.add_instance("web", status="Running", files={"rootfs/data": b"web"})
    plan_file = estate.plan(policy())
    estate.server.fail_on(lambda _, path: path.endswith("/backups"), ServerError("no"))
    assert estate.apply(plan_file) == 1
    assert notes(estate) == []
    estate.server.forgive()
    assert steps(estate, policy()) == [f"back-up:{WEB}", f"rehearse:{WEB}"]


def test_what_was_not_rehearsed_for_too_long_is_and_then_there_is_nothing_to_do() -> None:
    estate = aged(40, 2)
    plan_file = estate.plan(policy())
    [step] = plan_file.plan.steps
    assert (step.id, step.hazards, step.reason) == (f"rehearse:{WEB}", (), "never rehearsed")
    assert plan_file.plan.summary.rehearse == 1
    assert estate.apply(plan_file) == 0
    [note] = notes(estate)
    assert (now() - note.backup.created).days == 2
    assert steps(estate, policy()) == []


def test_what_has_only_damaged_backups_is_backed_up_and_named() -> None:
    estate = aged(40)
    [backup] = estate.disk.backups
    MemoryRepository(estate.disk).note(Inspection(backup, now(), f"{backup}: it is cut"))
    plan = estate.plan(policy()).plan
    assert [step.id for step in plan.steps] == [f"back-up:{WEB}"]
    [missed] = plan.missed
    assert missed.address == WEB.address
    assert f"`incus-backup rehearse instance web --version {backup.timestamp}`" in missed.hint
    assert estate.apply(estate.plan(policy())) == 3
    assert estate.plan(policy()).plan.missed == ()


def test_a_failed_rehearsal_ends_with_six_and_is_not_tried_again_at_once() -> None:
    estate = aged(40)
    text = policy("{every: 30d, probe: [['false']], timeout: 1s}")
    assert estate.apply(estate.plan(text)) == 6
    assert problems(estate) == ["`false` ended with code 1"]
    assert steps(estate, text) == []


def test_how_a_rehearsal_went_is_known_for_longer_than_its_backup_is_kept() -> None:
    estate = aged(40)
    assert estate.apply(estate.plan(policy())) == 0
    assert estate.back_up("web") == 0
    repository, old = MemoryRepository(estate.disk), min(estate.disk.backups)
    repository.remove(old, now())
    repository.purge(old)
    assert steps(estate, policy()) == []
    estate.disk.notes = {
        backup: [evolve(note, at=note.at - timedelta(days=31)) for note in found]
        for backup, found in estate.disk.notes.items()
    }
    assert steps(estate, policy()) == [f"rehearse:{WEB}"]


def test_backups_that_are_never_kept_for_long_are_rehearsed_all_the_same() -> None:
    estate = aged(3, 2)
    text = policy(more=", keep: {last: 1}")
    plan_file = estate.plan(text)
    assert [step.id for step in plan_file.plan.steps] == [f"rehearse:{WEB}", f"prune:{WEB}"]
    assert plan_file.plan.steps[1].after == (f"rehearse:{WEB}",)
    assert estate.apply(plan_file) == 0
    assert steps(estate, text) == []


def test_nothing_is_removed_when_what_is_kept_does_not_come_up() -> None:
    estate = aged(3, 2)
    text = policy("{every: 30d, probe: [['false']], timeout: 1s}", ", keep: {last: 1}")
    assert estate.apply(estate.plan(text)) == 6
    assert len(estate.disk.backups) == 2


def test_what_can_not_be_rehearsed_is_told_and_does_not_keep_others_from_being_backed_up() -> None:
    estate = aged(40)
    del estate.server.world.pools["fast"]
    estate.server.world.add_instance("db", status="Running")
    plan = estate.plan(policy()).plan
    db = "instance/default/db"
    assert [step.id for step in plan.steps] == [f"back-up:{db}", f"rehearse:{db}"]
    assert [w for w in plan.warnings if "can't be rehearsed: its pool/fast is not on the server" in w]


def test_what_is_read_again_is_rehearsed_after_that() -> None:
    estate = aged(40)
    plan = estate.plan(policy(more=", verify: {every: 7d}")).plan
    assert [(step.id, step.after) for step in plan.steps] == [
        (f"verify:{WEB}", ()),
        (f"rehearse:{WEB}", (f"verify:{WEB}",)),
    ]


# -- status -------------------------------------------------------------------------------------------


def standing_of(estate: Estate, text: str, *, days: int = 0) -> Standing:
    at = now() + timedelta(days=days)
    overview = survey(estate.session(), parse_policy(text, "policy.yaml"), at=at, history=0)
    return next(each for each in overview.protected if each.address == WEB.address)


def test_a_rehearsal_keeps_its_promise_until_it_is_too_long_ago() -> None:
    estate = aged(40, 2)
    before = standing_of(estate, policy())
    assert (before.state, before.reason, before.rehearsal) == (State.UNREHEARSED, "never rehearsed", None)
    assert estate.apply(estate.plan(policy())) == 0
    kept = standing_of(estate, policy(), days=29)
    assert (kept.state, kept.reason) == (State.OK, "")
    [note] = notes(estate)
    assert kept.rehearsal == LastRehearsal(note.backup, note.at, "", note.restore_seconds, note.boot_seconds)
    broken = standing_of(estate, policy(), days=31)
    assert (broken.state, broken.reason) == (State.UNREHEARSED, "not rehearsed for 30d")


def test_a_failed_rehearsal_breaks_the_promise_at_once() -> None:
    estate = aged(40)
    text = policy("{every: 30d, probe: [['false']], timeout: 1s}")
    assert estate.apply(estate.plan(text)) == 6
    found = standing_of(estate, text)
    assert found.state is State.UNREHEARSED
    assert found.reason.endswith("failed")
    assert found.rehearsal
    assert found.rehearsal.problem == "`false` ended with code 1"


def test_a_rehearsal_that_no_rule_wants_is_told_and_breaks_no_promise() -> None:
    estate = aged(40)
    assert estate.apply(estate.plan(policy())) == 0
    text = "version: 1\nprotect: [{name: all, select: {kind: instance}}]\n"
    found = standing_of(estate, text)
    assert (found.state, found.rehearse_max_age_seconds) == (State.OK, None)
    assert found.rehearsal
    later = standing_of(estate, text, days=400)
    assert later.state is State.OK
