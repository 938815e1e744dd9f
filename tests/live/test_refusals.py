"""A replace that the server refuses: the original runs as it ran, can be backed up, and nothing is left."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.live.crash_scene import said
from tests.live.guarded_scene import configure
from tests.live.mortal import Moment, Mortal
from tests.live.support.client import IncusError
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy, Passing
from tests.live.support.project import Project
from tests.live.tool import Result, Tool
from tests.live.witness import rootfs, things_on

SIZE = "60MiB"
_PASSING = ("volatile.last_state.", "volatile.eth0.host_name")


class Scene:
    """A running instance on btrfs with a limit, backed up before its disk is filled."""

    def __init__(self, project: Project, mortal: Mortal) -> None:
        self.project, self.mortal = project, mortal
        root = {"type": "disk", "path": "/", "pool": "bt", "size": SIZE}
        project.launch("web", devices={"root": root}, config={"user.note": "kept"})
        self.data.write_text("backed up")
        self.tool.do(*self.back_up)
        self.data.write_text("since")
        self.things = things_on(project.server)
        self.before = self.look()

    @property
    def tool(self) -> Tool:
        return self.mortal.tool

    @property
    def back_up(self) -> tuple[str, ...]:
        return "backup", "instances", "web", "--images", "none", "--project", self.project.name

    @property
    def replace(self) -> tuple[str, ...]:
        first = min(path.parent.name for path in self.tool.repository.rglob("manifest.json"))
        name = "web", "--project", self.project.name
        return "restore", "instance", *name, "--version", first, "--replace", "--yes"

    @property
    def data(self) -> Path:
        return rootfs(self.project, "web", "bt") / "root/data"

    def fill(self) -> None:
        """Use up all that its limit allows, as far as the server is concerned."""
        fill(rootfs(self.project, "web", "bt") / "root")

    def make_room(self) -> None:
        (rootfs(self.project, "web", "bt") / "root/fill").unlink()

    def look(self) -> dict[str, Any]:
        document = self.project.api("GET", "/1.0/instances/web")
        config = {k: v for k, v in document["config"].items() if not k.startswith(_PASSING)}
        parts = ("devices", "profiles", "ephemeral", "description", "status")
        return {"config": config, **{part: document[part] for part in parts}}

    def check_as_before(self, data: str = "since") -> None:
        assert self.look() == self.before
        assert self.data.read_text() == data
        assert things_on(self.project.server) == self.things

    def check_backed_up(self) -> None:
        """The next run has nothing to mend, and a backup of it works."""
        done = self.tool.do(*self.back_up)
        assert "failed" not in done.err
        assert self.tool.leftovers() == []


def fill(folder: Path) -> None:
    """Write until no more can be written."""
    with suppress(OSError), (folder / "fill").open("wb") as file:
        while True:
            file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())


@pytest.fixture
def scene(project: Project, tool: Tool) -> Iterator[Scene]:
    with FaultProxy(tool.socket, listen=project.server.pod.state / "mortal.sock") as proxy:
        yield Scene(project, Mortal(tool, proxy))


def run_with(scene: Scene, strike: Any, *arguments: str) -> Result:
    """Run a command behind the proxy; ``strike`` is told of each request before it passes."""

    def pull(passing: Passing) -> bool:
        if passing.direction == "up" and passing.count == 0:
            strike(passing)
        return False

    scene.mortal.proxy.on_passing = pull
    tool = Tool(scene.mortal.proxy.path, scene.tool.folder)
    try:
        return tool.run(*arguments)
    finally:
        scene.mortal.proxy.on_passing = lambda _: False


def test_an_instance_whose_root_disk_is_full_is_replaced_all_the_same(scene: Scene) -> None:
    scene.fill()
    refused = scene.tool.run(*scene.back_up)
    assert refused.code in (1, 75)  # 7.0 only breaks off
    assert "make room there, or raise the limit of the root disk" in refused.err
    done = scene.tool.do(*scene.replace)
    assert "its root disk is nearly full" in done.err
    assert "its limit is raised for as long as that takes" in done.err
    assert "failed" not in done.err
    assert scene.look()["devices"] == scene.before["devices"]
    scene.check_as_before("backed up")
    scene.check_backed_up()


def test_a_full_disk_that_may_not_grow_is_found_before_the_original_is_stopped(scene: Scene) -> None:
    scene.fill()
    server, project = scene.project.server, f"/1.0/projects/{scene.project.name}"
    config = server.api("GET", project)["config"]
    started = scene.project.api("GET", "/1.0/instances/web")["last_used_at"]

    def forbid(passing: Passing) -> None:
        if passing.method == "PUT" and passing.path.partition("?")[0] == "/1.0/instances/web":
            server.api("PUT", project, {"config": {**config, "limits.disk": "125MiB"}})

    ended = run_with(scene, forbid, *scene.replace)
    server.api("PUT", project, {"config": config})
    assert ended.code == 1
    assert "its root disk or its pool is full" in ended.err or "the server refuses to change it" in ended.err
    assert "it was not stopped" in ended.err
    assert scene.project.api("GET", "/1.0/instances/web")["last_used_at"] == started
    scene.check_as_before()
    scene.make_room()
    scene.check_backed_up()


@pytest.mark.once
def test_a_project_without_room_for_a_larger_disk_is_found_while_planning(scene: Scene) -> None:
    """What is advised is all that it takes."""
    scene.fill()
    configure(scene.project, {"limits.disk": "121MiB"})  # enough for two such instances
    refused = scene.tool.run(*scene.replace)
    assert refused.code == 1
    assert "a full root disk gets a larger limit for the while" in refused.err
    assert "uploading" not in refused.err
    scene.check_as_before()
    follow_advice(scene, refused)
    scene.tool.do(*scene.replace)
    assert scene.data.read_text() == "backed up"
    scene.fill()
    configure(scene.project, {"limits.disk": "100MiB"})
    full = scene.tool.run(*scene.back_up)
    assert full.code in (1, 75)
    follow_advice(scene, full)
    scene.check_backed_up()


def follow_advice(scene: Scene, result: Result) -> None:
    """Do what a result says that a person can do."""
    commands = re.findall("`incus ([^`]*)`", result.err.partition("hint: ")[2] or result.err)
    assert commands
    for command in commands:
        try:
            scene.project.server.incus(*command.split())
        except IncusError as error:
            if "unable to limit requested quota group: Disk quota exceeded" not in str(error):
                raise
            scene.make_room()  # btrfs needs 16 KiB of room to raise a limit, and may have less


def test_an_original_whose_disk_fills_up_while_it_waits_runs_again(scene: Scene) -> None:
    """Nothing of the undo can be written to its disk: neither name nor definition nor what a start needs."""

    def strike(passing: Passing) -> None:
        path = passing.path.partition("?")[0]
        if passing.method == "PUT" and path.endswith("-old"):
            fill(rootfs(scene.project, path.rpartition("/")[2], "bt") / "root")

    ended = run_with(scene, strike, *scene.replace)
    assert ended.code == 1, ended.err
    assert "quota" in ended.err
    scene.check_as_before()
    scene.make_room()
    scene.check_backed_up()


def test_an_original_that_can_not_be_renamed_runs_again(scene: Scene) -> None:
    """Somebody starts it in the moment in which it is stopped."""

    def start(passing: Passing) -> None:
        if passing.method == "POST" and passing.path.partition("?")[0] == "/1.0/instances/web":
            scene.project.api("PUT", "/1.0/instances/web/state", {"action": "start", "timeout": 30})

    ended = run_with(scene, start, *scene.replace)
    assert ended.code == 1
    assert "running" in ended.err
    scene.check_as_before()
    scene.check_backed_up()


@pytest.mark.once
def test_an_original_on_a_full_pool_is_replaced_by_one_on_another(fresh_incus: Daemon, workdir: Path) -> None:
    """The server writes what it keeps itself over what was there."""
    project, tool = Project(fresh_incus), Tool(fresh_incus.socket, workdir)
    folder = fresh_incus.add_small_pool("small")
    project.launch("web", pool="small")
    name = "web", "--project", project.name
    tool.do("backup", "instances", *name, "--images", "none")
    fill(fresh_incus.pod.inside(folder))
    tool.do("restore", "instance", *name, "--replace", "--yes", "--pool-map", "small=default")
    after = project.api("GET", "/1.0/instances/web")
    assert (after["devices"]["root"]["pool"], after["status"]) == ("default", "Running")
    assert len(project.api("GET", "/1.0/instances")) == 1
    assert tool.leftovers() == []


@pytest.mark.once
def test_a_kill_while_the_limit_is_raised_is_recovered(scene: Scene) -> None:
    scene.fill()
    for write in (3, 5, 6, 9):
        moment = Moment(write, direction="down" if write % 2 else "up")
        with said(moment):
            assert scene.mortal.kill_at(moment, *scene.replace)
            scene.tool.run(*scene.back_up)  # of a full disk there is none, but what is left is cleaned up
            scene.check_as_before()
            assert scene.tool.leftovers() == []
    scene.make_room()
    scene.check_backed_up()
