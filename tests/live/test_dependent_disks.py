"""Disks that depend on an instance (Incus 7.0) are backed up with it, come back with it, are nothing else."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import evolve

from incusbak.kinds.archive.renaming import is_odd, readable
from tests.live.crash_scene import said
from tests.live.custom_volume import EXPIRES, Volume
from tests.live.dependent_scene import PASSING, Dependent, disk
from tests.live.guarded_scene import configure
from tests.live.mortal import Moment, Mortal
from tests.live.portrait import differences, document_of, rootfs
from tests.live.support import servers
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import FEATURES, Project
from tests.live.thinning import some
from tests.live.tool import NewTool, Tool
from tests.live.witness import things_on

pytestmark = pytest.mark.once


POOLS = ("default", "bt")
MORTAL = some(POOLS, 2)
"""Where it is killed: what is done is the same on both."""


@pytest.fixture(params=some(POOLS[::-1], 2))
def web(request: pytest.FixtureRequest, project: Project, tool: Tool) -> Dependent:
    if project.server.version == "6.0":
        pytest.skip("Incus 6.0 has no such disks")
    return Dependent(project, tool, request.param)


def same(before: object, after: object) -> list[str]:
    return differences(before, after, but_for=[f"*document.{glob}" for glob in PASSING])


def test_a_running_one_whose_volume_is_full_is_backed_up_and_replaced(project: Project, tool: Tool) -> None:
    """A copy in two passes would leave what keeps copy and original from ever being deleted."""
    if project.server.version == "6.0":
        pytest.skip("Incus 6.0 has no such disks")
    volume = Volume(project, "dv", "bt")
    volume.make(config={"size": "24MiB"})
    root = {"type": "disk", "path": "/", "pool": "bt", "size": "24MiB"}
    project.launch("web", devices={"root": root, "dv": disk(volume)})
    with suppress(OSError), (volume.folder() / "bulk").open("wb", buffering=0) as file:
        while True:
            file.write(os.urandom(1 << 16))
            os.fsync(file.fileno())
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "s0"})
    limits = {"limits.disk": "144MiB", "limits.disk.pool.bt": "144MiB"}
    configure(project, limits)
    before, things, on = volume.files(), things_on(project.server), ("--project", project.name)
    config = volume.document()["config"]
    tool.do("backup", "instances", "web", "--images", "none", *on)
    (volume.folder() / "bulk").unlink()
    tool.do("restore", "instance", "web", "--replace", "--yes", *on)
    assert (volume.files(), things_on(project.server), tool.leftovers()) == (before, things, [])
    assert volume.document()["config"] == config
    project.incus("delete", "--force", "web")
    tool.do("restore", "instance", "web", *on)
    assert (volume.files(), things_on(project.server)) == (before, things)


@pytest.mark.parametrize("start", [False, True], ids=["stopped", "running"])
def test_all_of_it_comes_back(web: Dependent, start: bool) -> None:
    web.make(start=start)
    web.write("old 1")
    web.project.api("POST", "/1.0/instances/web/snapshots", {"name": "v[1]x"})  # to tar a pattern
    web.write("as backed up")
    before, things = web.look(), things_on(web.project.server)
    captured = web.back_up()["captured"]
    method = "temporary-copy" if start else "direct"
    assert (captured["method"], captured["consistency"] == "stopped") == (method, not start)
    assert captured["elsewhere"].keys() == {web.other}
    assert same(before, web.look()) == []
    assert things_on(web.project.server) == things
    web.remove()
    web.restore()
    assert same(before, web.look()) == []
    assert things_on(web.project.server) == things
    assert web.tool.leftovers() == []
    web.project.incus("snapshot", "restore", "web", "v[1]x")
    assert web.texts() == {"old 1"}


def replaced() -> list[str]:
    """What may differ after a replacement: a volume that the server copies is made anew."""
    return [*(f"*document.{glob}" for glob in PASSING), "volumes.*.created_at"]


class Namesake(Project):
    """A project by a given name on another server."""

    def __init__(self, server: Daemon, name: str) -> None:
        self.server, self.name = server, name
        server.api("POST", "/1.0/projects", {"name": name, "config": FEATURES})
        server.set_root_disk("default", project=name)


def test_snapshots_that_the_server_loses_track_of(project: Project, tool: Tool) -> None:
    """It mounts them to copy them, on ``dir``, and can't delete what they are of: no copy here has them."""
    if project.server.version == "6.0":
        pytest.skip("Incus 6.0 has no such disks")
    web = Dependent(project, tool, "bt").make(start=True, snapshots=0)
    web.write("old")
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "back\\slash", "expires_at": EXPIRES})
    web.write("as backed up")
    before, things = web.look(), things_on(project.server)
    web.back_up()
    assert (things_on(project.server), tool.leftovers()) == (things, [])
    assert web.unmount_lost() == 1
    warned = tool.run("restore", "instance", "web", "--project", project.name, "--replace", "--dry-run")
    assert "the present one may stay on the server" in warned.err + warned.out
    web.restore("--replace", "--yes")
    assert differences(before, web.look(), but_for=replaced()) == []
    assert (things_on(project.server), tool.leftovers(), web.unmount_lost()) == (things, [], 0)


