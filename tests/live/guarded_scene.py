"""Projects with restrictions or limits, and what can't come back as it was in them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.live.portrait import differences, document_of, files_of, rootfs
from tests.live.support.project import Project
from tests.live.tool import Tool

MOVES = ("/run/*",)
PASSING = {
    "last_used_at": "it was started again",
    "*config.volatile.*.host_name": "the host's end of the cable is a new one at each start",
    "*config.volatile.last_state.ready": "said by an agent inside, after each start",
    "*config.volatile.last_state.power": "what the host last saw",
    "snapshots.*.size": "what a snapshot shares with others is up to the storage driver",
}
FORCED = {
    "*config.volatile.uuid": "such a project gets a new one with each import, and refuses another",
    "*config.volatile.uuid.generation": "as the uuid",
    "*config.volatile.cloud-init.instance-id": "as the uuid, and a new one with each new name",
    "snapshots.*config.volatile.eth0.name": "7.0 takes it from snapshots on their way in",
    "snapshots.*config.volatile.idmap.current": "as the name",
}
MOVED = {"created_at": "where the server takes no import it is moved in, which makes a new instance"}
"""Paths in the API's documents that can't come back, each with the reason."""

RESTRICTED = {"restricted": "true", "restricted.backups": "allow"}
LIMITED = {
    "limits.cpu": "8",
    "limits.disk": "800MiB",
    "limits.instances": "4",
    "limits.memory": "1GiB",
    "limits.processes": "4000",
}
LIMITS = {"limits.cpu": "1", "limits.memory": "128MiB", "limits.processes": "300"}
"""What its default profile gives each instance of a limited project."""


def configure(project: Project, config: Mapping[str, str]) -> None:
    """Give a project these limits and restrictions, and no others."""
    url = f"/1.0/projects/{project.name}"
    present = project.server.api("GET", url)["config"]
    features = {key: value for key, value in present.items() if key.startswith("features.")}
    project.server.api("PUT", url, {"description": "", "config": {**features, **config}})


def limit(project: Project, config: Mapping[str, str] = LIMITED) -> None:
    """Limit a project; the limits of its instances come from their profile."""
    root = {"type": "disk", "path": "/", "pool": "default", "size": "64MiB"}
    body = {"config": LIMITS, "devices": {"root": root}, "description": ""}
    project.api("PUT", "/1.0/profiles/default", body)
    configure(project, config)


@frozen
class Portrait:
    """How an instance is, to compare with how it was."""

    document: dict[str, Any]
    files: dict[str, Any]


@contextmanager
def network(project: Project) -> Iterator[str]:
    """A bridge without addresses."""
    name = f"b{project.name[:10]}"
    plain = {"ipv4.address": "none", "ipv6.address": "none"}
    project.server.api("POST", "/1.0/networks", {"name": name, "type": "bridge", "config": plain})
    yield name
    project.remove_instances()
    project.server.api("DELETE", f"/1.0/networks/{name}")


def make(project: Project, network: str, *, start: bool = True, pool: str | None = None) -> Portrait:
    """Container ``c1`` with a network, a snapshot and what a failed swap used to cost."""
    devices = {"eth0": {"type": "nic", "network": network}}
    config = {"boot.autostart": "true", "user.note": "kept"}
    project.launch("c1", config=config, devices=devices, start=start, pool=pool)
    (rootfs(project, "c1") / "srv/data").write_bytes(b"as it was backed up")
    project.api("POST", "/1.0/instances/c1/snapshots", {"name": "s1", "expires_at": "2040-01-01T00:00:00Z"})
    return look(project)


def look(project: Project, name: str = "c1") -> Portrait:
    return Portrait(document_of(project, name), files_of(project, name, without=MOVES))


def but_for(project: Project) -> dict[str, str]:
    """What can't come back: 7.0 has mercy on projects that have limits only."""
    config = project.server.api("GET", f"/1.0/projects/{project.name}")["config"]
    if project.server.version == "6.0":
        return PASSING | FORCED | MOVED
    return PASSING | (FORCED if "restricted" in config else {})


def news(project: Project, before: Portrait, name: str = "c1") -> list[str]:
    """What has come back otherwise than it was, but for what can't."""
    after = look(project, name)
    documents = differences(before.document, after.document, but_for=but_for(project))
    return documents + differences(before.files, after.files)


def check_usable(project: Project, tool: Tool, before: Portrait, *or_as: Portrait) -> None:
    """The original is as it was in one of these moments, carries no mark, and can be backed up."""
    found = [news(project, each) for each in (before, *or_as)]
    assert [] in found, "\n".join(map(str, found))
    assert not [key for key in look(project).document["config"] if "incusbak" in key]
    assert [each["name"] for each in project.api("GET", "/1.0/instances?recursion=1")] == ["c1"]
    tool.do("backup", "instances", "c1", "--project", project.name)
    assert tool.leftovers() == []


def change(project: Project) -> None:
    """Let it move on from what was backed up."""
    path: Path = rootfs(project, "c1") / "srv/data"
    path.write_bytes(b"as it is since")
