"""What a directory repository does when the process, the disk or the neighbour gets in the way."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from incusbak.errors import RepositoryError, RepositoryLocked
from incusbak.model.notes import Inspection
from incusbak.model.refs import instance_ref
from incusbak.repositories.directory.notes import Notes
from incusbak.repositories.directory.repository import DirectoryRepository
from tests.killing import killed_at_each_touch
from tests.samples import ARCHIVE, MOMENT, WEB, manifest_of, report_at, store

DB = instance_ref("default", "db")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "repository"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let us mount a file system")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob(".*") if path.name not in (".lock", ".reading"))


# -- killed -----------------------------------------------------------------------------------------


def test_a_first_backup_killed_anywhere_is_whole_or_not_there(tmp_path: Path) -> None:
    def make_backup(number: int) -> None:
        repository = DirectoryRepository(tmp_path / str(number))
        with repository.lock(writing=True):
            store(repository)

    for number in killed_at_each_touch(make_backup):
        repository = DirectoryRepository(tmp_path / str(number))
        for backup in repository.catalog().of(WEB):
            repository.check(backup, lambda _: None)
        with repository.lock(writing=True):
            assert leftovers(tmp_path / str(number)) == []
            repository.check(store(repository), lambda _: None)

    assert number > 40


def test_a_backup_killed_anywhere_leaves_the_others_alone(root: Path) -> None:
    other = store(DirectoryRepository(root), DB)

    def make_backup(_: int) -> None:
        repository = DirectoryRepository(root)
        with repository.lock(writing=True):
            store(repository)

    for _ in killed_at_each_touch(make_backup):
        repository = DirectoryRepository(root)
        assert repository.catalog().of(DB) == (other,)
        for backup in repository.catalog().of(WEB):
            repository.check(backup, lambda _: None)
            repository.remove(backup, MOMENT)


def test_what_is_purged_or_taken_back_when_killed_is_whole_or_gone(root: Path) -> None:
    repository = DirectoryRepository(root)
    kept, backup = store(repository), store(repository)
    repository.note(Inspection(backup, MOMENT))
    repository.remove(backup, MOMENT)

    def take_back_and_remove(_: int) -> None:
        there = DirectoryRepository(root)
        there.undelete(backup)
        there.remove(backup, MOMENT)

    for _ in killed_at_each_touch(take_back_and_remove):
        catalog = repository.catalog()
        if backup in catalog.of(WEB):
            repository.check(backup, lambda _: None)
            repository.remove(backup, MOMENT)
        assert backup in repository.catalog().removed
        assert kept in repository.catalog().of(WEB)

    for _ in killed_at_each_touch(lambda _: DirectoryRepository(root).purge(backup)):
        if backup in repository.catalog().removed:  # then it can be taken back, whole
            repository.undelete(backup)
            repository.check(backup, lambda _: None)
            repository.remove(backup, MOMENT)
        with repository.lock(writing=True):
            assert leftovers(root) == []
    assert repository.catalog().of(WEB) == (kept,)


def test_a_removal_killed_anywhere_is_done_or_not_begun(root: Path) -> None:
    repository = DirectoryRepository(root)
    kept = store(repository)
    backup = store(repository)

    for _ in killed_at_each_touch(lambda _: DirectoryRepository(root).remove(backup, MOMENT)):
        for left in repository.catalog().of(WEB):
            repository.check(left, lambda _: None)
        assert kept in repository.catalog().of(WEB)
        with repository.lock(writing=True):
            assert leftovers(root) == []

    assert repository.catalog().of(WEB) == (kept,)


def test_a_run_report_killed_anywhere_is_whole_or_not_there(root: Path) -> None:
    store(DirectoryRepository(root))

    def record(number: int) -> None:
        DirectoryRepository(root).record(report_at(MOMENT + timedelta(hours=number)), "{}\n", [])

    for _ in killed_at_each_touch(record):
        for run in root.glob("runs/*"):
            assert sorted(path.name for path in run.iterdir()) == ["plan.json", "report.json"]


def test_a_note_killed_anywhere_is_whole_or_not_there(root: Path) -> None:
    repository = DirectoryRepository(root)
    backup = store(repository)

    for _ in killed_at_each_touch(lambda _: DirectoryRepository(root).note(Inspection(backup, MOMENT))):
        with repository.lock(writing=True):
            assert leftovers(root) == []
        names = [path.name for path in root.glob("notes/**/*") if path.is_file()]
        assert len(names) == len(repository.notes(backup))

    assert names


def test_a_killed_holder_frees_the_lock(root: Path) -> None:
    for _ in killed_at_each_touch(lambda _: hold_and_leave(root)):
        with DirectoryRepository(root).lock(writing=True):
            pass


def hold_and_leave(root: Path) -> None:
    with DirectoryRepository(root).lock(writing=True):
        pass


# -- full and read-only disks -----------------------------------------------------------------------


def test_a_full_disk_fails_the_backup_and_leaves_nothing_of_it(small_disk: Path) -> None:
    repository = DirectoryRepository(small_disk)
    kept = store(repository)

    with pytest.raises(RepositoryError, match=f"no space left on {small_disk}"):
        store(repository, DB, data=bytes(2 * 1024 * 1024))

    assert leftovers(small_disk) == []
    assert repository.catalog().backups == {WEB: (kept,)}
    assert store(repository, DB).ref == DB


def test_a_disk_that_fills_up_at_the_end_fails_the_commit(small_disk: Path) -> None:
    repository = DirectoryRepository(small_disk)
    store(repository)

    with repository.new_backup(DB, MOMENT) as writer:
        with writer.file(ARCHIVE) as file:
            file.write(b"archive")
        fill(small_disk / "metadata.json")
        with pytest.raises(RepositoryError, match="no space left on"):
            writer.commit(manifest_of(writer.id, writer.files))

    assert leftovers(small_disk) == []
    assert list(repository.catalog().backups) == [WEB]


def test_a_full_disk_keeps_nobody_from_making_room(small_disk: Path) -> None:
    repository = DirectoryRepository(small_disk)
    backup = store(repository)
    with repository.lock(writing=True):
        fill(small_disk / "metadata.json")

    with repository.lock(writing=True), repository.exclusive(lambda: None):
        repository.remove(backup, MOMENT)
        repository.purge(backup)
    assert repository.catalog().backups == {}


def fill(path: Path) -> None:
    """Let a file grow with blanks until the disk is full."""
    with path.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b" " * 4096)
        except OSError:
            return


def test_a_read_only_repository_can_be_read(small_disk: Path) -> None:
    repository = DirectoryRepository(small_disk)
    backup = store(repository)
    remount(small_disk, "ro")

    with repository.lock(writing=False):
        repository.check(backup, lambda _: None)


def test_a_read_only_repository_with_a_lock_file_can_be_held_by_readers(small_disk: Path) -> None:
    repository = DirectoryRepository(small_disk)
    with repository.lock(writing=True):
        backup = store(repository)
    remount(small_disk, "ro")

    with repository.lock(writing=False), repository.lock(writing=False):
        repository.check(backup, lambda _: None)


def test_a_read_only_repository_refuses_writers(small_disk: Path) -> None:
    repository = DirectoryRepository(small_disk)
    backup = store(repository)
    remount(small_disk, "ro")

    for attempt in (
        lambda: hold_and_leave(small_disk),
        lambda: store(repository),
        lambda: repository.remove(backup, MOMENT),
        lambda: repository.record(report_at(MOMENT), "{}\n", []),
    ):
        with pytest.raises(RepositoryError, match=f"{small_disk}.* is read-only"):
            attempt()


def test_an_empty_read_only_disk_holds_an_empty_catalog(small_disk: Path) -> None:
    remount(small_disk, "ro")
    repository = DirectoryRepository(small_disk)

    assert repository.catalog().backups == {}
    with pytest.raises(RepositoryError, match="is read-only"):
        store(repository)


# -- neighbours -------------------------------------------------------------------------------------

HOLDER = """
import sys
from datetime import timedelta
from pathlib import Path
from incusbak.repositories.directory.repository import DirectoryRepository
from incusbak.repositories.directory.notes import Notes
with DirectoryRepository(Path(sys.argv[1]), command="incus-backup backup all").lock(writing=True):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_held_by_another_process_says_who_holds_it(root: Path, holder: subprocess.Popen[str]) -> None:
    message = rf"{root} is locked: `incus-backup backup all` \(pid {holder.pid} on .+\) holds it since 20"

    with (
        pytest.raises(RepositoryLocked, match=message),
        DirectoryRepository(root).lock(writing=True),
    ):
        pass