@pytest.mark.parametrize("snapshots", [0, 1])
def test_a_running_one_is_replaced(web: Dependent, snapshots: int) -> None:
    web.make(start=True, snapshots=snapshots)
    before, things = web.look(), things_on(web.project.server)
    web.back_up()
    web.write("since then")
    web.restore("--replace", "--yes")
    assert differences(before, web.look(), but_for=replaced()) == []
    assert web.project.api("GET", "/1.0/instances/web")["status"] == "Running"
    assert web.texts() == {"as backed up"}
    assert things_on(web.project.server) == things
    assert web.tool.leftovers() == []


def test_it_comes_back_beside_itself(web: Dependent) -> None:
    web.make()
    web.back_up()
    web.write("since then")
    before = web.look()
    web.restore("--target-name", "copy")
    assert web.names() == sorted(
        f"{each.pool}/{prefix}{each.name}" for each in web.volumes for prefix in ("", "copy-")
    )
    assert web.texts() == {"since then"}
    assert web.texts("copy") == {"as backed up"}
    web.project.incus("snapshot", "restore", "copy", "s0")
    assert web.texts("copy") == {"old 0"}
    assert web.texts() == {"since then"}
    web.project.incus("delete", "copy")
    assert same(before, web.look()) == []


def test_it_is_rehearsed(web: Dependent) -> None:
    web.make(start=True)
    things = things_on(web.project.server)
    web.back_up()
    probe = "grep -q 'as backed up' /root/file /srv/dv/file && grep -q 'as backed up' /srv/more/file"
    web.tool.do("rehearse", "instance", "web", "--project", web.project.name, "--probe", f'sh -c "{probe}"')
    assert things_on(web.project.server) == things
    assert web.tool.leftovers() == []


def test_disks_that_came_and_went_since_the_backup(web: Dependent) -> None:
    """Those of the backup come back; those that are newer stay with the instance, or go with it as said."""
    web.make(start=True)
    web.back_up()
    project, third = web.project, Volume(web.project, "third", web.other)
    third.make()
    project.incus("config", "device", "remove", "web", "more")
    web.volumes[1].remove()
    project.api("PATCH", "/1.0/instances/web", {"devices": {"third": disk(third)}})
    (third.folder() / "file").write_text("of the third")
    living = document_of(project, "web"), third.document(), things_on(project.server)
    replace = ("restore", "instance", "web", "--project", project.name, "--replace", "--yes")
    with FaultProxy(web.tool.socket, listen=project.server.pod.state / "mortal.sock") as proxy:
        moment = Moment(suffix=f"/custom/{web.volumes[0].name}", direction="down")
        assert Mortal(web.tool, proxy).signal_at(moment, signal.SIGTERM, *replace).code == 143
    assert differences(living[0], document_of(project, "web"), but_for=PASSING) == []
    assert (third.document(), things_on(project.server)) == living[1:]
    assert (third.folder() / "file").read_text() == "of the third"
    assert "deletes a resource" in " ".join(web.tool.do(*replace, "--dry-run").out.split())
    gone = f"volume/{project.name}/{third.label}, which depends on it, is in no part of what comes back"
    assert gone in web.tool.do(*replace).err
    assert web.names() == sorted(each.label for each in web.volumes)
    assert web.texts() == {"as backed up"}


