"""An instance that has all a crash could lose, and what must be true of it at once and in the end."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from tests.live.mortal import Moment, Mortal, Touch
from tests.live.portrait import rootfs
from tests.live.support.client import IncusError
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.tool import Tool
from tests.live.witness import things_on

BACKED_UP, SINCE = b"as it was backed up", b"as it is since"
_BULK = os.urandom(6 << 20)
_PASSING = ("volatile.last_state.*", "volatile.*.last_state.*", "volatile.*.host_name")
_POLICY = """
version: 1
protect:
  - {{name: all, select: {{kind: instance, projects: [{project}]}}}}
"""


@frozen
class Scene:
    """One instance ``web`` in a project of its own, and a tool that can be killed."""

    project: Project
    mortal: Mortal
    before: dict[str, Any]
    """How the server and the instance looked at first."""

    @property
    def tool(self) -> Tool:
        return self.mortal.tool

    def back_up(self) -> tuple[str, ...]:
        return "backup", "instances", "web", "--images", "none", "--project", self.project.name

    def restore(self, *more: str) -> tuple[str, ...]:
        return "restore", "instance", "web", "--project", self.project.name, *more

    def replace(self) -> tuple[str, ...]:
        return self.restore("--replace", "--yes")

    def change_data(self) -> None:
        _file(self.project, "web", "data").write_bytes(SINCE)

    # -- what must be true --------------------------------------------------------------------------

    def look(self) -> dict[str, Any]:
        document = self.project.api("GET", "/1.0/instances/web")
        config = {k: v for k, v in document["config"].items() if not any(fnmatchcase(k, p) for p in _PASSING)}
        kept = ("devices", "profiles", "ephemeral", "description", "created_at", "status")
        snapshots = self.project.api("GET", "/1.0/instances/web/snapshots?recursion=1")
        return {
            "config": config,
            "snapshots": [(s["name"], s["created_at"], s["expires_at"]) for s in snapshots],
            **{key: document[key] for key in kept},
        }

    def check_backups(self) -> int:
        """Every backup that can be seen is whole; returns how many there are."""
        seen = [each.parent for each in (self.tool.repository / "instances").glob("*/*/*/checksums.txt")]
        folders = [each for each in (self.tool.repository / "instances").glob("*/*/*") if each.is_dir()]
        assert sorted(seen) == sorted(folders)
        for folder in folders:
            subprocess.run(["sha256sum", "--check", "--quiet", "checksums.txt"], cwd=folder, check=True)
        return len(folders)

    def forget_backups(self) -> None:
        shutil.rmtree(self.tool.repository / "instances", ignore_errors=True)

    def check_not_lost(self) -> None:
        """The whole original or its whole successor is there, or a record knows where it waits."""
        entries = [json.loads(path.read_text())["record"] for path in self.tool.state.rglob("*.json")]
        names = ["web", *(entry["aside"] for entry in entries if "aside" in entry)]
        deadline = time.monotonic() + 10
        while not any(self._is_whole(name) for name in names):  # the server may be in the middle of a rename
            assert time.monotonic() < deadline, names
            time.sleep(0.1)

    def _is_whole(self, name: str) -> bool:
        try:
            config = self.project.api("GET", f"/1.0/instances/{name}")["config"]
            data = self.data(name)
        except (IncusError, FileNotFoundError):
            return False
        same = config["volatile.uuid"] == self.before["look"]["config"]["volatile.uuid"]
        return same and data in (BACKED_UP, SINCE)

    def data(self, name: str = "web") -> bytes:
        assert _file(self.project, name, "bulk").read_bytes() == _BULK
        return _file(self.project, name, "data").read_bytes()

    def check_in_order(self, *allowed: bytes) -> None:
        """The one instance runs, is what it was, and nothing temporary is anywhere."""
        assert self.look() == self.before["look"]
        assert self.data() in allowed
        assert things_on(self.project.server) == self.before["things"]
        assert self.tool.leftovers() == []

    def check_plan_cleans(self) -> None:
        """A plan lists what a killed run left, its apply removes that, the next plan has nothing to clean."""
        assert bool(self.planned_cleaning()) == bool(self._records())
        self.tool.do("apply", "plan.json", "--yes")
        assert self.planned_cleaning() == []

    def _records(self) -> list[str]:
        return [path.stem for path in self.tool.state.rglob("*.json")]

    def planned_cleaning(self) -> list[str]:
        """Make a plan; gives the steps that clean up."""
        policy = _POLICY.format(project=self.project.name)
        (self.tool.folder / "policy.yaml").write_text(policy)
        self.tool.do("plan", "-f", "policy.yaml")
        plan = json.loads((self.tool.folder / "plan.json").read_text())["plan"]
        return [step["id"] for step in plan["steps"] if step["id"].startswith(("recover:", "discard:"))]


@contextmanager
def make_scene(project: Project, tool: Tool, pool: str) -> Iterator[Scene]:
    """Launch the instance, back it up once when the caller wants to restore, and set up the proxy."""
    _add_network(project)
    nic = {"type": "nic", "network": "crash0"}
    config = {"user.note": "kept", "boot.autostart": "true"}
    project.launch("web", pool=pool, devices={"eth0": nic}, config=config)
    snapshot = {"name": "s1", "expires_at": "2040-01-01T00:00:00Z"}
    project.api("POST", "/1.0/instances/web/snapshots", snapshot)
    _file(project, "web", "bulk").write_bytes(_BULK)
    _file(project, "web", "data").write_bytes(BACKED_UP)
    with FaultProxy(tool.socket, listen=project.server.pod.state / "mortal.sock") as proxy:
        scene = Scene(project, Mortal(tool, proxy), {})
        before = {"look": scene.look(), "things": things_on(project.server)}
        yield evolve(scene, before=before)


def _file(project: Project, name: str, file: str) -> Path:
    """A file as it lies on the host: the server's way to files keeps an instance busy for ten seconds."""
    return rootfs(project, name) / "root" / file


def _add_network(project: Project) -> None:
    plain = {"ipv4.address": "none", "ipv6.address": "none"}
    if "/1.0/networks/crash0" not in project.server.api("GET", "/1.0/networks"):
        bridge = {"name": "crash0", "type": "bridge", "config": plain}
        project.server.api("POST", "/1.0/networks", bridge)


@contextmanager
def said(moment: Moment | Touch) -> Iterator[None]:
    """Add to whatever fails when the tool was killed."""
    try:
        yield
    except Exception as error:
        error.add_note(f"killed at {moment}")
        raise
