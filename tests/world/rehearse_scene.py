"""An instance with something of everything, a backup of it, and what a rehearsal leaves."""

from collections import Counter
from copy import deepcopy
from typing import Any

from incusbak.model.notes import Rehearsal
from incusbak.model.refs import instance_ref
from tests.fake_incus import FakeIncus
from tests.fakes import MemoryRepository
from tests.world.session import Estate

WEB = instance_ref("default", "web")
GOOD = (("cat", "/data"),)
_MAC = "10:66:6a:00:00:01"


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
