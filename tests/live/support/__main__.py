"""Start a throw-away Incus server by hand, or clean up after crashed runs.

python -m tests.live.support serve [--version 6.0|7.0] [--empty]
python -m tests.live.support reap
"""

import argparse
import os
import signal
import stat
import sys
from typing import NoReturn

from tests.live.support import pod, servers


def main() -> int:
    """Parse the command line and run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.support", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    serve_parser = commands.add_parser("serve", help="start a seeded server; stop it with Ctrl-C")
    serve_parser.add_argument("--version", choices=servers.VERSIONS, default=servers.VERSIONS[0])
    serve_parser.add_argument("--empty", action="store_true", help="without pools, image and root disk")
    commands.add_parser("reap", help="remove what killed runs left behind")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("Throw-away Incus servers need root.", file=sys.stderr)
        return 1
    if options.command == "reap":
        for name in pod.reap():
            print(f"removed {name}")
        return 0
    return serve(options.version, empty=options.empty)


def serve(version: str, *, empty: bool) -> int:
    """Run a server until a signal, or until stdin ends."""
    try:
        servers.install()
    except servers.NotInstalled as error:
        print(error, file=sys.stderr)
        return 1
    pod.reap()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        make = servers.empty_server if empty else servers.server
        with make(version) as server:
            print(f"INCUS_SOCKET={server.socket}", flush=True)
            _wait_for_end_of_stdin()
            _ignore_signals()
    except SystemExit:
        pass
    return 0


def _leave(_number: int, _frame: object) -> NoReturn:
    """Unwind the stack, so that the server is removed; and let nothing disturb that."""
    _ignore_signals()
    raise SystemExit(0)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _wait_for_end_of_stdin() -> None:
    """Only the end of a pipe or terminal means something: /dev/null always is at its end."""
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(0)):
        while True:
            signal.pause()
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    sys.exit(main())
