"""Verification and retention: found, told, converging, and never at the cost of the last good copy."""

import hashlib
from datetime import datetime, timedelta

import pytest

from incusbak.cli.session import now
from incusbak.engine.execution.approval import approve
from incusbak.errors import ApprovalRequired, ServerUnavailable, StalePlan
from incusbak.model.actions import Prune
from incusbak.model.notes import Inspection
from incusbak.model.plans import Hazard
from incusbak.model.refs import BackupId, instance_ref
from tests.fakes import MemoryRepository
from tests.world.aging import date_back
from tests.world.session import Estate

WEB = instance_ref("default", "web")
DAY = timedelta(days=1)


def policy(settings: str, every: str = "24h", guards: str = "{}") -> str:
    rule = f"{{name: all, select: {{kind: instance}}, backup: {{every: {every}, images: none}}, {settings}}}"
    return f"version: 1\nguards: {guards}\nprotect: [{rule}]\n"


KEEP_TWO = policy("keep: {last: 2}", every="365d")


def estate_with(*ages_days: float) -> Estate:
    """An instance with a backup of each of these ages."""
    estate = Estate()
    estate.server.world.add_instance("web", files={"rootfs/data": b"web"})
    for age in ages_days:
        assert estate.back_up("web") == 0
        newest = max(estate.disk.backups, key=lambda backup: backup.created)
        date_back(estate.disk, newest, timedelta(days=age))
    return estate


def ages(estate: Estate) -> list[int]:
    """How many days old each backup is that is in sight, newest first."""
    return sorted((now() - backup.created).days for backup in estate.disk.backups)


def steps(estate: Estate, text: str) -> list[str]:
    return [step.id for step in estate.plan(text).plan.steps]


def applied(estate: Estate, text: str) -> int:
    return estate.apply(estate.plan(text))


