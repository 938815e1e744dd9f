"""This machine's journal: what its runs are about to make on a server that must not outlive them.

``<root>/<server>/<run>/<record>.json``, one folder per run. A live run holds ``flock`` on the ``lock`` file
in its folder; the kernel frees it however the run ends, and what is still recorded there then is a leftover.
How far a run got is there as well (``course_file``), and keeps the folder until it is forgotten, or too old.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from .course_file import COURSE, add_entry, read_course, write_course
from .durable import (
    create_file,
    entries_of,
    explained,
    make_folder,
    make_path,
    names_in,
    open_folder,
    open_regular,
    read_file,
    remove_tree,
    replace_file,
    sync_folder,
)
from .errors import RepositoryError
from .model.courses import Course, Entry, lasting
from .model.records import Quarantined, Record
from .model.refs import unsafe_reason
from .record_file import JournalEntry, Quarantine, file_name, is_record, read_record, write_record

_LOCK = "lock"


def default_root(environ: Mapping[str, str] = os.environ) -> Path:
    """Where this user's journals are."""
    if chosen := environ.get("INCUS_BACKUP_STATE_DIR"):
        return Path(chosen).expanduser().absolute()
    state_home = environ.get("XDG_STATE_HOME", "")
    if not state_home.startswith("/"):  # the XDG standard wants relative ones ignored
        state_home = "~/.local/state"
    return Path(state_home).expanduser() / "incus-backup"


