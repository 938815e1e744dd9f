"""SIGKILL at any moment: no half backup, no lost volume, nobody left stopped or without their devices."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import pytest
from attrs import evolve, frozen

from tests.live.crash_scene import BACKED_UP, SINCE, said
from tests.live.custom_volume import EXPIRES, Volume
from tests.live.mortal import Moment, Mortal, Touch
from tests.live.support.client import IncusError
from tests.live.support.faultproxy import Direction, FaultProxy
from tests.live.support.project import Project
from tests.live.thinning import some
from tests.live.tool import Tool
from tests.live.witness import things_on

_MB = 1 << 20
_PASSING = ("volatile.last_state.*", "volatile.*.last_state.*", "volatile.*.host_name")
POOLS = {"6.0": "bt", "7.0": "default"}
WAYS: tuple[Direction, ...] = ("up", "down")
PARTS = range(2)  # so that workers can share a test


@frozen
class Scene:
    """A volume that two running containers use, and a tool that can be killed."""

    volume: Volume
    mortal: Mortal
    before: dict[str, Any]

    @property
    def tool(self) -> Tool:
        return self.mortal.tool

    def back_up(self) -> tuple[str, ...]:
        return "backup", "volumes", self.volume.label, "--project", self.volume.project.name

    def replace(self) -> tuple[str, ...]:
        """By the first backup: what puts a killed run's things in order makes newer ones."""
        first = min(path.parent.name for path in self.tool.repository.rglob("manifest.json"))
        name = self.volume.label, "--project", self.volume.project.name
        return "restore", "volume", *name, "--version", first, "--replace", "--force"

    def change(self) -> None:
        (self.volume.folder() / "data").write_bytes(SINCE)

    def look(self) -> dict[str, Any]:
        """The volume and its users, but for what each start changes."""
        project = self.volume.project
        instances = {name: project.api("GET", f"/1.0/instances/{name}") for name in ("direct", "through")}
        for document in instances.values():
            del document["last_used_at"]
            for part in ("config", "expanded_config"):
                kept = {
                    k: v for k, v in document[part].items() if not any(fnmatchcase(k, p) for p in _PASSING)
                }
                document[part] = kept
        profile = project.api("GET", "/1.0/profiles/user")
        return {**instances, "profile": profile, "volume": self.volume.document()}

    def is_there(self, name: str) -> bool:
        """Whether the whole volume, old or new, is there under a name."""
        volume = evolve(self.volume, name=name)
        try:
            snapshots = volume.document()["snapshots"]
            return set(snapshots) == {"s1"} and (volume.folder() / "data").read_bytes() in (BACKED_UP, SINCE)
        except (IncusError, FileNotFoundError):
            return False

    def check_not_lost(self) -> None:
        """It is under its own name, or a record knows where it waits."""
        entries = [json.loads(path.read_text())["record"] for path in self.tool.state.rglob("*.json")]
        names = [self.volume.name, *(entry["aside"] for entry in entries if "aside" in entry)]
        deadline = time.monotonic() + 10
        while not any(self.is_there(name) for name in names):
            assert time.monotonic() < deadline, names
            time.sleep(0.1)

    def check_in_order(self, *allowed: bytes) -> None:
        """Everyone runs and sees the volume, all is as it was, and nothing temporary is anywhere."""
        assert self.look() == self.before["look"]
        seen = {self.volume.seen_by(name, "data").encode() for name in ("direct", "through")}
        assert len(seen) == 1
        assert seen <= set(allowed)
        assert things_on(self.volume.project.server) == self.before["things"]
        assert self.tool.leftovers() == []

    def check_backups(self) -> int:
        """Every backup that can be seen is whole; returns how many there are."""
        folders = [path for path in (self.tool.repository / "volumes").glob("*/*/*/*") if path.is_dir()]
        for folder in folders:
            subprocess.run(["sha256sum", "--check", "--quiet", "checksums.txt"], cwd=folder, check=True)
        return len(folders)

    def forget_backups(self) -> None:
        shutil.rmtree(self.tool.repository / "volumes", ignore_errors=True)


