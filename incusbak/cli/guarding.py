"""Wake frozen instances when the process that froze them dies: done by a process that outlives it.

The guard waits on a pipe. The word ``done`` means that all went well; an end without it, which SIGKILL brings
as well, means that whoever is still frozen is to be woken. It is a session of its own, so that Ctrl-C and the
end of a terminal do not reach it.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ..errors import IncusbakError, ServerError
from ..incus import connect
from ..kinds.common.operations import is_settled
from ..kinds.instance.lifecycle import thaw
from ..model.refs import ResourceRef, parse_address
from ..ports import Guard, IncusApi

WATCH_SECONDS = 1.0
"""How long the server may take to begin what it was asked to before its client died. Longer would disturb the
next run, which freezes the same instances again."""
TRY_SECONDS = 300.0
"""How long an unreachable server is tried for."""
_READY, _DONE = "ready", "done"
_END_SECONDS = 10.0
_MAIN = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import main; main()"
"""The guard finds this package where its parent did, in a zip archive too."""


def guard_for(remote: str) -> Guard:
    """Make the ``Guard`` of a server; ``remote`` as the user gave it."""

    @contextmanager
    def guard(refs: Sequence[ResourceRef]) -> Iterator[None]:
        if not refs:
            yield
            return
        process = _start(remote, refs)
        try:
            yield
        except BaseException:
            _close(process)
            raise
        with suppress(OSError, subprocess.TimeoutExpired):
            process.communicate(_DONE, timeout=_END_SECONDS)

    return guard


def _start(remote: str, refs: Sequence[ResourceRef]) -> "subprocess.Popen[str]":
    """Start a guard and wait until it can reach the server.

    Raises:
        ServerError: it can't be started, so nobody must be frozen.
    """
    addresses = [ref.address for ref in refs]
    process = subprocess.Popen(
        [sys.executable, "-c", _MAIN, json.dumps(sys.path), remote, *addresses],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    if process.stdout is None or process.stdout.readline().strip() != _READY:
        process.kill()
        process.wait()
        raise ServerError(
            "the process that would wake frozen instances if this one died can't be started",
            hint="use --no-snapshot to back up without freezing anyone",
        )
    return process


def _close(process: "subprocess.Popen[str]") -> None:
    """End the pipe without the word, as the death of this process would."""
    if process.stdin is not None:
        process.stdin.close()


# -- in the guard's own process -----------------------------------------------------------------------


def main() -> None:
    """Be a guard: ``sys.argv`` holds the import path, the remote and the addresses of instances."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with its parent anyway, and must not end before
    remote, refs = sys.argv[2], [parse_address(address) for address in sys.argv[3:]]
    connect(remote)
    print(_READY, flush=True)
    if sys.stdin.read() != _DONE:
        _wake(remote, refs)


def _wake(remote: str, refs: Sequence[ResourceRef]) -> None:
    """Have nobody frozen; a server that restarts is waited for."""
    deadline = time.monotonic() + TRY_SECONDS
    while time.monotonic() < deadline:
        try:
            watch(connect(remote), refs)
        except IncusbakError:
            time.sleep(1)
        else:
            return


def watch(api: IncusApi, refs: Sequence[ResourceRef]) -> None:
    """Unfreeze every frozen one, and whose freeze was under way when its client died."""
    deadline = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < deadline:
        thaw(api, refs)
        time.sleep(0.1)
    for ref in refs:
        is_settled(api, ref, ref.name)
    thaw(api, refs)
