"""``python -m incusbak`` and the ``incus-backup`` command."""

import sys

from .cli import run


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