@contextmanager
def make_scene(project: Project, tool: Tool, pool: str) -> Iterator[Scene]:
    volume = Volume(project, pool=pool)
    volume.make(config={"user.note": "kept"}, description="of the shop")
    (volume.folder() / "bulk").write_bytes(bytes(range(256)) * (6 * _MB // 256))
    (volume.folder() / "data").write_bytes(BACKED_UP)
    volume.snapshot("s1", expires_at=EXPIRES)
    volume.attach()
    with FaultProxy(tool.socket, listen=project.server.pod.state / "mortal.sock") as proxy:
        scene = Scene(volume, Mortal(tool, proxy), {})
        yield evolve(scene, before={"look": scene.look(), "things": things_on(project.server)})


@pytest.fixture
def backup_scene(project: Project, tool: Tool) -> Iterator[Scene]:
    """On ``dir``: with a copy in two passes."""
    with make_scene(project, tool, "default") as scene:
        yield scene


@pytest.fixture
def restore_scene(project: Project, tool: Tool) -> Iterator[Scene]:
    with make_scene(project, tool, POOLS[project.server.version]) as scene:
        tool.do(*scene.back_up())
        yield scene


def around(writes: Sequence[object], turn: int) -> list[Moment | Touch]:
    """Before every other writing request reaches the server, before the answer to the others comes back."""
    return [Moment(n, direction=WAYS[(n + turn) % 2]) for n in range(1, len(writes) + 1)]


def chosen(scene: Scene, writes: Sequence[object], *more: Moment | Touch) -> Sequence[Moment | Touch]:
    """Of what one version leaves out, some are taken on the other."""
    version = list(POOLS).index(scene.volume.project.server.version)
    return some([*around(writes, version), *more], (7, 4)[version])


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_backup_is_whole_or_not_there(backup_scene: Scene, part: int) -> None:
    scene = backup_scene
    writes = scene.mortal.writes_of(*scene.back_up())
    moments = chosen(scene, writes, Touch(3), Touch(9))
    assert len(moments) >= 2
    for moment in moments[part :: len(PARTS)]:
        with said(moment):
            scene.forget_backups()
            assert scene.mortal.kill_at(moment, *scene.back_up())
            there = scene.check_backups()
            scene.tool.do(*scene.back_up())
            assert scene.check_backups() == there + 1
            scene.check_in_order(BACKED_UP)


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_replacement_loses_nothing(restore_scene: Scene, part: int) -> None:
    scene = restore_scene
    writes = scene.mortal.writes_of(*scene.replace())
    moments = chosen(scene, writes, Moment(1, at=4 * _MB), Touch(5))
    assert len(moments) >= 2
    for moment in moments[part :: len(PARTS)]:
        scene.change()
        with said(moment):
            assert scene.mortal.kill_at(moment, *scene.replace())
            scene.check_not_lost()
            scene.tool.do(*scene.back_up())
            scene.check_in_order(BACKED_UP, SINCE)


def test_the_run_that_cleans_up_may_be_killed_as_well(restore_scene: Scene) -> None:
    """Each goes on where the one before it died: it never gets to do what comes after its moment."""
    scene = restore_scene
    scene.change()
    writes = [url.partition("?")[0] for _, url in scene.mortal.writes_of(*scene.replace())]
    renamed = next(n for n, path in enumerate(writes, 1) if path.rpartition("/")[2].startswith("incusbak-"))
    scene.change()
    assert scene.mortal.kill_at(Moment(renamed, direction="down"), *scene.replace())
    for moment in (Moment(1), Moment(1, direction="down"), Moment(1), Moment(1, direction="down")) * 2:
        with said(moment):
            if not scene.mortal.kill_at(moment, *scene.back_up()):
                break
            scene.check_not_lost()
    scene.tool.do(*scene.back_up())
    scene.check_in_order(SINCE)
