"""An instance with its data on a volume of its own, in memory: backed up, ruined, lost, restored."""

from datetime import timedelta
from typing import Any

from incusbak.model.plans import Plan
from incusbak.model.policies import IfPresent, Volumes
from incusbak.model.refs import BackupId, format_timestamp, instance_ref, volume_ref
from tests.fake_incus.world import Content
from tests.world.estates import Clock
from tests.world.session import Estate

DB, DATA = instance_ref("default", "db-1"), volume_ref("default", "fast", "data")
BACKED_UP, SINCE = b"as it was backed up", b"as it is since"
KEY = ("default", "fast", "data")
PROTECT = """
version: 1
protect: [{name: all, select: {kind: [instance, volume], projects: ["*"]}, backup: {every: 1s}}]
"""


def disk(**parts: str) -> dict[str, str]:
    return {"type": "disk", "pool": "fast", "source": "data", "path": "/data", **parts}


def rule(more: str = "", names: str = "db-1") -> str:
    select = f"{{kind: instance, names: [{names}]}}"
    return f"version: 1\nrestore: [{{name: back, select: {select}, if_present: replace{more}}}]\n"


def furnished(estate: Estate, status: str = "Running") -> Estate:
    """An instance with its database on a volume of its own."""
    world = estate.server.world
    world.add_pool("fast", "btrfs")
    world.add_volume("data", pool="fast")
    world.contents[KEY] = Content({"rows": BACKED_UP})
    world.add_instance("db-1", status=status, devices={"data": disk()})
    return estate


def ruined_estate() -> Estate:
    """One that was backed up, and whose volume was ruined since."""
    estate = furnished(Estate(clock=Clock()))
    back_up(estate)
    ruin(estate)
    return estate


def back_up(estate: Estate) -> str:
    """Back everything up; return when."""
    assert isinstance(estate.clock, Clock)
    estate.clock.now += timedelta(hours=1)
    assert estate.apply(estate.plan(PROTECT)) == 0
    return format_timestamp(estate.clock.now)


def ruin(estate: Estate, content: bytes = SINCE) -> None:
    estate.server.world.contents[KEY].files["rows"] = content


def lose_volume(estate: Estate) -> None:
    del estate.server.world.volumes[KEY], estate.server.world.contents[KEY]


def lose(estate: Estate) -> None:
    del estate.server.world.instances["default", "db-1"]
    lose_volume(estate)


def rows(estate: Estate, key: tuple[str, str, str] = KEY) -> bytes:
    return estate.server.world.contents[key].files["rows"]


def restore(estate: Estate, volumes: Volumes = Volumes.MISSING, **more: Any) -> int:
    return estate.restore("db-1", volumes=volumes, **{"if_present": IfPresent.REPLACE, **more})


def planned(estate: Estate, policy: str) -> Plan:
    return estate.plan(policy).plan


def ids(plan: Plan) -> list[str]:
    return [step.id for step in plan.steps]


def newest(estate: Estate) -> BackupId:
    return max(backup for backup in estate.disk.backups if backup.ref == DATA)
