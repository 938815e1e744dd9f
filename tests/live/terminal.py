"""A real terminal, and somebody who types."""

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

_SECONDS = 60


@frozen
class Talk:
    """How a command on a terminal ended, and all that was to be seen."""

    code: int
    seen: str


def talk(
    argv: Sequence[str], answers: Sequence[tuple[str, str]], *, env: Mapping[str, str], cwd: Path
) -> Talk:
    """Run a command on a terminal of its own; type each answer, and Enter, once its question is there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *argv], stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=cwd
    )
    os.close(theirs)
    try:
        seen = ""
        for question, answer in answers:
            seen += _read_until(ours, question)
            os.write(ours, f"{answer}\n".encode())
        seen += _read_until(ours, None)
        return Talk(process.wait(_SECONDS), seen)
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def _read_until(terminal: int, awaited: str | None) -> str:
    """Read what is shown until that is to be seen; None: until the command ends."""
    shown, deadline = b"", time.monotonic() + _SECONDS
    while awaited is None or awaited not in shown.decode(errors="replace"):
        assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], (awaited, shown)
        try:
            data = os.read(terminal, 4096)
        except OSError:  # nobody has it open any more
            data = b""
        if not data:
            assert awaited is None, (awaited, shown)
            break
        shown += data
    return shown.decode(errors="replace")
