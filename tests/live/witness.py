"""What must be the same before and after something that was refused or undone."""

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.live.support.daemon import Daemon
from tests.live.support.project import Project


def rootfs(project: Project, name: str, pool: str = "default") -> Path:
    """The files of an instance, without the server's help.

    The server's own file access keeps an instance busy for ten seconds more.
    """
    folder = project.server.dir / f"storage-pools/{pool}/containers/{project.name}_{name}/rootfs"
    return project.server.pod.inside(folder)


def instance_state(project: Project, name: str) -> dict[str, Any]:
    """Everything of one instance that its user could notice: definition, process, snapshots, files."""
    document = project.api("GET", f"/1.0/instances/{name}")
    pool = document["expanded_devices"]["root"]["pool"]
    return {
        "document": document,
        "pid": project.api("GET", f"/1.0/instances/{name}/state")["pid"],
        "snapshots": project.api("GET", f"/1.0/instances/{name}/snapshots?recursion=1"),
        "files": tree_of(rootfs(project, name, pool)),
    }


def tree_of(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Paths to owner, mode and content of all files below a folder."""
    return {str(path.relative_to(folder)): _entry(path) for path in folder.rglob("*")}


def _entry(path: Path) -> tuple[Any, ...]:
    status = path.lstat()
    what: object = status.st_rdev
    if stat.S_ISREG(status.st_mode):
        what = hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        what = str(path.readlink())
    return status.st_uid, status.st_gid, status.st_mode, what


def things_on(server: Daemon) -> list[str]:
    """The URLs of all that a run may make: projects, instances, snapshots, staged exports, volumes."""
    return sorted(_things(server))


def _things(server: Daemon) -> Iterator[str]:
    yield from server.api("GET", "/1.0/projects")
    for instance in server.api("GET", "/1.0/instances?all-projects=true&recursion=2"):
        place = f"/1.0/instances/{instance['name']}?project={instance['project']}"
        yield place
        for kind in ("snapshots", "backups"):
            yield from (f"{place}#{kind}/{each['name']}" for each in instance.get(kind) or ())
    for pool in server.api("GET", "/1.0/storage-pools"):
        yield from server.api("GET", f"{pool}/volumes?all-projects=true")


def files_below(folder: Path) -> dict[str, bytes | None]:
    """All of a repository but its records of runs: paths to contents, None for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.relative_to(folder).parts[0] not in ("runs", ".lock")
    }