def damage(estate: Estate, index: int) -> BackupId:
    """Change a byte of the archive of the n-th newest backup."""
    backup = sorted(estate.disk.backups, reverse=True)[index]
    [name] = [name for name in estate.disk.backups[backup] if name.startswith("export.")]
    data = bytearray(estate.disk.backups[backup][name])
    data[len(data) // 2] ^= 1
    MemoryRepository(estate.disk).damage(backup, name, bytes(data))
    return backup


# -- retention ----------------------------------------------------------------------------------------


def test_what_no_rule_wants_is_removed_and_then_there_is_nothing_to_do() -> None:
    estate = estate_with(4, 3, 2, 1)
    plan_file = estate.plan(KEEP_TWO)
    [step] = plan_file.plan.steps
    assert (step.id, step.hazards) == (f"prune:{WEB}", (Hazard.DELETES_BACKUP,))
    assert isinstance(step.action, Prune)
    assert [each.reasons for each in step.action.keep] == [("last",), ("last",)]
    assert estate.apply(plan_file) == 0
    assert (ages(estate), len(estate.disk.removed)) == ([1, 2], 2)
    assert steps(estate, KEEP_TWO) == []


def test_a_backup_that_is_to_be_made_counts_and_is_made_first() -> None:
    estate = estate_with(4, 3, 2)
    text = policy("keep: {last: 2}")
    plan_file = estate.plan(text)
    assert [step.id for step in plan_file.plan.steps] == [f"back-up:{WEB}", f"prune:{WEB}"]
    assert plan_file.plan.steps[1].after == (f"back-up:{WEB}",)
    assert estate.apply(plan_file) == 0
    assert ages(estate) == [0, 2]
    assert steps(estate, text) == []


def test_nothing_is_removed_when_the_backup_fails() -> None:
    estate = estate_with(4, 3, 2)
    plan_file = estate.plan(policy("keep: {last: 1}"))
    estate.server.fail_on(lambda _, path: path.endswith("/backups"), ServerUnavailable("gone"))
    assert estate.apply(plan_file) == 75
    assert (ages(estate), estate.disk.removed) == ([2, 3, 4], {})


def test_nothing_is_removed_when_what_is_kept_turns_out_damaged() -> None:
    estate = estate_with(9, 8, 7)
    damage(estate, 0)
    text = policy("verify: {every: 1d}, keep: {last: 1}", every="365d")
    assert steps(estate, text) == [f"verify:{WEB}", f"prune:{WEB}"]
    assert applied(estate, text) == 6
    assert ages(estate) == [7, 8, 9]
    assert steps(estate, text) == [f"prune:{WEB}"]
    assert applied(estate, text) == 0
    assert ages(estate) == [7, 8]  # the damaged one has no good one after it


@pytest.mark.parametrize("lost", ["export.tar.zst", "manifest.json"])
def test_nothing_is_removed_when_what_is_kept_has_lost_a_file_and_then_another_is_kept(lost: str) -> None:
    estate = estate_with(9, 8, 7)
    newest = max(estate.disk.backups)
    MemoryRepository(estate.disk).damage(newest, lost, None)
    text = policy("keep: {last: 1}", every="365d")
    assert applied(estate, text) == 6
    assert (ages(estate), estate.disk.removed) == ([7, 8, 9], {})
    assert MemoryRepository(estate.disk).catalog().health(newest).damaged
    assert applied(estate, text) == 0
    assert ages(estate) == [7, 8]


def test_what_is_gone_from_the_server_keeps_what_its_rule_wants() -> None:
    estate = estate_with(4, 3, 2, 1)
    estate.server.world.add_instance("db")
    del estate.server.world.instances["default", "web"]
    assert steps(estate, KEEP_TWO) == [f"back-up:{instance_ref('default', 'db')}", f"prune:{WEB}"]


def test_pinned_ones_stay_and_are_not_counted() -> None:
    estate = estate_with(4, 3, 2, 1)
    oldest = min(estate.disk.backups)
    MemoryRepository(estate.disk).pin(oldest, pinned=True)
    assert applied(estate, KEEP_TWO) == 0
    assert ages(estate) == [1, 2, 4]


def test_what_was_removed_long_ago_is_deleted_for_good() -> None:
    estate = estate_with(4, 3, 2, 1)
    assert applied(estate, KEEP_TWO) == 0
    assert steps(estate, KEEP_TWO) == []
    estate.disk.removed = {b: (at - 8 * DAY, files) for b, (at, files) in estate.disk.removed.items()}
    plan_file = estate.plan(KEEP_TWO)
    assert [(step.id, step.hazards) for step in plan_file.plan.steps] == [
        (f"purge:{WEB}", (Hazard.DELETES_BACKUP,))
    ]
    assert estate.apply(plan_file) == 0
    assert (ages(estate), estate.disk.removed) == ([1, 2], {})


@pytest.mark.parametrize("meanwhile", ["removed", "damaged"])
def test_a_plan_whose_kept_backup_is_no_longer_there_and_sound_is_stale(meanwhile: str) -> None:
    estate = estate_with(4, 3, 2, 1)
    plan_file = estate.plan(KEEP_TWO)
    repository, newest = MemoryRepository(estate.disk), max(estate.disk.backups)
    if meanwhile == "removed":
        repository.remove(newest, now())
    else:
        repository.note(Inspection(newest, now(), "damaged"))
    with pytest.raises(StalePlan, match=newest.timestamp):
        estate.apply(plan_file)
    assert len(estate.disk.backups) >= 3


def test_retention_needs_consent() -> None:
    with pytest.raises(ApprovalRequired, match="deletes-backup"):
        approve(estate_with(3, 2, 1).plan(KEEP_TWO), None)


def test_a_guard_forbids_to_remove_too_many() -> None:
    estate = estate_with(4, 3, 2, 1)
    text = policy("keep: {last: 1}", every="365d", guards="{max_prune: 74%}")
    assert estate.plan(text).plan.blocks == (
        f"guard max_prune: 3 of 4 backups of {WEB} would be removed (75%), more than 74%",
    )
    assert estate.plan(text.replace("74%", "75%")).plan.blocks == ()


# -- verification -------------------------------------------------------------------------------------


VERIFY = policy("verify: {every: 7d}", every="365d")


def test_what_was_not_read_for_too_long_is_read_and_then_there_is_nothing_to_do() -> None:
    estate = estate_with(9, 8, 1)
    assert steps(estate, VERIFY) == [f"verify:{WEB}"]
    assert applied(estate, VERIFY) == 0
    assert steps(estate, VERIFY) == []
    catalog = MemoryRepository(estate.disk).catalog()
    assert [catalog.health(backup).inspected is not None for backup in catalog.of(WEB)] == [True, True, False]


def test_damage_is_named_noted_and_ends_with_six_when_all_are_read() -> None:
    estate = estate_with(10, 9, 8)
    damaged = damage(estate, 1)
    assert applied(estate, VERIFY) == 6
    report, *_ = estate.disk.runs[-1]
    [outcome] = report.outcomes
    assert outcome.error.startswith(f"{damaged}: export.tar.zst ")
    catalog = MemoryRepository(estate.disk).catalog()
    assert [catalog.health(backup).damaged for backup in catalog.of(WEB)] == [False, True, False]
    assert all(catalog.health(backup).inspected for backup in catalog.of(WEB))
    [note] = MemoryRepository(estate.disk).notes(damaged)
    assert isinstance(note, Inspection)
    assert note.problem == outcome.error
    assert steps(estate, VERIFY) == []


def test_a_damaged_newest_backup_is_no_backup_to_be_content_with() -> None:
    estate = estate_with(3, 2)
    text = policy("verify: {every: 1d}", every="60h")
    damage(estate, 0)
    assert applied(estate, text) == 6
    assert steps(estate, text) == [f"back-up:{WEB}"]


@pytest.mark.parametrize(("word", "other"), [(b"web", b"wob"), (b"monday", b"mondaz")])
def test_an_archive_that_is_not_the_one_of_its_manifest_is_damaged(word: bytes, other: bytes) -> None:
    """Even where every checksum is right: its index tells another name, or another snapshot."""
    estate = Estate()
    estate.server.world.add_instance("web", files={"rootfs/data": b"data"})
    estate.server.create("instances/web/snapshots", {"name": "monday"})
    estate.server.spoil = lambda archive: _with_index(archive, word, other)
    assert estate.back_up("web") == 0
    date_back(estate.disk, max(estate.disk.backups), timedelta(days=9))
    assert applied(estate, VERIFY) == 6
    [outcome] = estate.disk.runs[-1][0].outcomes
    [backup] = estate.disk.backups
    assert outcome.error.startswith(f"{backup}: export.tar.zst: the archive ")


def test_a_manifest_that_lists_another_file_is_damage_and_the_next_backup_is_read() -> None:
    estate = estate_with(9, 8)
    oldest, newest = sorted(estate.disk.backups)
    files = estate.disk.backups[oldest]
    data = files.pop("manifest.json").replace(b"export.tar.zst", b"another.tar.zs")
    files |= {"another.tar.zs": files.pop("export.tar.zst"), "manifest.json": data}
    estate.disk.hashes[oldest] = hashlib.sha256(data).hexdigest()
    assert applied(estate, VERIFY) == 6
    [outcome] = estate.disk.runs[-1][0].outcomes
    assert outcome.error == f"{oldest}: manifest.json: does not list export.tar.zst"
    healths = MemoryRepository(estate.disk).catalog().healths
    assert [healths[backup].damaged for backup in (oldest, newest)] == [True, False]


def _with_index(archive: bytes, word: bytes, other: bytes) -> bytes:
    """Change the first member, whose header is as it was, for the length stays."""
    end = archive.index(b"backup/", 512)
    return archive[:end].replace(word, other) + archive[end:]


# -- killed -------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is dead."""


@pytest.mark.parametrize("survivors", [1, 2, 3])
def test_a_removal_killed_half_way_leaves_what_is_kept_and_is_finished_by_the_next(
    survivors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate = estate_with(6, 5, 4, 3, 2, 1)
    plan_file = estate.plan(KEEP_TWO)
    done: list[BackupId] = []
    real = MemoryRepository.remove

    def remove(self: MemoryRepository, backup: BackupId, at: datetime) -> None:
        if len(done) == survivors:
            raise Killed
        done.append(backup)
        real(self, backup, at)

    with monkeypatch.context() as patched:
        patched.setattr(MemoryRepository, "remove", remove)
        with pytest.raises(Killed):
            estate.apply(plan_file)
    estate.disk.holder = None
    estate.shelf.alive.clear()
    assert {1, 2} <= set(ages(estate))
    assert len(ages(estate)) == 6 - survivors
    assert applied(estate, KEEP_TWO) == 0
    assert (ages(estate), len(estate.disk.removed)) == ([1, 2], 4)
