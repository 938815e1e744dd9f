"""Where things lie below a repository's folder."""

import os
import stat
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from ..durable import ASIDE
from ..errors import RepositoryError
from ..model.refs import SHAPES, BackupId, BadAddress, ResourceRef, impossible_reason, parse_timestamp
from .encoding import decoded, encoded, goes_on, is_plain

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


ENCODED = "encoded"
"""Below it the same folders once more, for what has a name that must not be a file's (see ``encoding``)."""
Names = Callable[[str], Iterator[tuple[str, str]]]
"""Find the names that the folders in a folder stand for, each with where it is."""


def folder_of(ref: ResourceRef) -> tuple[str, ...]:
    """The folders, from the root down, that hold a resource's backups.

    Raises:
        RepositoryError: a part of the address must not become a file name.
    """
    if ref.kind not in FOLDERS:
        raise RepositoryError(f"{ref}: backups of kind {ref.kind!r} can't be stored")
    for part in ref.path:
        if reason := impossible_reason(part):
            raise RepositoryError(f"{ref.address!r} can't be a place in a repository: {reason}")
    if all(map(is_plain, ref.path)):
        return (FOLDERS[ref.kind], *ref.path)
    return (ENCODED, FOLDERS[ref.kind], *chain.from_iterable(map(encoded, ref.path)))


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
    for top, names in ((str(root), _plain_names), (f"{root}/{ENCODED}", _encoded_names)):
        there = set(subfolders(top))
        for kind, folder in FOLDERS.items():
            if folder not in there:
                continue
            for place, parts in _descend(f"{top}/{folder}", len(SHAPES[kind]), names):
                ref = ResourceRef(kind, **dict(zip(SHAPES[kind], parts, strict=True)))
                if names is _plain_names or not all(map(is_plain, parts)):
                    yield ref, place


def _descend(folder: str, depth: int, names: Names) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Find the folders so deep below; plain text is quicker than paths, and there are many."""
    if depth == 0:
        yield folder, ()
        return
    for name, inside in names(folder):
        for place, below in _descend(inside, depth - 1, names):
            yield place, (name, *below)


def _plain_names(folder: str) -> Iterator[tuple[str, str]]:
    return ((name, f"{folder}/{name}") for name in subfolders(folder) if is_plain(name))


def _encoded_names(folder: str, above: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    for each in subfolders(folder):
        inside, parts = f"{folder}/{each}", (*above, each)
        if goes_on(each):
            yield from _encoded_names(inside, parts)
        elif (name := decoded(parts)) is not None:
            yield name, inside


def subfolders(folder: str) -> list[str]:
    """List the folders in a folder, whatever their names; linked ones are none."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):  # gone meanwhile
        return []


def size_below(root: Path) -> int:
    """Add up the sizes of the files of all backups, in sight and removed; links are not followed."""
    return sum(_size(root / folder) for folder in (*FOLDERS.values(), ENCODED, REMOVED))


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
