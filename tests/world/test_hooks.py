"""Commands around a backup: `after` always runs once `before` has begun, whatever becomes of the backup."""

import json
from functools import partial

import pytest

from incusbak.errors import ServerUnavailable
from tests.world.mortal import MortalEstate, MortalIncus
from tests.world.session import Estate

LOCK, UNLOCK = ("touch", "/locked"), ("rm", "-f", "/locked")


def policy(before: object, after: object, more: str = "") -> str:
    backup = f"before: {json.dumps(before)}, after: {json.dumps(after)}{more}"
    rule = f"{{name: all, select: {{kind: instance}}, backup: {{every: 24h, {backup}}}}}"
    return f"version: 1\nprotect: [{rule}]\n"


LOCKING = policy([LOCK], [UNLOCK])


def estate_with(driver: str = "dir", status: str = "Running", **config: str) -> Estate:
    estate = Estate()
    estate.server.world.add_pool("fast", driver)
    root = {"root": {"type": "disk", "path": "/", "pool": "fast"}}
    estate.server.world.add_instance(
        "web", status=status, files={"rootfs/data": b"web"}, devices=root, config=config
    )
    return estate


def ran(estate: Estate) -> list[tuple[str, ...]]:
    return estate.server.world.instance("web").commands


def applied(estate: Estate, text: str) -> int:
    return estate.apply(estate.plan(text))


def errors(estate: Estate) -> list[str]:
    report, *_ = estate.disk.runs[-1]
    return [outcome.error for outcome in report.outcomes if outcome.error]


def archived_files(estate: Estate) -> frozenset[str]:
    """What the only backup brings back."""
    world = estate.server.world
    del world.instances["default", "web"]
    assert estate.restore("web") == 0
    return frozenset(world.instance("web").files)


@pytest.mark.parametrize("driver", ["dir", "btrfs"])
def test_the_content_is_captured_between_before_and_after(driver: str) -> None:
    estate = estate_with(driver)
    assert applied(estate, LOCKING) == 0
    assert ran(estate) == [LOCK, UNLOCK]
    assert "rootfs/locked" not in estate.server.world.instance("web").files
    assert "rootfs/locked" in archived_files(estate)
    assert estate.plan(LOCKING).plan.steps == ()


def test_a_copy_frees_the_instance_before_its_export_begins() -> None:
    """What holds an application still lasts no longer than the copy."""
    estate = estate_with("dir")
    assert applied(estate, LOCKING) == 0
    requests = [path for method, path in estate.server.requests if method == "POST"]
    last_command = max(n for n, path in enumerate(requests) if path.endswith("/exec"))
    export = next(n for n, path in enumerate(requests) if path.endswith("/backups"))
    assert last_command < export


def test_nothing_is_run_in_a_stopped_instance() -> None:
    estate = estate_with(status="Stopped")
    assert applied(estate, LOCKING) == 0
    assert ran(estate) == []


def test_a_before_that_fails_fails_the_backup_and_after_runs_all_the_same() -> None:
    estate = estate_with()
    assert applied(estate, policy([LOCK, ["cat", "/missing"], ["true"]], [UNLOCK])) == 1
    assert ran(estate) == [LOCK, ("cat", "/missing"), UNLOCK]
    assert estate.disk.backups == {}
    assert errors(estate) == [
        "`cat /missing` in instance/default/web ended with code 1: "
        "cat: can't open '/missing': No such file or directory"
    ]
    assert estate.server.world.instance("web").said == {}
    assert estate.temporary() == []


def test_a_program_that_is_missing_is_named() -> None:
    estate = estate_with()
    assert applied(estate, policy([["no-such-program"]], [])) == 1
    assert errors(estate) == ["`no-such-program` in instance/default/web can't be run: Command not found"]


def test_an_after_that_fails_is_told_but_the_backup_stays_and_the_others_run() -> None:
    estate = estate_with()
    text = policy([LOCK], [["false"], UNLOCK])
    assert applied(estate, text) == 1
    assert ran(estate) == [LOCK, ("false",), UNLOCK]
    assert errors(estate) == ["the backup was made, but `false` in instance/default/web ended with code 1"]
    assert len(estate.disk.backups) == 1
    assert estate.plan(text).plan.steps == ()


def test_an_export_that_fails_is_followed_by_after() -> None:
    estate = estate_with("btrfs")
    estate.server.fail_on(
        lambda method, path: method == "POST" and path.endswith("/backups"), ServerUnavailable("gone")
    )
    assert applied(estate, LOCKING) == 75
    assert ran(estate) == [LOCK, UNLOCK]
    assert estate.disk.backups == {}


@pytest.mark.parametrize("driver", ["dir", "btrfs"])
def test_wherever_a_run_dies_the_next_one_runs_after(driver: str) -> None:
    for moment in range(1, 200, 2):
        estate = MortalEstate(server=MortalIncus(extensions=["direct_backup"]))
        world = estate_with(driver).server.world
        world.writes_json = True
        estate.server.world = world
        died = estate.dies(moment, partial(estate.apply, estate.plan(LOCKING)))
        commands = list(ran(estate))
        assert estate.back_up("web") == 0
        assert "rootfs/locked" not in world.instance("web").files, moment
        if LOCK in commands:
            assert ran(estate)[-1] == UNLOCK, moment
        assert (estate.temporary(), any(estate.shelf.runs.values())) == ([], False), moment
        if not died:
            return
    raise AssertionError("it never came to its end")


def test_an_instance_says_what_is_run_inside_where_the_rule_lets_it() -> None:
    own = {
        "user.incus-backup.before": '[["touch", "/mine"]]',
        "user.incus-backup.after": '[["rm", "-f", "/mine"]]',
    }
    estate = estate_with(**own)
    assert applied(estate, LOCKING) == 0
    assert ran(estate) == [LOCK, UNLOCK]
    estate = estate_with(**own)
    allowed = LOCKING.replace("backup:", "instances_may: [hooks], backup:")
    assert applied(estate, allowed) == 0
    assert ran(estate) == [LOCK, ("touch", "/mine"), ("rm", "-f", "/mine"), UNLOCK]


def test_what_an_instance_says_in_no_known_words_is_passed_over_and_told() -> None:
    estate = estate_with(**{"user.incus-backup.before": "sync", "user.incus-backup.protect": "yes"})
    plan = estate.plan(LOCKING.replace("backup:", "instances_may: [hooks, opt-out], backup:")).plan
    assert [step.id for step in plan.steps] == ["back-up:instance/default/web"]
    assert [warning.partition(":")[0] for warning in plan.warnings] == ["instance/default/web"] * 2
    assert "user.incus-backup.before is not a JSON list of commands" in plan.warnings[0]
    assert "user.incus-backup.protect is neither true nor false" in plan.warnings[1]