def test_a_running_one_is_backed_up_at_one_moment(web: Dependent) -> None:
    web.make(start=True)
    count = "i=0; while :; do i=$((i+1)); for f in /root /srv/dv /srv/more; do echo $i >>$f/count; done; done"
    web.project.exec("web", ["sh", "-c", f"({count}) </dev/null >/dev/null 2>&1 &"])
    web.back_up()
    web.restore("--target-name", "copy", "--no-start")
    folders = [rootfs(web.project, "copy") / "root", *(each.folder() for each in web.disks_of("copy"))]
    counts = [len((folder / "count").read_text().splitlines()) for folder in folders]
    assert min(counts) > 0
    assert max(counts) - min(counts) in (0, 1), counts
    assert web.project.api("GET", "/1.0/instances/web")["status"] == "Running"


@pytest.mark.parametrize("web", MORTAL, indirect=True)
@pytest.mark.parametrize("command", ["backup", "rehearse"])
def test_a_killed_backup_or_rehearsal_leaves_nothing(web: Dependent, command: str) -> None:
    web.make(start=True)
    things = things_on(web.project.server)
    web.back_up()
    argument = {"backup": "instances", "rehearse": "instance"}[command]
    arguments = (command, argument, "web", "--project", web.project.name)
    with FaultProxy(web.tool.socket, listen=web.project.server.pod.state / "mortal.sock") as proxy:
        mortal = Mortal(web.tool, proxy)
        writes = mortal.writes_of(*arguments)
        moments = [Moment(n, direction=way) for n in range(1, len(writes) + 1) for way in ("up", "down")]
        for moment in some(moments, 12):
            with said(moment):
                assert mortal.kill_at(moment, *arguments)
                web.back_up()  # cleans up first
                assert things_on(web.project.server) == things
                assert web.project.api("GET", "/1.0/instances/web")["status"] == "Running"
                assert web.texts() == {"as backed up"}
                assert web.tool.leftovers() == []


@pytest.mark.parametrize("web", MORTAL, indirect=True)
def test_a_killed_replacement_loses_nothing(web: Dependent) -> None:
    web.make(start=True)
    web.back_up()
    first = min(path.parent.name for path in web.tool.repository.glob("instances/**/manifest.json"))
    things = things_on(web.project.server)
    replace = (
        "restore",
        "instance",
        "web",
        "--project",
        web.project.name,
        "--version",
        first,
        "--replace",
        "--yes",
    )
    with FaultProxy(web.tool.socket, listen=web.project.server.pod.state / "mortal.sock") as proxy:
        mortal = Mortal(web.tool, proxy)
        writes = mortal.writes_of(*replace)
        moments = [Moment(n, direction=way) for n in range(1, len(writes) + 1) for way in ("up", "down")]
        for moment in some(moments, 24):
            with said(moment):
                web.write("since then")
                before = web.look()
                assert mortal.kill_at(moment, *replace)
                web.tool.do("backup", "instances", "web", "--project", web.project.name)  # cleans up first
                texts = web.texts()
                assert texts in ({"since then"}, {"as backed up"})
                contents = ["contents*", "files*"] if texts == {"as backed up"} else []
                but_for = [*replaced(), *contents]
                assert differences(before, web.look(), but_for=but_for) == []
                assert web.project.api("GET", "/1.0/instances/web")["status"] == "Running"
                assert things_on(web.project.server) == things
                assert web.tool.leftovers() == []


