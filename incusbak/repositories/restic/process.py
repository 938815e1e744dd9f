"""Run the restic binary: small answers, streams into it, streams out of it."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import IO

from attrs import frozen

from ...errors import RepositoryError
from .failures import explain, gave_up, is_pointless

_OLDEST = (0, 14)
_KEPT_LINES = 60
_PIPE_BYTES = 1 << 20
_NOTICE_SECONDS, _END_SECONDS = 3.0, 10.0
Secrets = Callable[[str, tuple[int, int]], Mapping[str, str]]
"""The variables to run restic with, beside those there are, given the place and restic's version."""


@cache
def find_restic(search: str) -> tuple[str, tuple[int, int]]:
    """Find the binary in these folders, and its version.

    Raises:
        RepositoryError: there is none, or it is too old.
    """
    binary = shutil.which("restic", path=search)
    if binary is None:
        raise RepositoryError(
            "the program restic is not installed", hint="`apt install restic`, or put it into PATH"
        )
    said = subprocess.run([binary, "version"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    words = said.stdout.decode(errors="replace").strip()
    found = re.match(r"restic v?(\d+)\.(\d+)", words)
    if not found:
        raise RepositoryError(f"{binary} is not restic: it says {words[:80]!r}")
    version = int(found[1]), int(found[2])
    if version < _OLDEST:
        raise RepositoryError(f"{binary} is restic {found[1]}.{found[2]}", hint="0.14 or newer is needed")
    return binary, version


class Restic:
    """One repository, as the restic binary sees it.

    Args:
        place: the repository in restic's words, without any password.
        secrets: gives the environment variables that must not be seen anywhere else.
        patience_seconds: how long restic may try again and again; it would for a quarter of an hour.
    """

    def __init__(self, place: str, secrets: Secrets, *, patience_seconds: float) -> None:
        self.place = place
        self._patience_seconds = patience_seconds
        self._secrets = secrets

    @property
    def version(self) -> tuple[int, int]:
        return find_restic(_search())[1]

    def run(self, *arguments: str) -> bytes:
        """Run a command and return what it writes."""
        with self._started(arguments) as running:
            out = running.output.read()
            running.finish()
        return out

    def until(self, mark: bytes, *arguments: str) -> tuple[tuple[str, ...], RepositoryError | None]:
        """Run a command that changes nothing until it writes a line that begins so, then kill it.

        Asked to end it would stop the hard way as well, and some versions never do.

        Returns:
            What it complained of, and how it failed if it did so before.
        """
        with self._started(arguments) as running:
            if any(line.startswith(mark) for line in running.output):
                running.kill()
                return tuple(running.lines), None
            try:
                running.finish()
            except RepositoryError as error:
                return tuple(running.lines), error
            return tuple(running.lines), None

    @contextmanager
    def feed(self, *arguments: str) -> Iterator["Feed"]:
        """Run a command that reads; when the body fails, it ends without having saved anything."""
        with self._started(arguments, feeding=True) as running:
            yield Feed(running)
            running.finish()

    @contextmanager
    def stream(self, *arguments: str) -> Iterator["Stream"]:
        """Run a command that writes; when the body leaves early, it is stopped."""
        with self._started(arguments) as running:
            yield Stream(running)

    @contextmanager
    def _started(self, arguments: tuple[str, ...], *, feeding: bool = False) -> Iterator["_Running"]:
        binary, version = find_restic(_search())
        hidden = ("RESTIC_REPOSITORY_FILE", "RESTIC_REPOSITORY")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment |= {"RESTIC_REPOSITORY": self.place, "RESTIC_PROGRESS_FPS": "0.1"}
        environment |= self._secrets(self.place, version)
        command = [*_dying_with_us(), binary, *arguments]
        what = _Call(self.place, arguments[0], self._patience_seconds, feeding)
        running = _Running(command, environment, what)
        try:
            yield running
        finally:
            running.stop()


def _search() -> str:
    return os.environ.get("PATH", os.defpath)


class Feed:
    """The input of a running restic; what it said is there once it has read all of it."""

    def __init__(self, running: "_Running") -> None:
        self._running = running

    def write(self, data: bytes, /) -> int:
        try:
            self._running.input.write(data)
        except BrokenPipeError:
            self._running.finish()
            raise RepositoryError("restic ended before it had read everything") from None
        return len(data)

    @property
    def said(self) -> tuple[str, ...]:
        return tuple(self._running.lines)


class Stream:
    """The output of a running restic."""

    def __init__(self, running: "_Running") -> None:
        self._running = running

    def read(self, size: int) -> bytes:
        """Read that much, less only at the end; there it is an error if restic failed."""
        data = self._running.output.read(size)
        if len(data) < size:
            self._running.finish()
        return data


@cache
def _dying_with_us() -> tuple[str, ...]:
    """Have the kernel kill the child when this process is killed, where there is a program for that.

    Python's own way to run code between fork and exec is not safe beside other threads.
    """
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


@frozen
class _Call:
    """One run of restic, for those who wait for it and for messages. ``feeding``: it reads what we write."""

    place: str
    operation: str
    patience_seconds: float
    feeding: bool


class _Running:
    """One process. What it writes beside its output is read all the time, so that it never waits for us."""

    def __init__(self, command: list[str], environment: Mapping[str, str], call: _Call) -> None:
        self._call = call
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._noticed = threading.Event()
        self._impatient: threading.Timer | None = None
        self._gave_up = False
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE if call.feeding else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if call.feeding else subprocess.PIPE,
            process_group=0,  # a Ctrl-C is for us: we stop it when and how that is right
        )
        _widen(self._process.stdin, self._process.stdout)
        beside = self._process.stdout if call.feeding else self._process.stderr
        self._reader = threading.Thread(target=self._read_lines, args=(beside,), daemon=True)
        self._reader.start()

    @property
    def input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def finish(self) -> None:
        """Wait for its end.

        Raises:
            RepositoryError: it failed.
        """
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        code, call = self._process.wait(), self._call
        self._reader.join(_END_SECONDS)  # what it started, an ssh for instance, may write on
        if self._gave_up:
            raise gave_up(call.place, call.patience_seconds, self.lines)
        if code:
            raise explain(call.place, call.operation, code, self.lines)

    def kill(self) -> None:
        """End what need not clean up after itself."""
        self._process.kill()
        self._process.wait()
        self._reader.join(_END_SECONDS)

    def stop(self) -> None:
        """End it, unless it has ended, sure that it saves nothing.

        It must have noticed before its input ends: what came until then would be saved as the whole. Killing
        is for when it does not notice; that leaves a lock in the repository until the next run.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            if not self._noticed.wait(_NOTICE_SECONDS):
                self._process.kill()
            self._drain()
        if self._impatient:
            self._impatient.cancel()
        self._reader.join(_END_SECONDS)
        if self._reader.is_alive():
            return
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _drain(self) -> None:
        """Wait for the end of one that was told to end; reading on lets it remove its lock."""
        last_resort = threading.Timer(_END_SECONDS, self._process.kill)
        last_resort.start()
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        elif self._process.stdout:
            while self._process.stdout.read(1 << 16):
                pass
        self._process.wait()
        last_resort.cancel()

    def _read_lines(self, pipe: IO[bytes]) -> None:
        for raw in pipe:
            line = raw.decode("utf-8", "replace").rstrip()
            if "signal interrupt received" in line:
                self._noticed.set()
            elif "retrying after" in line:
                self._lose_patience(0 if is_pointless(line) else self._call.patience_seconds)
            elif "operation successful after" in line and self._impatient:
                self._impatient.cancel()
                self._impatient = None
            if line:
                self.lines.append(line)
        self._noticed.set()

    def _lose_patience(self, seconds: float) -> None:
        if self._impatient is None:
            self._impatient = threading.Timer(seconds, self._give_up)
            self._impatient.daemon = True
            self._impatient.start()

    def _give_up(self) -> None:
        self._gave_up = True
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _widen(*pipes: IO[bytes] | None) -> None:
    """Let restic go on while we hash the next piece; a user may have so many wide pipes and no more."""
    for pipe in pipes:
        if pipe:
            with suppress(OSError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
