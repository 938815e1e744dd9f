"""Start the tool as a process of its own that finds everything imported, which is most of a short run.

One server of multiprocessing's for each pytest process has imported the whole tool, and forks.
"""

import faulthandler
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

from incusbak.__main__ import main

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.live.preloaded"])


def nothing() -> None:
    """Nothing is to be done before the tool runs."""


class Forked:
    """What tests of the tool need of ``subprocess.Popen``; there is no terminal, output is kept in files.

    Args:
        before: called in the new process; what pickle can carry.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        before: Callable[[], None] = nothing,
    ) -> None:
        self.args = ["incus-backup", *arguments]
        self._out, self._err = _in_memory("out"), _in_memory("err")
        passed = _Passed(self._out), _Passed(self._err)
        self._process = _SERVER.Process(target=_become, args=(self.args, dict(env), cwd, passed, before))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Raises AssertionError when the time is up: with what was said, and where each thread was."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            self.send_signal(signal.SIGUSR1)
            self._process.join(1)
            self.kill()
            raise AssertionError(f"{self.args}: not within {timeout} s\n{_read(self._err)}")
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        return _read(self._out), _read(self._err)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _in_memory(name: str) -> IO[bytes]:
    return os.fdopen(os.memfd_create(name), "w+b")


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


class _Passed:
    """A file of which the new process gets a descriptor."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return _detached, (DupFd(self._file.fileno()),)


def _detached(passed: Any) -> int:
    return int(passed.detach())


def _become(
    argv: list[str], env: dict[str, str], cwd: Path, output: tuple[int, int], before: Callable[[], None]
) -> None:
    """Be the tool, in the new process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate((os.open(os.devnull, os.O_RDONLY), *output)):
        os.dup2(stream, number)
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = argv
    before()
    main()