def test_a_replacement_that_is_killed_while_snapshots_get_their_names_back(
    fresh_incus: Daemon, new_tool: NewTool, workdir: Path
) -> None:
    """The original comes back; what Incus can't delete waits in nobody's way until its host was restarted."""
    project, tool = Project(fresh_incus), new_tool(fresh_incus.socket, workdir)
    web = Dependent(project, tool, "bt").make(start=True, snapshots=0)
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "back\\slash", "expires_at": EXPIRES})
    web.back_up()
    web.unmount_lost()
    web.write("since then")
    before, things = web.look(), things_on(fresh_incus)
    replace = ("restore", "instance", "web", "--project", project.name, "--replace", "--yes")
    with FaultProxy(tool.socket, listen=fresh_incus.pod.state / "mortal.sock") as proxy:
        (called,) = readable([{"name": "back\\slash"}], is_odd).values()
        assert Mortal(tool, proxy).kill_at(Moment(suffix=f"/instances/web/snapshots/{called}"), *replace)
    back_up = ("backup", "instances", "web", "--project", project.name)
    assert tool.run(*back_up).code == 3
    assert web.texts() == {"since then"}
    marked = {"volumes.*.config.user.incusbak.by": "until the copy of it is gone"}
    assert differences(before, web.look(), but_for=[*replaced(), *marked]) == []
    assert tool.run(*back_up).code == 0
    web.unmount_lost()
    fresh_incus.terminate()
    fresh_incus.start()
    tool.do(*back_up)
    assert (things_on(fresh_incus), tool.leftovers()) == (things, [])
    assert differences(before, web.look(), but_for=replaced()) == []


def test_an_interrupted_replacement_is_undone_at_once(web: Dependent) -> None:
    web.make(start=True)
    web.back_up()
    web.write("since then")
    before, things = web.look(), things_on(web.project.server)
    replace = ("restore", "instance", "web", "--project", web.project.name, "--replace", "--yes")
    with FaultProxy(web.tool.socket, listen=web.project.server.pod.state / "mortal.sock") as proxy:
        moment = Moment(suffix=f"/custom/{web.volumes[0].name}", direction="down")
        result = Mortal(web.tool, proxy).signal_at(moment, signal.SIGTERM, *replace)
    assert result.code == 143, result.err
    assert differences(before, web.look(), but_for=replaced()) == []
    assert things_on(web.project.server) == things
    assert web.tool.leftovers() == []


def test_it_comes_back_on_an_empty_server_on_another_pool(
    web: Dependent, workdir: Path, new_tool: NewTool
) -> None:
    """From an older backup too, which has a volume a second time, as a resource of its own."""
    volume = web.volumes[0]
    volume.make()
    web.tool.do("backup", "volumes", volume.label, "--project", web.project.name)
    volume.remove()
    web.make()
    web.tool.do("backup", "all", "--project", web.project.name)
    with servers.server("7.0") as empty:
        place = Namesake(empty, web.project.name)
        there = evolve(web, project=place, tool=new_tool(empty.socket, workdir))
        maps = ("--pool-map", f"{web.pool}={web.other}")
        result = there.tool.do("restore", "all", "--yes", "--replace", "--project", place.name, *maps)
        assert f"{web.other}/dv is not brought back by itself: it is part of instance/" in result.err
        assert there.names() == [f"{web.other}/dv", f"{web.other}/more"]
        assert there.texts() == {"as backed up"}
        found = place.api("GET", "/1.0/instances/web")["devices"]
        assert {device["pool"] for device in found.values()} == {web.other}
        place.incus("start", "web")
        place.incus("stop", "--force", "web")
        place.incus("snapshot", "restore", "web", "s0")
        assert there.texts() == {"old 0"}
        assert there.tool.leftovers() == []


