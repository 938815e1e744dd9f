"""Folders written aside and put in place whole: how backups and run reports get into a repository."""

import errno
import hashlib
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from attrs import frozen

from ...durable import (
    ASIDE,
    entries_of,
    explained,
    make_folder,
    make_folders,
    names_in,
    open_folder,
    remove_empty_folders,
    remove_tree,
    sync_folder,
)
from ...errors import RepositoryError
from ...model.refs import format_timestamp
from ..layout import STAGING, TRASH, is_folder

_ATTEMPTS = 20
_STAMP_LENGTH = len("YYYYMMDDThhmmssZ")


@frozen
class Staged:
    """A folder in the making that has reserved a timestamp below ``parents``; ``area``: where it is made."""

    root: Path
    parents: tuple[str, ...]
    timestamp: str
    area: str = STAGING

    @property
    def token(self) -> str:
        """The folder's name while in the making: one per timestamp, so that making it reserves that."""
        return hashlib.sha256("/".join((*self.parents, self.timestamp)).encode()).hexdigest()[:32]

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.area, self.token)

    @property
    def path(self) -> Path:
        return self.root.joinpath(*self.parts)

    def place(self, name: str) -> None:
        """Make the folder visible as ``name`` below its parents, durably, or not at all."""
        with explained(self.root.joinpath(*self.parents, name)):
            for attempt in range(_ATTEMPTS):
                try:
                    self._put(name)
                    return
                except FileNotFoundError:  # a neighbour removed a parent, which it found empty
                    if attempt == _ATTEMPTS - 1 or not self.root.is_dir():
                        raise

    def _put(self, name: str) -> None:
        there = make_folders(self.root, self.parents)
        try:
            self._move(name)
        except BaseException:
            remove_empty_folders(self.root, self.parents, keep=there)
            raise

    def _move(self, name: str) -> None:
        with open_folder(self.root, (self.area,)) as source, open_folder(self.root, self.parents) as target:
            if name in entries_of(target):  # rename would replace an empty folder
                raise FileExistsError(errno.EEXIST, "there is something of that name", name)
            with open_folder(self.root, self.parts) as staged:
                sync_folder(staged)
            os.rename(self.token, name, src_dir_fd=source, dst_dir_fd=target)
            try:
                sync_folder(target)
                sync_folder(source)
            except BaseException:
                os.rename(name, self.token, src_dir_fd=target, dst_dir_fd=source)
                raise

    def discard(self) -> None:
        """Remove what is left in the staging area; nothing is after ``place``."""
        with explained(self.path):
            try:
                with open_folder(self.root, (self.area,)) as folder:
                    remove_tree(self.token, folder)
            except FileNotFoundError:
                return
            remove_empty_folders(self.root, (self.area,), keep=0)


def reserve(root: Path, parents: tuple[str, ...], at: datetime, *, area: str = STAGING) -> Staged:
    """Take the first free timestamp from ``at`` on and begin a folder for it.

    Free means: no entry below ``parents`` begins with it, and nobody else has it reserved.
    """
    with explained(root / area):
        while True:
            staged = Staged(root, parents, format_timestamp(at), area)
            if _claim(staged):
                # only now: between a look and a claim a neighbour could finish with this timestamp
                if staged.timestamp not in {name[:_STAMP_LENGTH] for name in names_in(root, parents)}:
                    return staged
                staged.discard()
            at += timedelta(seconds=1)


def _claim(staged: Staged) -> bool:
    for _ in range(_ATTEMPTS):
        try:
            make_folders(staged.root, (staged.area,))
            with open_folder(staged.root, (staged.area,)) as folder:
                make_folder(staged.token, folder)
            return True
        except FileExistsError:
            return False
        except FileNotFoundError:  # a neighbour removed the staging area it found empty
            if not staged.root.is_dir():
                raise
    raise RepositoryError(f"{staged.root / staged.area} vanishes again and again")


def retire(root: Path, parents: tuple[str, ...], name: str) -> None:
    """Remove a folder: out of sight in one step, then its content. Fine if there is none."""
    trash = f"{TRASH}{secrets.token_hex(8)}"
    with explained(root.joinpath(*parents, name)):
        if name not in names_in(root, parents):
            return
        with open_folder(root) as top, open_folder(root, parents) as folder:
            if not is_folder(name, folder):
                return
            os.rename(name, trash, src_dir_fd=folder, dst_dir_fd=top)
            sync_folder(folder)
            sync_folder(top)
            remove_tree(trash, top)
        remove_empty_folders(root, parents, keep=1)


def sweep(root: Path, *, of_readers: bool) -> None:
    """Remove what killed runs left. Only for the writer.

    Args:
        of_readers: what may be a reader's as well; only where nobody reads.
    """
    with explained(root), open_folder(root) as folder:
        for name in sorted(entries_of(folder)):
            if _is_of_writer(name) or (of_readers and _is_unfinished(name)):
                remove_tree(name, folder)


def has_unfinished(root: Path) -> bool:
    """Whether there is something to sweep, or somebody at work."""
    with explained(root):
        return any(map(_is_unfinished, names_in(root)))


def _is_unfinished(name: str) -> bool:
    return _is_of_writer(name) or name.startswith(ASIDE)


def _is_of_writer(name: str) -> bool:
    return name == STAGING or name.startswith(TRASH)
