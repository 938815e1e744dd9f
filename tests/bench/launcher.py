"""Run one command and print, as JSON, its exit code, its seconds, its CPU seconds and its peak memory in KiB.

A process counts as its own peak what the one that started it had in memory, so this one has next to nothing.
"""

import json
import os
import sys
import time


def main() -> None:
    begun = time.monotonic()
    pid = os.posix_spawn(
        sys.argv[1],
        sys.argv[1:],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - begun
    cpu_seconds = usage.ru_utime + usage.ru_stime
    code = os.waitstatus_to_exitcode(status)
    print(
        json.dumps(
            {"code": code, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_kib": usage.ru_maxrss}
        )
    )


if __name__ == "__main__":
    main()
