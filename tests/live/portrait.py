"""What an instance is to its user: its document and its files, in a form that can be compared."""

import hashlib
import json
import os
import stat
import struct
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.live.support.project import Project

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
}
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
"""security.capability: cap_net_raw, effective and permitted."""
SPARSE_BYTES = 8 << 20
WHEN = 1_600_000_000


@frozen
class Entry:
    """One file as a user inside of the container sees it.

    ``mtime`` in whole seconds, rounded: the server's archives hold no more. ``content`` is a hash for a
    file, the target for a link, the number for a device. ``same_as``: the first path of the same inode.
    """

    kind: str
    mode: str
    owner: tuple[int, int]
    mtime: int
    content: str
    xattrs: tuple[tuple[str, bytes], ...]
    same_as: str


def rootfs(project: Project, name: str, snapshot: str = "") -> Path:
    """The root folder of a container or of its snapshot, as this process sees it."""
    document = project.api("GET", f"/1.0/instances/{name}")
    pool = document["expanded_devices"]["root"]["pool"]
    folder = project.server.dir / "storage-pools" / pool
    prefix = "" if project.name == "default" else f"{project.name}_"
    below = f"containers-snapshots/{prefix}{name}/{snapshot}" if snapshot else f"containers/{prefix}{name}"
    return project.server.pod.inside(folder / below / "rootfs")


def files_of(
    project: Project, name: str, snapshot: str = "", *, without: tuple[str, ...] = ()
) -> dict[str, Entry]:
    """Every file of a container by its path, but for those of ``without``, which are globs."""
    config = project.api("GET", f"/1.0/instances/{name}")["config"]
    shift = shift_of(config.get("volatile.last_state.idmap"))
    return files_below(rootfs(project, name, snapshot), shift, without=without)


def files_below(root: Path, shift: int, *, without: tuple[str, ...] = ()) -> dict[str, Entry]:
    """Every file below a folder whose owners on disk are shifted by so much."""
    first: dict[int, str] = {}
    found = {}
    for path in sorted(_walk(root)):
        shown = f"/{path.relative_to(root)}"
        if not any(fnmatchcase(shown, glob) for glob in without):
            found[shown] = _entry(path, shift, first.setdefault(path.lstat().st_ino, shown))
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def shift_of(id_map: str | None) -> int:
    """How far the owners on disk are from those that a container sees, by the map the server keeps."""
    entries: list[Mapping[str, Any]] = json.loads(id_map or "[]")
    return sum(entry["Hostid"] - entry["Nsid"] for entry in entries if entry["Isuid"])


def _entry(path: Path, shift: int, same_as: str) -> Entry:
    status = path.lstat()
    return Entry(
        kind=_KINDS[stat.S_IFMT(status.st_mode)],
        mode=f"{stat.S_IMODE(status.st_mode):o}",
        owner=(status.st_uid - shift, status.st_gid - shift),
        mtime=(status.st_mtime_ns + 500_000_000) // 1_000_000_000,
        content=_content(path, status),
        xattrs=tuple(
            (key, os.getxattr(path, key, follow_symlinks=False))
            for key in sorted(os.listxattr(path, follow_symlinks=False))
        ),
        same_as=same_as,
    )


def _content(path: Path, status: os.stat_result) -> str:
    match _KINDS[stat.S_IFMT(status.st_mode)]:
        case "file":
            return hashlib.sha256(path.read_bytes()).hexdigest()
        case "link":
            return str(path.readlink())
        case "char" | "block":
            return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return ""


def furnish(folder: Path) -> None:
    """Fill a folder of a container with every kind of file that is easily lost."""
    program = _file(folder / "program", b"#!/bin/sh\n")
    os.chown(program, 1000, 1001)
    program.chmod(0o6751)
    os.setxattr(program, "user.note", b"\0bytes\xff")
    os.setxattr(program, "security.capability", CAPABILITY)
    os.link(program, folder / "zz-hard-link")
    (folder / "dangling").symlink_to("../nowhere/ü")
    os.lchown(folder / "dangling", 7, 8)
    (folder / "long-target").symlink_to("t/" * 120)
    os.mkfifo(folder / "fifo", 0o620)
    os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(folder / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 200))
    for name in ("ünï ✓ 日本", "line\nbreak", "tab\tback\\slash", " blank ", "-dash", "*?[x]", "n" * 200):
        _file(folder / name, name.encode())
    _file(Path(os.fsdecode(os.fsencode(folder) + b"/latin-\xe9")), b"not UTF-8")
    _file(folder / "/".join(["deep" * 12] * 8) / "file", b"a path longer than a tar header")
    (folder / "empty-folder").mkdir(mode=0o1777)
    _file(folder / "empty-file", b"")
    with (folder / "sparse").open("wb") as sparse:
        sparse.seek(SPARSE_BYTES // 2)
        sparse.write(b"in the middle")
        sparse.truncate(SPARSE_BYTES)
    for path in sorted(_walk(folder), reverse=True):
        os.utime(path, (WHEN, WHEN), follow_symlinks=False)


def _file(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def document_of(project: Project, name: str) -> dict[str, Any]:
    """The API's document of an instance with those of its snapshots."""
    document: dict[str, Any] = project.api("GET", f"/1.0/instances/{name}")
    snapshots = project.api("GET", f"/1.0/instances/{name}/snapshots?recursion=1")
    document["snapshots"] = {snapshot["name"].split("/")[-1]: snapshot for snapshot in snapshots}
    return document


def differences(before: Any, after: Any, *, but_for: Iterable[str] = (), at: str = "") -> list[str]:
    """What differs between two documents, as ``path: old -> new``; ``but_for`` are globs of paths."""
    if any(fnmatchcase(at, glob) for glob in but_for):
        return []
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return [] if before == after else [f"{at}: {before!r} -> {after!r}"]
    found = []
    for key in sorted({*before, *after}):
        inner = f"{at}.{key}" if at else str(key)
        found += differences(before.get(key), after.get(key), but_for=but_for, at=inner)
    return found
