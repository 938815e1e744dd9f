"""``python -m incusbak`` and the ``incus-backup`` command."""

import gc
import os
import sys
from io import TextIOWrapper

_ALLOCATIONS = 200_000
"""How many new objects make Python look for garbage: far more than by default, as a plan is made of many."""

gc.set_threshold(_ALLOCATIONS)  # before the imports: what they make stays

from .cli import run  # noqa: E402


def main() -> None:
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who called us: nobody wants to hear it
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115  # for as long as we run
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name that is no text in this locale is shown by its bytes
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    gc.freeze()  # else Python looks through everything once more before it ends
    sys.exit(code)


if __name__ == "__main__":
    main()
