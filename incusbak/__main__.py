"""``python -m incusbak`` and the ``incus-backup`` command."""

import gc
import sys

from .cli import run

_ALLOCATIONS = 200_000
"""How many new objects make Python look for garbage: far more than by default, as a plan is made of many."""


def main() -> None:
    gc.set_threshold(_ALLOCATIONS)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
