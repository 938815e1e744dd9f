"""Rehearsals: a backup is brought up aside, probed and removed, and its original never notices."""

from copy import deepcopy

import pytest

from incusbak.errors import ServerUnavailable, Unplannable
from incusbak.model.backups import ExportOptions
from tests.fake_incus.instances import BROKEN_INIT
from tests.fakes import MemoryRepository
from tests.world.rehearse_scene import GOOD, WEB, estate_with, left, notes, problems, seen_while


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
    assert problem == "it does not start: it does not run after its start"
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