def test_its_volumes_are_no_resources_of_their_own(web: Dependent) -> None:
    web.make()
    name, (data, _) = web.project.name, web.volumes
    refused = web.tool.run("backup", "volumes", data.label, "--project", name)
    whole = f"volume/{name}/{data.label} is part of instance/{name}/web"
    assert (refused.code, whole in refused.err) == (1, True), refused.err
    web.tool.do("backup", "all", "--project", name)
    web.back_up()
    assert not (web.tool.repository / "volumes").exists()
    policy = web.tool.folder / "policy.yaml"
    select = f"{{kind: [instance, volume], projects: [{name}]}}"
    policy.write_text(f"version: 1\nprotect: [{{name: all, select: {select}, backup: {{every: 7d}}}}]\n")
    status = web.tool.run("status", "-f", str(policy), "--output", "json")
    mine = [each for each in json.loads(status.out)["protected"] if each["project"] == name]
    assert [each["kind"] for each in mine] == ["instance"]
    assert f"volume/{name}" not in status.out
    explained = web.tool.run("explain", f"volume/{name}/{data.label}", "-f", str(policy))
    assert (explained.code, whole in explained.err) == (64, True), explained.err
    restore = web.tool.run("restore", "all", "--project", name, "--skip-existing")
    assert (restore.code, whole in restore.err) == (0, False), restore.err


def test_what_can_not_come_back_is_refused_when_it_is_backed_up(web: Dependent) -> None:
    web.make()
    result = web.tool.run("backup", "instances", "web", "--project", web.project.name, "--optimized")
    assert result.code == 1
    assert "disks that depend on it (dv, more): in the storage driver's own format" in result.err


def test_a_disk_of_a_profile_comes_back(web: Dependent) -> None:
    """The server can't copy such an instance while it runs: that is said when it is to be backed up."""
    project, volume = web.project, Volume(web.project, "third", web.other)
    volume.make()
    project.api("POST", "/1.0/profiles", {"name": "own", "devices": {"third": disk(volume)}})
    project.launch("web", pool=web.pool, profiles=["default", "own"])
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "s0"})
    (volume.folder() / "file").write_text("of the third")
    refused = web.tool.run("backup", "instances", "web", "--project", project.name)
    assert (refused.code, "come from a profile (third)" in refused.err) == (1, True), refused.err
    project.stop("web", force=True)
    before = document_of(project, "web"), volume.document()
    web.back_up()
    project.incus("delete", "web")
    assert web.names() == []
    web.restore()
    assert differences(before[0], document_of(project, "web"), but_for=PASSING) == []
    assert (before[1], (volume.folder() / "file").read_text()) == (volume.document(), "of the third")
    refused = web.tool.run("restore", "instance", "web", "--project", project.name, "--replace", "--yes")
    assert (refused.code, "come from a profile (third), so it can't be replaced" in refused.err) == (1, True)


def test_a_volume_in_the_place_of_one_is_found_while_planning(web: Dependent) -> None:
    web.make()
    web.back_up()
    web.remove()
    web.volumes[1].make()
    things = things_on(web.project.server)
    result = web.tool.run("restore", "instance", "web", "--project", web.project.name)
    assert result.code == 1
    in_the_way = f"volume/{web.project.name}/{web.volumes[1].label} along, which is on the server already"
    assert in_the_way in result.err
    assert things_on(web.project.server) == things
    web.restore("--without-device", "more")
    assert web.names() == sorted(each.label for each in web.volumes)
    assert (web.volumes[0].folder() / "file").read_text() == "as backed up"
    assert not (web.volumes[1].folder() / "file").exists()


def test_the_archive_of_a_running_one_is_taken_by_the_server_alone(web: Dependent) -> None:
    web.make(start=True)
    before = web.look()
    web.back_up("--compression", "none")
    archive = next(web.tool.repository.rglob("export.tar"))
    web.remove()
    with archive.open("rb") as stream:
        web.project.incus("import", "-", stdin=stream)
    web.project.incus("start", "web")
    lost = ["*document.snapshots.*.expires_at", "*document.config.volatile.cloud-init.instance-id"]
    assert differences(before, web.look(), but_for=[*replaced(), *lost]) == []
