"""Rehearsals: a backup is brought up aside, probed and removed, and its original never notices."""

from collections import Counter
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from incusbak.cli.session import now
from incusbak.errors import ServerUnavailable, Unplannable
from incusbak.model.backups import ExportOptions
from incusbak.model.notes import Rehearsal
from incusbak.model.refs import instance_ref
from tests.fake_incus import FakeIncus
from tests.fake_incus.instances import BROKEN_INIT
from tests.fakes import MemoryRepository
from tests.world.aging import date_back
from tests.world.mortal import MortalEstate, MortalIncus
from tests.world.session import Estate

WEB = instance_ref("default", "web")
GOOD = (("cat", "/data"),)
_MAC = "10:66:6a:00:00:01"
_MOST = 400


def estate_with(driver: str = "btrfs", *, init: bytes = b"", **parts: Any) -> Estate:
    """An estate with a backup of a running instance that has something of everything."""
    estate = Estate()
    world = estate.server.world
    world.add_pool("fast", driver)
    world.add_network("br0")
    world.add_volume("data", pool="fast")
    world.add_profile("wide", config={"security.nesting": "true"}, devices={"host": _host_path()})
    devices = {
        "root": {"type": "disk", "path": "/", "pool": "fast"},
        "eth0": {"type": "nic", "network": "br0", "hwaddr": _MAC},
        "data": {"type": "disk", "pool": "fast", "source": "data", "path": "/data-volume"},
        "web": {"type": "proxy", "listen": "tcp:0.0.0.0:80", "connect": "tcp:127.0.0.1:80"},
    }
    config = {"boot.autostart": "true", "snapshots.schedule": "@daily", "security.protection.delete": "true"}
    given: dict[str, Any] = {"devices": devices, "config": config, "profiles": ["default", "wide"]} | parts
    files = {"rootfs/data": b"web", "rootfs/sbin/init": init}
    world.add_instance("web", status="Running", files=files, **given)
    estate.server.create("instances/web/snapshots", {"name": "s1"})
    assert estate.back_up("web") == 0
    return estate


def _host_path() -> dict[str, str]:
    return {"type": "disk", "source": "/srv", "path": "/srv"}


def notes(estate: Estate) -> list[Rehearsal]:
    repository = MemoryRepository(estate.disk)
    found = (note for backup in repository.catalog().of(WEB) for note in repository.notes(backup))
    return [note for note in found if isinstance(note, Rehearsal)]


def problems(estate: Estate) -> list[str]:
    return [note.problem for note in notes(estate)]


def left(estate: Estate) -> list[str]:
    return [*estate.temporary(), *(r for pile in estate.shelf.runs.values() for r in pile)]


def seen_while(server: FakeIncus) -> list[dict[str, Any]]:
    """Collect every state of what is temporary, and see that no MAC address is there twice."""
    seen: list[dict[str, Any]] = []

    def look(_: str, __: str) -> None:
        world = server.world
        macs = Counter(world.macs())
        assert [mac for mac, count in macs.items() if count > 1] == []
        for (project, _), instance in world.instances.items():
            if project.startswith("incusbak-"):
                seen.append(deepcopy(world.expanded(instance.document)))

    server.after(look)
    return seen


@pytest.mark.parametrize("driver", ["dir", "btrfs"])
def test_a_backup_that_comes_up_is_noted_and_removed_and_its_original_never_notices(driver: str) -> None:
    estate = estate_with(driver)
    before = deepcopy(estate.server.world.instance("web"))
    assert estate.rehearse("web", probe=GOOD) == 0
    [note] = notes(estate)
    assert (note.problem, note.backup.ref) == ("", WEB)
    assert left(estate) == []
    assert estate.server.world.instance("web") == before


