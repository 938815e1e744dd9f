"""Where things lie below a repository's folder."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..durable import ASIDE
from ..errors import RepositoryError
from ..model.refs import SHAPES, BackupId, BadAddress, ResourceRef, parse_timestamp, unsafe_reason

METADATA = "metadata.json"
MANIFEST = "manifest.json"
CHECKSUMS = "checksums.txt"
RUNS = "runs"
NOTES = "notes"
REMOVED = "removed"
LOCK = ".lock"
READING = ".reading"
STAGING = ".staging"
RUNS_ASIDE = f"{ASIDE}runs"
TRASH = ".trash-"

FOLDERS: dict[str, str] = {
    "instance": "instances",
    "volume": "volumes",
    "image": "images",
    "config": "config",
}
"""Kind to folder. What lies below follows from the kind's address."""


def folder_of(ref: ResourceRef) -> tuple[str, ...]:
    """The folders, from the root down, that hold a resource's backups.

    Raises:
        RepositoryError: a part of the address must not become a file name.
    """
    if ref.kind not in FOLDERS:
        raise RepositoryError(f"{ref}: backups of kind {ref.kind!r} can't be stored")
    for part in ref.path:
        if reason := unsafe_reason(part):
            raise RepositoryError(f"{ref.address!r} can't be a place in a repository: {reason}")
    return (FOLDERS[ref.kind], *ref.path)


def place_of(backup: BackupId) -> tuple[str, ...]:
    """The folders, from the root down, to a backup.

    Raises:
        RepositoryError: see ``folder_of``; also for what is no timestamp.
    """
    if not is_timestamp(backup.timestamp):
        raise RepositoryError(f"{backup.address!r} can't be a place in a repository: no timestamp")
    return (*folder_of(backup.ref), backup.timestamp)


def is_timestamp(name: str) -> bool:
    try:
        parse_timestamp(name)
    except BadAddress:
        return False
    return True


def stored_backups(root: Path) -> Iterator[BackupId]:
    """Find every backup by the names of folders alone."""
    for ref, place in resource_folders(root):
        yield from (BackupId(ref, name) for name in subfolders(place) if is_timestamp(name))


def resource_folders(root: Path) -> Iterator[tuple[ResourceRef, str]]:
    """Find the folder of each resource; hidden, linked and foreign folders are no resources."""
    there = set(subfolders(str(root)))
    for kind, folder in FOLDERS.items():
        if folder not in there:
            continue
        for place, parts in _descend(f"{root}/{folder}", len(SHAPES[kind])):
            ref = ResourceRef(kind, **dict(zip(SHAPES[kind], parts, strict=True)))
            yield ref, place


def _descend(folder: str, depth: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Find the folders so deep below; plain text is quicker than paths, and there are many."""
    if depth == 0:
        yield folder, ()
        return
    for name in subfolders(folder):
        if not unsafe_reason(name):
            for place, below in _descend(f"{folder}/{name}", depth - 1):
                yield place, (name, *below)


def subfolders(folder: str) -> list[str]:
    """List the folders in a folder, whatever their names; linked ones are none."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):  # gone meanwhile
        return []


def size_below(root: Path) -> int:
    """Add up the sizes of the files of all backups, in sight and removed; links are not followed."""
    return sum(_size(root / folder) for folder in (*FOLDERS.values(), REMOVED))


def _size(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(
                _size(Path(entry.path))
                if entry.is_dir(follow_symlinks=False)
                else entry.stat(follow_symlinks=False).st_size
                for entry in entries
            )
    except (FileNotFoundError, NotADirectoryError):  # gone meanwhile, or no repository yet
        return 0


def is_folder(name: str, folder: int) -> bool:
    """Tell whether an entry is a real folder, no link to one."""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
