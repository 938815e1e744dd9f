"""What is taken for waste in a restic repository, and forgotten."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest
from attrs import define, field

from incusbak.model.refs import BackupId
from incusbak.repositories.restic.content import Content
from incusbak.repositories.restic.holding import Hold
from incusbak.repositories.restic.index import Index
from incusbak.repositories.restic.places import Place
from incusbak.repositories.restic.snapshots import Shelf, Snapshot
from incusbak.repositories.restic.store import Store
from incusbak.repositories.restic.tidying import Tidier
from tests.samples import MOMENT, WEB

BACKUP = BackupId(WEB, "20260301T123000Z")


def snapshot(number: int, type_: str, token: str = "") -> Snapshot:
    tags = (
        ("type", type_),
        ("backup", BACKUP.address),
        ("token", token),
        ("machine", "here"),
        ("repository", "r"),
    )
    return Snapshot(f"{number:064x}", MOMENT, tags)


@define
class Listed:
    """Stands for a ``Store``: what is there by now, which is not always what was listed last."""

    shelf: Shelf
    machine: str = "here"
    place: Place = field(factory=lambda: Place("rest:http://host/"))
    prunes: int = 0

    def list(self, *, heed_locks: bool = False) -> Shelf:
        return self.shelf

    def forget(self, ids: Iterable[str], *, waits: bool) -> None:
        self.shelf = self.shelf.without(frozenset(ids))

    def prune(self) -> None:
        self.prunes += 1


METADATA, ARCHIVE, MANIFEST = snapshot(1, "metadata"), snapshot(2, "file", "a"), snapshot(3, "manifest", "a")


@pytest.fixture
def listed() -> Listed:
    return Listed(Shelf((METADATA,)))


@pytest.fixture
def content(listed: Listed) -> Content:
    content = Content(cast(Store, listed))
    content.now()
    return content


@pytest.fixture
def tidier(listed: Listed, content: Content, tmp_path: Path) -> Tidier:
    store = cast(Store, listed)
    hold = Hold(tmp_path, "name", uri="restic:name", command="")
    return Tidier(store, content, hold, Index(store, content))


def store(listed: Listed, content: Content, snapshot: Snapshot) -> None:
    listed.shelf = listed.shelf.with_one(snapshot)
    content.add(snapshot)


def test_what_an_attempt_left_is_forgotten_and_its_room_given_back(
    listed: Listed, content: Content, tidier: Tidier
) -> None:
    content.hold()
    with tidier.tidied():
        store(listed, content, ARCHIVE)
        tidier.abandon("a")
    assert (listed.shelf.all, listed.prunes) == ((METADATA,), 1)


def test_alone_it_is_forgotten_at_once(listed: Listed, content: Content, tidier: Tidier) -> None:
    store(listed, content, ARCHIVE)
    tidier.abandon("a")
    assert listed.shelf.all == (METADATA,)


@pytest.mark.parametrize("is_held", [True, False])
def test_what_failed_and_is_committed_all_the_same_keeps_its_files(
    listed: Listed, content: Content, tidier: Tidier, *, is_held: bool
) -> None:
    """The connection may break right after the last snapshot was saved."""
    if is_held:
        content.hold()
        content.now()
    with tidier.tidied():
        store(listed, content, ARCHIVE)
        listed.shelf = listed.shelf.with_one(MANIFEST)
        tidier.abandon("a")
    assert listed.shelf.all == (METADATA, ARCHIVE, MANIFEST)