def test_what_is_brought_up_reaches_nothing_and_has_nothing_of_its_original_s() -> None:
    estate = estate_with()
    original = estate.server.world.instance("web")
    seen = seen_while(estate.server)
    assert estate.rehearse("web", probe=GOOD) == 0
    assert {document["status"] for document in seen} == {"Stopped", "Running"}
    for document in seen:
        devices = document["expanded_devices"]
        assert devices.pop("root")["pool"] == "fast"
        assert devices == {name: {"type": "none"} for name in ("eth0", "data", "web", "host")}
        config = document["expanded_config"]
        assert config["boot.autostart"] == "false"
        assert config["security.nesting"] == "true"
        assert not config.get("snapshots.schedule")
        assert "security.protection.delete" not in config
        mine = {"volatile.uuid", "volatile.eth0.hwaddr", "volatile.cloud-init.instance-id"}
        assert not {k: v for k, v in config.items() if k in mine and v == original.config.get(k)}


def test_the_probes_run_in_what_was_brought_up_alone() -> None:
    estate = estate_with()
    assert estate.rehearse("web", probe=(("rm", "-f", "/data"), ("touch", "/new"))) == 0
    web = estate.server.world.instance("web")
    assert (web.commands, web.files["rootfs/data"]) == ([], b"web")


@pytest.mark.parametrize("probe", [(), GOOD])
def test_an_init_that_ends_is_found_out(probe: tuple[tuple[str, ...], ...]) -> None:
    estate = estate_with(init=BROKEN_INIT)
    assert estate.rehearse("web", probe=probe) == 6
    [problem] = problems(estate)
    assert problem.startswith("it does not start: ")
    assert left(estate) == []


def test_what_stops_by_itself_after_a_while_is_found_out() -> None:
    estate = estate_with()

    def end(_: str, path: str) -> None:
        running = [i for (p, _), i in estate.server.world.instances.items() if p.startswith("incusbak-")]
        for instance in running:
            if instance.status == "Running" and "state" not in path:
                instance.status = "Stopped"

    estate.server.after(end)
    assert estate.rehearse("web") == 6
    assert problems(estate) == ["it stopped by itself after its start"]
    assert left(estate) == []


def test_a_probe_that_fails_is_found_out() -> None:
    estate = estate_with()
    assert estate.rehearse("web", probe=(*GOOD, ("cat", "/missing"))) == 6
    assert problems(estate) == [
        "`cat /missing` ended with code 1: cat: can't open '/missing': No such file or directory"
    ]
    assert left(estate) == []


def test_what_is_up_after_some_time_is_up() -> None:
    estate = estate_with()
    tries = []

    def settle_down(method: str, path: str) -> None:
        if method == "POST" and path.endswith("/exec"):
            tries.append(path)
            for (project, _), instance in estate.server.world.instances.items():
                if project.startswith("incusbak-") and len(tries) == 3:
                    instance.files["rootfs/ready"] = b""

    estate.server.before(settle_down)
    assert estate.rehearse("web", probe=(("cat", "/ready"),), timeout_seconds=60) == 0
    assert len(tries) == 3


def test_a_damaged_archive_is_found_out_before_the_server_is_touched() -> None:
    estate = estate_with()
    [backup] = estate.disk.backups
    MemoryRepository(estate.disk).damage(backup, "export.tar.zst", b"other")
    before = len(estate.server.requests)
    assert estate.rehearse("web") == 6
    assert [method for method, _ in estate.server.requests[before:] if method != "GET"] == []
    assert "export.tar.zst" in problems(estate)[0]


def test_a_server_that_goes_away_says_nothing_about_the_backup() -> None:
    estate = estate_with()
    estate.server.fail_on(
        lambda method, path: (method, path) == ("POST", "instances"), ServerUnavailable("gone")
    )
    assert estate.rehearse("web") == 75
    assert notes(estate) == []


def test_what_a_missing_pool_keeps_from_coming_back_is_told_before() -> None:
    estate = estate_with()
    del estate.server.world.pools["fast"]
    with pytest.raises(Unplannable, match="pool/fast is not on the server"):
        estate.rehearse("web")


