"""Where tests keep what nobody needs afterwards: in memory, if there is plenty of it.

On a disk the servers of the live tests spend a third of their time on its file system:
every image and archive they unpack makes hundreds of files where as many were just removed.
"""

import os
import re
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
PLENTY = 8 << 30
"""Bytes.  A whole live run was seen to use less than 2 GiB at once."""


def folder_for(name: str, on_disk: Path) -> Path:
    """A folder (which may not exist yet) in memory; without plenty of that, the one on disk."""
    return SHARED_MEMORY / name if _has_plenty() else on_disk


def _has_plenty() -> bool:
    if not os.path.ismount(SHARED_MEMORY):
        return False
    info = os.statvfs(SHARED_MEMORY)
    found = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    available = int(found[1]) << 10 if found else 0
    return min(info.f_bavail * info.f_frsize, available) >= PLENTY
