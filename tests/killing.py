"""Run something in a child process and kill it at its n-th touch of the file system."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count

_TOUCHES = ("open", "os.", "fcntl.", "shutil.")


def killed_at_each_touch(work: Callable[[int], None]) -> Iterator[int]:
    """Run ``work(n)`` in a child that is killed right before its n-th touch, for n = 1, 2, …

    Yields n after each kill, and ends with the first child that got through; that one is yielded as well.
    """
    for number in count(1):
        finished = _run_killed(work, number)
        yield number
        if finished:
            return


def _run_killed(work: Callable[[int], None], fatal: int) -> bool:
    child = os.fork()
    if child == 0:
        try:
            _arm(fatal)
            work(fatal)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    assert os.waitstatus_to_exitcode(status) == 0
    return True


def _arm(fatal: int) -> None:
    touches = count(1)

    def strike(event: str, _: object) -> None:
        if event.startswith(_TOUCHES) and next(touches) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(strike)