def test_the_lock_of_a_killed_process_is_free(root: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()

    with DirectoryRepository(root).lock(writing=True):
        pass


def test_nobody_is_taken_for_one_who_was_killed(root: Path, holder: subprocess.Popen[str]) -> None:
    """As if it was killed while it kept readers out."""
    repository = DirectoryRepository(root)
    store(repository)
    holder.kill()
    holder.wait()
    (root / ".lock").rename(root / ".reading")

    with (
        repository.lock(writing=True),
        repository.lock(writing=False),
        pytest.raises(RepositoryLocked, match="another run is using it"),
        repository.exclusive(lambda: None),
    ):
        pass


def test_the_lock_of_writers_removes_what_killed_writers_left(root: Path) -> None:
    repository = DirectoryRepository(root)
    store(repository)
    for name in (".staging/0123", ".trash-0123/files"):
        (root / name).mkdir(parents=True)
    (root / ".new-0123").touch()

    with repository.lock(writing=True):
        assert leftovers(root) == []


def test_a_writer_leaves_alone_what_a_reader_may_be_writing(root: Path) -> None:
    repository = DirectoryRepository(root)
    store(repository)
    with repository.lock(writing=False):
        for name in (".staging/0123", ".trash-0123/files", ".new-runs/0123"):
            (root / name).mkdir(parents=True)
        with repository.lock(writing=True):
            assert leftovers(root) == [".new-runs"]
    with repository.lock(writing=True):
        assert leftovers(root) == []


def test_no_note_is_lost_beside_one_who_removes_others(root: Path) -> None:
    repository = DirectoryRepository(root)
    backup = store(repository)
    done = threading.Event()

    def pin_and_unpin() -> None:
        while not done.is_set():
            repository.pin(backup, pinned=True)
            repository.pin(backup, pinned=False)

    neighbour = threading.Thread(target=pin_and_unpin)
    neighbour.start()
    try:
        for _ in range(50):
            repository.note(Inspection(backup, MOMENT))
            assert len(repository.notes(backup)) == 1
            Notes(root).forget(backup)
    finally:
        done.set()
        neighbour.join()


def test_the_lock_of_readers_removes_what_killed_writers_left_if_nobody_is_at_work(root: Path) -> None:
    repository = DirectoryRepository(root)
    store(repository)
    (root / ".staging").mkdir()

    with repository.lock(writing=False):
        assert leftovers(root) == []
        (root / ".staging").mkdir()
        with DirectoryRepository(root).lock(writing=False):
            assert leftovers(root) == [".staging"]
