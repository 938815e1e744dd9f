"""A replace of a volume that the server refuses: who uses it runs, with the volume there was."""

from pathlib import Path
from typing import Any

import pytest

from tests.live.crash_scene import said
from tests.live.custom_volume import Volume
from tests.live.estate import Named
from tests.live.mortal import Moment, Mortal
from tests.live.support.client import IncusError
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy, Passing
from tests.live.support.project import Project
from tests.live.test_refusals import fill
from tests.live.tool import Tool
from tests.live.witness import rootfs, things_on

_PASSING = ("volatile.last_state.", "volatile.uuid")


def replace(volume: Volume) -> tuple[str, ...]:
    name = volume.label, "--project", volume.project.name
    return "restore", "volume", *name, "--replace", "--force"


def back_up(volume: Volume) -> tuple[str, ...]:
    return "backup", "volumes", volume.label, "--project", volume.project.name


def look(project: Project) -> dict[str, Any]:
    seen = {}
    for name in ("direct", "through"):
        document = project.api("GET", f"/1.0/instances/{name}")
        config = {k: v for k, v in document["config"].items() if not k.startswith(_PASSING)}
        seen[name] = [config, *(document[part] for part in ("devices", "profiles", "status"))]
    return seen | {"profile": project.api("GET", "/1.0/profiles/user")["devices"]}


def make(project: Project, tool: Tool) -> Volume:
    """On a volume that is backed up and changed since: two running users, whose root disks have a limit."""
    volume = Volume(project, pool="bt")
    volume.make()
    (volume.folder() / "data").write_text("backed up")
    tool.do(*back_up(volume))
    (volume.folder() / "data").write_text("since")
    root = {"root": {"type": "disk", "path": "/", "pool": "bt", "size": "60MiB"}}
    project.api("POST", "/1.0/profiles", {"name": "user", "devices": {"data": volume.device}})
    project.launch("through", devices=root, profiles=["default", "user"])
    project.launch("direct", devices={**root, "data": volume.device})
    return volume


def test_a_volume_whose_users_have_full_disks_is_replaced_all_the_same(project: Project, tool: Tool) -> None:
    volume = make(project, tool)
    before, things = look(project), things_on(project.server)
    for name in ("direct", "through"):
        fill(rootfs(project, name, "bt") / "root")
    done = tool.do(*replace(volume))
    for name in ("direct", "through"):
        assert f"instance/{project.name}/{name}: its root disk is nearly full" in done.err
        (rootfs(project, name, "bt") / "root/fill").unlink()
        assert volume.seen_by(name, "data") == "backed up"
    assert (look(project), things_on(project.server), tool.leftovers()) == (before, things, [])


@pytest.mark.once
def test_a_kill_while_the_limits_of_its_users_are_raised_is_recovered(
    project: Project, tool: Tool, fault_proxy: FaultProxy
) -> None:
    volume = make(project, tool)
    before, things = look(project), things_on(project.server)
    for name in ("direct", "through"):
        fill(rootfs(project, name, "bt") / "root")
    mortal = Mortal(tool, fault_proxy)
    for write in (5, 10, 14):
        moment = Moment(write, direction="down" if write % 4 else "up")
        with said(moment):
            assert mortal.kill_at(moment, *replace(volume))
            tool.do(*back_up(volume))
            assert (look(project), things_on(project.server), tool.leftovers()) == (before, things, [])


def test_a_volume_that_can_not_be_renamed_stays_in_use(
    project: Project, watched_tool: Tool, fault_proxy: FaultProxy
) -> None:
    """Somebody starts another who uses it, in the moment in which those known are stopped."""
    volume = make(project, watched_tool)
    project.launch("late", devices={"data": volume.device}, start=False)
    before, things = look(project), things_on(project.server)

    def start(passing: Passing) -> bool:
        is_rename = passing.method == "POST" and passing.path.partition("?")[0] == volume.url
        if is_rename and (passing.direction, passing.count) == ("up", 0):
            late = project.api("GET", "/1.0/instances/late")
            project.api("PUT", "/1.0/instances/late", {**late, "devices": {"data": volume.device}})
            project.api("PUT", "/1.0/instances/late/state", {"action": "start", "timeout": 30})
        return False

    fault_proxy.on_passing = start
    ended = watched_tool.run(*replace(volume))
    fault_proxy.on_passing = lambda _: False
    assert ended.code == 1
    assert "in use" in ended.err
    assert (look(project), things_on(project.server)) == (before, things)
    assert {volume.seen_by(name, "data") for name in ("direct", "through", "late")} == {"since"}
    assert "failed" not in watched_tool.do(*back_up(volume)).err
    assert watched_tool.leftovers() == []


@pytest.mark.one_pool
@pytest.mark.parametrize("pool", ["default", "bt"])
def test_a_volume_that_incus_itself_uses_is_backed_up_but_not_replaced(
    fresh_incus: Daemon, workdir: Path, pool: str
) -> None:
    """The server would refuse the rename, which is found while planning; others are replaced all the same."""
    tool = Tool(fresh_incus.socket, workdir)
    config = {}
    for key in ("images", "backups", *(["logs"] if fresh_incus.version == "7.0" else [])):
        volume = Volume(Named(fresh_incus, "default"), name=f"for-{key}", pool=pool)
        volume.make()
        config[f"storage.{key}_volume"] = volume.label
    fresh_incus.api("PATCH", "/1.0", {"config": config})
    for key, label in config.items():
        tool.do("backup", "volumes", label)
        refused = tool.run("restore", "volume", label, "--replace", "--force")
        assert refused.code == 1
        assert f"can't be replaced: Incus itself uses it ({key})" in refused.err
        assert "brings it back beside the present one" in refused.err
        tool.do(
            "restore", "volume", label, "--target-name", f"{pool}-{key.partition('.')[2].replace('_', '-')}"
        )
    other = Volume(Named(fresh_incus, "default"), name="other", pool=pool)
    other.make()
    tool.do("backup", "volumes", other.label)
    everything = tool.run("restore", "all", "--replace", "--force")
    assert (everything.code, f"{other.label}: replaced from" in everything.err) == (3, True), everything
    assert everything.err.count(": can't be replaced: Incus itself uses it") == len(config), everything.err
    key, label = next(iter(config.items()))
    fresh_incus.api("PATCH", "/1.0", {"config": {key: ""}})  # as the hint says
    tool.do("restore", "volume", label, "--replace", "--force")
    with pytest.raises(IncusError, match="isn't empty"):  # so it does not say to name it there again
        fresh_incus.api("PATCH", "/1.0", {"config": {key: label}})