class StateJournal:
    """The journal of one run on one server; the contract is ``ports.Journal``.

    Nothing is made on disk before the first record. Close it, or use it as a context manager; records that
    are still there then are leftovers for the next run.
    """

    def __init__(self, root: Path, server_fingerprint: str) -> None:
        short = server_fingerprint[:16]
        if reason := unsafe_reason(short):
            raise RepositoryError(f"{server_fingerprint!r} is not a server's fingerprint: {reason}")
        self._root = root / short
        self._run = ""
        self._lock = -1
        self._taken: set[str] = set()
        self._opening = threading.Lock()
        self._noting = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, record: Record) -> None:
        self._write(record, None)

    def _write(self, record: Record, quarantine: Quarantine | None) -> None:
        name = file_name(record.id)
        data = write_record(record, quarantine)
        with explained(self._root):
            run = self._run_of(name) or self._begin()
            with open_folder(self._root, (run,)) as folder:
                replace_file(name, data, folder)

    def remove(self, record_id: str) -> None:
        name = file_name(record_id)
        with explained(self._root):
            run = self._run_of(name)
            if not run:
                return
            with open_folder(self._root, (run,)) as folder:
                remove_tree(name, folder)
                sync_folder(folder)
            if run != self._run:
                self._tidy(run)

    def leftovers(self) -> tuple[Record, ...]:
        return tuple(entry.record for entry in self._left() if entry.quarantine is None)

    def quarantine(self, found: Quarantined) -> None:
        self._write(found.record, Quarantine(found.why, found.hint, found.since, found.remains))

    def quarantined(self) -> tuple[Quarantined, ...]:
        return tuple(
            Quarantined(entry.record, why.why, why.hint, why.since, why.remains)
            for entry in self._left()
            if (why := entry.quarantine)
        )

    def _left(self) -> list[JournalEntry]:
        with explained(self._root):
            found = [entry for run in self._dead_runs() for entry in self._entries(run)]
            if self._run:
                found += [each for each in self._entries(self._run) if each.record.id in self._taken]
        return sorted(found, key=lambda entry: entry.record.id)

    def take_over(self, record_id: str) -> Record | None:
        name = file_name(record_id)
        with explained(self._root):
            run = self._run_of(name)
            if run and run != self._run:
                self._taken.add(record_id)
                self._move(name, run, self._begin())
                self._tidy(run)
        return next((entry.record for entry in self._left() if entry.record.id == record_id), None)

    def begin(self, course: Course) -> None:
        with explained(self._root), open_folder(self._root, (self._begin(),)) as folder:
            write_course(course, folder)

    def note(self, entry: Entry) -> None:
        with explained(self._root), self._noting:
            own = self._run if self._run and COURSE in names_in(self._root, (self._run,)) else ""
            for run in [own] if own else [run for run in self._dead_runs() if self._course_of(run)]:
                with suppress(FileNotFoundError), open_folder(self._root, (run,)) as folder:
                    add_entry(entry, folder)

    def unfinished(self) -> tuple[Course, ...]:
        with explained(self._root):
            found = [course for run in self._dead_runs() if (course := self._course_of(run))]
        return tuple(sorted(found, key=lambda course: (course.started, course.id)))

    def forget(self, course_id: str) -> None:
        with explained(self._root):
            for run in [*([self._run] if self._run else []), *self._dead_runs()]:
                course = self._course_of(run)
                if course is None or course.id != course_id:
                    continue
                with suppress(FileNotFoundError), open_folder(self._root, (run,)) as folder:
                    remove_tree(COURSE, folder)
                    sync_folder(folder)
                if run != self._run:
                    self._tidy(run)

    def _course_of(self, run: str) -> Course | None:
        """Read how far a run got, unless that is long ago."""
        with suppress(FileNotFoundError), open_folder(self._root, (run,)) as folder:
            course = read_course(folder)
            return next(lasting([course] if course else [], datetime.now(UTC)), None)
        return None

    def close(self) -> None:
        """Let go of the run; without records nothing of it remains. A later write begins another."""
        with self._opening:
            if not self._run:
                return
            with explained(self._root):
                self._tidy(self._run)
            os.close(self._lock)
            self._run, self._lock = "", -1
            self._taken.clear()

    def _begin(self) -> str:
        """Make this run's folder; it gets its name once the lock is held, so it never looks dead."""
        with self._opening:
            if self._run:
                return self._run
            make_path(self._root)
            for dead in self._dead_runs():  # killed before its first record, or after its last
                self._tidy(dead)
            run = secrets.token_hex(16)
            self._lock = self._make_run(run)
            self._run = run
            return run

    def _make_run(self, run: str) -> int:
        hidden, lock = f".{run}", -1
        with open_folder(self._root) as root:
            try:
                make_folder(hidden, root)
                with open_folder(self._root, (hidden,)) as folder:
                    lock = create_file(_LOCK, folder)
                fcntl.flock(lock, fcntl.LOCK_EX)
                os.rename(hidden, run, src_dir_fd=root, dst_dir_fd=root)
                sync_folder(root)
            except BaseException:
                remove_tree(hidden, root)
                if lock >= 0:
                    os.close(lock)
                raise
        return lock

    def _move(self, name: str, run: str, to: str) -> None:
        """Move a record in one step; fine if another run was faster."""
        with (
            suppress(FileNotFoundError),
            open_folder(self._root, (run,)) as source,
            open_folder(self._root, (to,)) as target,
        ):
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
            sync_folder(target)
            sync_folder(source)

    def _run_of(self, name: str) -> str:
        """Find the run folder a record lies in: ours, or one of the dead."""
        candidates = (*([self._run] if self._run else []), *self._dead_runs())
        return next((run for run in candidates if name in names_in(self._root, (run,))), "")

    def _dead_runs(self) -> Iterator[str]:
        for run in sorted(names_in(self._root)):
            if not unsafe_reason(run) and self._is_dead(run):
                yield run

    def _is_dead(self, run: str) -> bool:
        try:
            with _opened(self._root, run) as lock:
                # shared, so that two who ask at once don't take each other for the run itself
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return True
        except FileNotFoundError:  # its lock is removed before its folder
            return True
        except NotADirectoryError:
            return False
        except BlockingIOError:
            return False

    def _entries(self, run: str) -> Iterator[JournalEntry]:
        for name in sorted(names_in(self._root, (run,))):
            if is_record(name):
                try:
                    with open_folder(self._root, (run,)) as folder:
                        data = read_file(name, folder)
                except FileNotFoundError:  # somebody else has just dealt with it
                    continue
                yield read_record(data, self._root / run / name)

    def _tidy(self, run: str) -> None:
        """Remove a run's folder once it holds nothing that matters; fine if another run is faster."""
        with (
            suppress(FileNotFoundError),
            open_folder(self._root) as root,
            open_folder(self._root, (run,)) as folder,
        ):
            names = entries_of(folder)
            has_records = any(is_record(name) for name in names)
            if not has_records and self._course_of(run) is None:
                for name in names:
                    remove_tree(name, folder)
                os.rmdir(run, dir_fd=root)


@contextmanager
def _opened(root: Path, run: str) -> Iterator[int]:
    with open_folder(root, (run,)) as folder:
        lock = open_regular(_LOCK, folder)
    try:
        yield lock
    finally:
        os.close(lock)
