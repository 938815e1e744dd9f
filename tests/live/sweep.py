"""Commands of which every request can be spoilt, and what must be true after one more run of each."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from attrs import evolve, frozen

from incusbak import errors
from tests.live.custom_volume import Volume
from tests.live.portrait import differences, document_of, files_below, files_of, rootfs
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project
from tests.live.support.requestproxy import Fault, Request, RequestProxy
from tests.live.test_round_trip import DIFFERS, MOVES
from tests.live.tool import Result, Tool
from tests.live.witness import things_on

BACKED_UP, SINCE = b"as it was backed up", b"as it is since"
TEMPORARY = errors.ServerUnavailable.exit_code
ALLOWED = frozenset({0, 1, 3, errors.ChangedMeanwhile.exit_code, TEMPORARY})
"""The exit codes with which a command may end when one of its requests was spoilt."""
NEVER = ("Traceback", "unexpected", "defect")
"""Words of a program that did not expect what it met."""


class Swept(Protocol):
    """A command, the scene it works on, and its judge."""

    @property
    def arguments(self) -> tuple[str, ...]: ...

    def disturb(self) -> None:
        """Give the command something to do."""
        ...

    def check(self) -> None:
        """See that all is in order after a clean run; raises AssertionError."""
        ...


@frozen
class Site:
    """The running instance ``web`` with a profile, a snapshot and a volume, and a repository."""

    project: Project
    tool: Tool

    @property
    def volume(self) -> Volume:
        return Volume(self.project)

    @property
    def here(self) -> tuple[str, str]:
        return "--project", self.project.name

    def build(self) -> None:
        project = self.project
        project.api("POST", "/1.0/profiles", {"name": "own", "config": {"user.from-profile": "yes"}})
        self.volume.make(description="rows")
        nic = {"type": "nic", "nictype": "p2p", "name": "eth0"}
        devices = {"eth0": nic, "data": self.volume.device}
        project.launch("web", devices=devices, profiles=["default", "own"], config={"user.note": "kept"})
        project.api(
            "POST", "/1.0/instances/web/snapshots", {"name": "s1", "expires_at": "2091-01-02T03:04:05Z"}
        )
        self.write(BACKED_UP)

    def write(self, data: bytes) -> None:
        (rootfs(self.project, "web") / "root/data").write_bytes(data)
        (self.volume.folder() / "data").write_bytes(data)

    def look(self) -> dict[str, Any]:
        volume = self.volume
        return {
            "web": document_of(self.project, "web"),
            "volume": {**volume.document(), "created_at": ""},
            "profile": self.project.api("GET", "/1.0/profiles/own"),
        }

    def files(self) -> dict[str, Any]:
        own = files_of(self.project, "web", without=MOVES)
        return {"web": own, "volume": files_below(self.volume.folder(), 0)}


_DIFFERS = {f"web.{path}": reason for path, reason in DIFFERS.items()}


@frozen
class _OnSite:
    """What the judges of one site have in common."""

    site: Site
    looks: dict[str, Any]
    files: dict[str, Any]
    things: list[str]
    arguments: tuple[str, ...]

    def disturb(self) -> None:
        """Nothing is needed."""

    def check(self) -> None:
        site = self.site
        found = differences(self.looks, site.look(), but_for=_DIFFERS)
        found += differences(self.files, site.files())
        assert found == [], "\n".join(found)
        assert differences(self.things, things_on(site.project.server)) == []
        assert site.tool.leftovers() == []


class Backup(_OnSite):
    """Each backup that is there is whole."""

    def check(self) -> None:
        super().check()
        stored = self.site.tool.repository / "instances"
        folders = [folder for folder in stored.glob("*/*/*") if folder.is_dir()]
        assert folders
        for folder in folders:
            subprocess.run(["sha256sum", "--check", "--quiet", "checksums.txt"], cwd=folder, check=True)
        shutil.rmtree(stored)


class Replacement(_OnSite):
    """What was changed since the backup is as it was."""

    def disturb(self) -> None:
        (rootfs(self.site.project, "web") / "root/data").write_bytes(SINCE)


class VolumeReplacement(_OnSite):
    """What was changed since the backup is as it was, and its user runs."""

    def disturb(self) -> None:
        (self.site.volume.folder() / "data").write_bytes(SINCE)


class Rehearsal(_OnSite):
    """Nobody notices a rehearsal, and no backup is unfit for what became of a request."""

    def check(self) -> None:
        super().check()
        notes = sorted(self.site.tool.repository.glob("notes/instances/*/web/*.json"))
        assert json.loads(notes[-1].read_text())["note"].get("problem", "") == "", notes[-1].read_text()
        for note in notes:
            note.unlink()


@frozen
class Configuration(_OnSite):
    """What has drifted is as it was backed up."""

    def disturb(self) -> None:
        project = self.site.project
        project.api("PATCH", "/1.0/profiles/own", {"config": {"user.from-profile": "no"}, "description": "x"})
        server, url = project.server, f"/1.0/projects/{project.name}"
        server.api("PUT", url, {**_writable(server.api("GET", url)), "description": "changed"})
        project.api("DELETE", "/1.0/profiles/spare")


def _writable(document: dict[str, Any]) -> dict[str, Any]:
    return {key: document[key] for key in ("config", "description")}


COMMANDS = ("backup", "replace", "replace-volume", "config", "rehearse")


def stage(command: str, project: Project, tool: Tool) -> Swept:
    """Build a site and give the command on it."""
    site = Site(project, tool)
    site.build()
    one = ("web", "--images", "none", *site.here)
    match command:
        case "backup":
            return _judge(Backup, site, "backup", "instances", *one)
        case "replace":
            tool.do("backup", "instances", *one)
            return _judge(Replacement, site, "restore", "instance", "web", "--replace", "--yes", *site.here)
        case "replace-volume":
            tool.do("backup", "volumes", "default/data", *site.here)
            again = ("--replace", "--force", *site.here)
            return _judge(VolumeReplacement, site, "restore", "volume", "default/data", *again)
        case "config":
            project.api("POST", "/1.0/profiles", {"name": "spare", "description": "needed"})
            tool.do("backup", "config", *site.here)
            return _judge(Configuration, site, "restore", "config", "--apply", "--yes", *site.here)
        case "rehearse":
            tool.do("backup", "instances", *one)
            probe = ("--probe", "test -e /root/data")  # without one it is watched for some seconds
            return _judge(Rehearsal, site, "rehearse", "instance", "web", *probe, *site.here)
    raise ValueError(command)


def _judge(kind: type[_OnSite], site: Site, *arguments: str) -> Swept:
    return kind(site, site.look(), site.files(), things_on(site.project.server), arguments)


# -- one command, swept ------------------------------------------------------------------------------


def requests_of(swept: Swept, tool: Tool, proxy: RequestProxy) -> list[Request]:
    """Run the command once and give its requests, polls of one operation as one."""
    swept.disturb()
    proxy.reset()
    evolve(tool, socket=proxy.path).do(*swept.arguments)
    seen = list(proxy.seen)
    swept.check()
    return seen


def spoil(swept: Swept, tool: Tool, proxy: RequestProxy, request: Request, fault: Fault) -> Result:
    """Run the command with one request spoilt and once more without; gives how the first one ended."""
    swept.disturb()
    proxy.spoil(request, fault)
    patience = ("--stall-timeout", "2") if fault is Fault.STALL else ()
    result = evolve(tool, socket=proxy.path).run(*swept.arguments, *patience)
    spoilt = proxy.spoilt
    proxy.reset()
    tool.do(*swept.arguments)
    swept.check()
    assert spoilt == 1, "there was no such request"
    assert result.code in ALLOWED, f"exit code {result.code}: {result.err}"
    found = [word for word in NEVER if word in result.err]
    assert found == [], result.err
    return result


@contextmanager
def site_on(server: Daemon) -> Iterator[Project]:
    project = Project(server)
    yield project
    project.remove()
