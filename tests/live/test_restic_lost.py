"""A new backup in a restic repository relies on nothing that was lost: it can be read, or does not count."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import frozen

from incusbak.errors import Corrupt
from incusbak.model.notes import Inspection
from incusbak.model.refs import BackupId
from incusbak.model.results import StepEvent
from incusbak.ports import Repository
from incusbak.repositories import Caller, open_repository
from tests.contract.conftest import content
from tests.live.support import remotes
from tests.live.support.restic import PASSWORD, VERSIONS, Restic, folder_of
from tests.live.thinning import some
from tests.samples import ARCHIVE, MOMENT, WEB, manifest_of, store

DATA = os.urandom(3 << 20)
Damage = Callable[[Restic], None]


def ignore(event: StepEvent) -> None:
    """Take no note."""


@frozen
class Scene:
    """A repository with one good backup of ``DATA``; ``open`` is another run."""

    restic: Restic
    open: Callable[[], Repository]
    first: BackupId


@pytest.fixture(
    params=some([(version, place) for version in VERSIONS for place in ("local", "rest")], 3), ids="-".join
)
def scene(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    restic_template: Callable[[str], Restic],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    version, where = request.param
    restic = Restic(tmp_path / "served" / "repository", version)
    shutil.copytree(restic_template(version).folder, restic.folder)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder_of(version)), os.environ["PATH"]]))
    monkeypatch.setenv("RESTIC_PASSWORD", PASSWORD)
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(tmp_path / "cache"))
    with ExitStack() as stack:
        place = str(restic.folder)
        if where == "rest":
            port = stack.enter_context(remotes.rest(restic.folder.parent))
            place = f"rest:http://127.0.0.1:{port}/repository/"

        def another() -> Repository:
            return open_repository(f"restic:{place}", Caller("", tmp_path / "state"))

        yield Scene(restic, another, back_up(another(), 0)[0])


def back_up(repository: Repository, day: int) -> tuple[BackupId, str]:
    """Store the same data once more, as a run of its own; also tells what was said of it."""
    with (
        repository.lock(writing=True),
        repository.new_backup(WEB, MOMENT + timedelta(days=day)) as writer,
    ):
        with writer.file(ARCHIVE) as file:
            file.write(DATA)
        writer.commit(manifest_of(writer.id, writer.files))
        return writer.id, writer.remark


def lose_a_pack(restic: Restic) -> None:
    restic.largest_pack().unlink()


def cut_a_pack(restic: Restic) -> None:
    restic.largest_pack().chmod(0o600)
    os.truncate(restic.largest_pack(), 1 << 20)


def lengthen_a_pack(restic: Restic) -> None:
    restic.largest_pack().chmod(0o600)
    with restic.largest_pack().open("ab") as pack:
        pack.write(b"more")


def lose_the_index(restic: Restic) -> None:
    for path in (restic.folder / "index").iterdir():
        path.unlink()


def garble_the_index(restic: Restic) -> None:
    for path in (restic.folder / "index").iterdir():
        path.chmod(0o600)
        path.write_bytes(b"garbage" * 20)


def flip_a_bit(restic: Restic) -> None:
    pack = restic.largest_pack()
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("damage", [lose_a_pack, cut_a_pack, lengthen_a_pack])
def test_what_a_listing_shows_to_be_lost_is_stored_anew(scene: Scene, damage: Damage) -> None:
    damage(scene.restic)

    made, remark = back_up(scene.open(), 1)
    after, nothing_more = back_up(scene.open(), 2)

    assert content(scene.open(), made) == content(scene.open(), after) == DATA
    assert ("the repository had lost data (pack" in remark, nothing_more) == (True, "")


@pytest.mark.parametrize("damage", [lose_the_index, garble_the_index])
def test_a_backup_beside_an_index_that_is_lost_comes_back(scene: Scene, damage: Damage) -> None:
    damage(scene.restic)
    repository = scene.open()

    made, _ = back_up(repository, 1)

    assert content(scene.open(), made) == DATA


def test_once_bytes_are_known_to_have_changed_no_new_backup_counts_unread(scene: Scene) -> None:
    """A listing does not tell; what ``verify`` noted does, until the pack is out of use."""
    flip_a_bit(scene.restic)
    with pytest.raises(Corrupt):
        scene.open().check(scene.first, ignore)
    scene.open().note(Inspection(scene.first, MOMENT, "changed"))

    with pytest.raises(Corrupt, match=r"export\.tar\.zst.*shares that with earlier backups") as refused:
        back_up(scene.open(), 1)

    assert "restic repair packs" in refused.value.hint
    assert scene.open().catalog().of(WEB) == (scene.first,)
    scene.restic.largest_pack().unlink()  # as the hint says for a restic that can't do it by itself
    made, remark = back_up(scene.open(), 2)
    assert content(scene.open(), made) == DATA
    assert "read again before it counted" in remark


def test_new_backups_mend_an_old_one_that_shares_what_they_store_anew(scene: Scene) -> None:
    lose_a_pack(scene.restic)
    back_up(scene.open(), 1)

    scene.open().check(scene.first, ignore)


@pytest.mark.parametrize("is_mended", [False, True])
def test_that_data_is_lost_keeps_nobody_from_removing_other_backups(scene: Scene, is_mended: bool) -> None:
    repository = scene.open()
    with repository.lock(writing=True):
        other = store(repository, at=MOMENT + timedelta(days=5), data=b"small")
    lose_a_pack(scene.restic)
    repository = scene.open()
    with repository.lock(writing=True):
        if is_mended:
            store(repository, at=MOMENT + timedelta(days=6), data=b"another")
        repository.remove(other, MOMENT)
        repository.purge(other)

    assert (other in scene.open().catalog().of(WEB), scene.open().catalog().removed) == (False, {})


def test_a_run_looks_once_however_many_backups_it_makes(scene: Scene) -> None:
    lose_a_pack(scene.restic)
    repository = scene.open()

    with repository.lock(writing=True):
        remarks = []
        for hour in range(1, 3):
            with repository.new_backup(WEB, MOMENT + timedelta(hours=hour)) as writer:
                remarks.append(writer.remark)

    assert [bool(remark) for remark in remarks] == [True, False]
