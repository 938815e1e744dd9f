"""An instance is restored with the volume that its data are on: ruined, lost, and by runs that are killed."""

from typing import Any

import pytest
from attrs import frozen

from tests.live.crash_scene import BACKED_UP, SINCE, said
from tests.live.custom_volume import Volume
from tests.live.mortal import Moment, Mortal
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.thinning import some
from tests.live.tool import Result, Tool
from tests.live.witness import things_on


@frozen
class Scene:
    """A running container ``direct`` whose data are on a volume, both backed up."""

    volume: Volume
    tool: Tool
    things: Any

    @property
    def project(self) -> Project:
        return self.volume.project

    def command(self, *flags: str) -> tuple[str, ...]:
        return "restore", "instance", "direct", "--project", self.project.name, "--yes", *flags

    def restore(self, *flags: str) -> Result:
        return self.tool.do(*self.command(*flags))

    @property
    def stored(self) -> str:
        """The timestamp of the volume's backup."""
        [manifest] = self.tool.repository.glob("volumes/**/manifest.json")
        return manifest.parent.name

    @property
    def data(self) -> bytes:
        return (self.volume.folder() / "data").read_bytes()

    def ruin(self) -> None:
        (self.volume.folder() / "data").write_bytes(SINCE)

    def lose(self) -> None:
        self.project.incus("delete", "--force", "direct")
        self.volume.remove()

    def check_in_order(self) -> None:
        """It runs on its volume as it was backed up, and nothing else has come or gone."""
        assert self.project.api("GET", "/1.0/instances/direct")["status"] == "Running"
        assert self.volume.seen_by("direct", "data").encode() == BACKED_UP
        assert things_on(self.project.server) == self.things
        assert self.tool.leftovers() == []


@pytest.fixture
def scene(project: Project, tool: Tool) -> Scene:
    volume = Volume(project)
    volume.make(config={"user.note": "kept"})
    (volume.folder() / "data").write_bytes(BACKED_UP)
    volume.attach(["direct"])
    tool.do("backup", "volumes", volume.label, "--project", project.name)
    tool.do("backup", "instances", "direct", "--images", "none", "--project", project.name)
    return Scene(volume, tool, things_on(project.server))


def test_a_ruined_volume_stays_and_is_named_unless_it_is_asked_for(scene: Scene) -> None:
    scene.ruin()
    address = f"volume/{scene.project.name}/{scene.volume.label}"
    stays = f"{address} stays as it is; --volumes all (in a policy: volumes) brings {scene.stored} back"
    assert stays in scene.restore("--replace").err
    assert scene.data == SINCE
    assert address not in scene.restore("--replace", "--volumes", "none").err
    assert scene.data == SINCE
    scene.restore("--replace", "--volumes", "all")
    scene.check_in_order()


@pytest.mark.once
def test_a_missing_volume_comes_back_unless_none_shall(scene: Scene) -> None:
    scene.lose()
    refused = scene.tool.run(*scene.command("--volumes", "none"))
    assert (refused.code, "not on the server" in refused.err) == (1, True)
    scene.restore()
    scene.check_in_order()


@pytest.mark.once
@pytest.mark.parametrize("is_lost", [True, False])
def test_a_run_that_is_killed_is_mended_by_the_next(scene: Scene, is_lost: bool) -> None:
    command = scene.command(*(() if is_lost else ("--replace", "--volumes", "all")))
    with FaultProxy(scene.tool.socket, listen=scene.project.server.pod.state / "mortal.sock") as proxy:
        mortal = Mortal(scene.tool, proxy)
        spoil = scene.lose if is_lost else scene.ruin
        spoil()
        writes = mortal.writes_of(*command)
        for moment in some([Moment(number) for number in range(2, len(writes) + 1)], 9):
            with said(moment):
                spoil()
                assert mortal.kill_at(moment, *command)
                scene.restore("--replace", "--volumes", "all")
                scene.check_in_order()