def test_an_optimized_backup_is_rehearsed_unless_it_would_bring_devices_in() -> None:
    estate = estate_with()
    assert estate.back_up("web", options=ExportOptions(optimized=True)) == 0
    with pytest.raises(Unplannable, match="data, eth0, web of the original"):
        estate.rehearse("web")

    root = {"root": {"type": "disk", "path": "/", "pool": "fast"}}
    estate = estate_with(devices=root, config={"user.note": "kept"})
    original = estate.server.world.instance("web")
    assert estate.back_up("web", options=ExportOptions(optimized=True)) == 0
    seen = seen_while(estate.server)
    assert estate.rehearse("web", probe=GOOD) == 0
    started = [document for document in seen if document["status"] == "Running"]
    assert started
    for document in started:
        assert document["config"]["volatile.uuid"] != original.config["volatile.uuid"]
        assert document["expanded_devices"]["host"] == {"type": "none"}
    assert left(estate) == []


# -- by policy ----------------------------------------------------------------------------------------


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


def test_a_first_backup_is_not_rehearsed_before_its_time() -> None:
    estate = Estate()
    estate.server.world.add_instance("web", status="Running", files={"rootfs/data": b"web"})
    assert estate.apply(estate.plan(policy())) == 0
    assert steps(estate, policy()) == []


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
    """The oldest that is there is not the first there was."""
    estate = aged(3, 2)
    text = policy(more=", keep: {last: 1}")
    assert steps(estate, policy()) == []
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
    assert [step.id for step in plan.steps] == ["back-up:instance/default/db"]
    assert [w for w in plan.warnings if "can't be rehearsed: its pool/fast is not on the server" in w]


def test_what_is_read_again_is_rehearsed_after_that() -> None:
    estate = aged(40)
    plan = estate.plan(policy(more=", verify: {every: 7d}")).plan
    assert [(step.id, step.after) for step in plan.steps] == [
        (f"verify:{WEB}", ()),
        (f"rehearse:{WEB}", (f"verify:{WEB}",)),
    ]


# -- killed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment_in_import", [False, True])
def test_wherever_a_rehearsal_dies_the_next_run_removes_all_of_it(moment_in_import: bool) -> None:
    for moment in range(1 + moment_in_import, _MOST, 2):
        estate = MortalEstate(server=MortalIncus())
        estate.add_web(driver="btrfs", status="Running")
        assert estate.back_up_web() == 0
        before = estate.look()
        died = estate.dies(moment, lambda estate=estate: estate.rehearse("web", probe=GOOD))  # type: ignore[misc]
        assert estate.back_up_web() == 0, moment
        assert (estate.look(), estate.left()) == (before, []), moment
        if not died:
            return
    raise AssertionError("it never got through")


def test_an_interrupted_rehearsal_leaves_nothing() -> None:
    for moment in range(1, _MOST, 3):
        estate = MortalEstate(server=MortalIncus())
        estate.add_web(driver="btrfs", status="Running")
        assert estate.back_up_web() == 0
        before = estate.look()
        interrupted = estate.is_interrupted(moment, lambda estate=estate: estate.rehearse("web", probe=GOOD))  # type: ignore[misc]
        assert (estate.look(), estate.left()) == (before, []), moment
        if not interrupted:
            return
    raise AssertionError("it never got through")


def test_what_another_machine_left_is_removed_when_its_time_is_up() -> None:
    estate = MortalEstate(server=MortalIncus())
    estate.add_web(driver="btrfs", status="Running")
    assert estate.back_up_web() == 0
    moment = 1
    while not any(
        i.status == "Running" for (p, _), i in estate.server.world.instances.items() if p != "default"
    ):
        assert estate.dies(moment, lambda: estate.rehearse("web", probe=GOOD))
        moment += 1
    estate.shelf.runs.clear()
    [ref] = [
        stray.ref
        for stray in estate.session().observe({"instance": estate.session().kinds["instance"]}).strays
    ]
    for instance in estate.server.world.instances.values():
        if "user.incusbak.expires" in instance.config:
            instance.config["user.incusbak.expires"] = "2020-01-01T00:00:00Z"
    assert estate.back_up_web() == 0
    assert estate.temporary() == [], ref
