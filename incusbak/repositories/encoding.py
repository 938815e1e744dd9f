"""Names as folders: most as they are, the others percent-encoded, in a part of the repository of their own.

Servers take names for volumes, pools and projects that must not become file names: hidden ones, some with
control characters, some longer than a file's name may be. Which ones are encoded, and how, never changes,
whatever the version of this program or of Python: it decides where backups are looked for.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from ..model.refs import impossible_reason

_UNUSUAL = re.compile(
    "["
    "\0-\x1f\x7f-\xa0\xad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u1680\u180e\u2000-\u200f"
    "\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ud800-\uf8ff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U00013438\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
    "\U000f0000-\U0010ffff/"
    "]"
)
"""What a terminal or a file system obeys or hides: control characters, odd blanks, private ones, slashes."""
_LONGEST_NAME, _LONGEST_FOLDER = 255, 200
_GOES_ON = "%"


def is_plain(name: str) -> bool:
    """Whether a name is a folder's name as it is."""
    return bool(name) and not name.startswith(".") and not _UNUSUAL.search(name) and _fits(name)


def encoded(name: str) -> tuple[str, ...]:
    """Write a name as folders, each in the one before it; all but the last end with a percent sign."""
    folders, here = [], ""
    for piece in _pieces(name):
        if here and len((here + piece).encode()) > _LONGEST_FOLDER:
            folders.append(here + _GOES_ON)
            here = ""
        here += "%2E" if piece == "." and not here else piece
    return (*folders, here)


def decoded(folders: tuple[str, ...]) -> str | None:
    """Read what ``encoded`` wrote; None for anything else."""
    text = "".join(folder.removesuffix(_GOES_ON) for folder in folders)
    try:
        name = unquote_to_bytes(text).decode()
    except UnicodeError:  # folders of others
        return None
    return name if encoded(name) == folders and not impossible_reason(name) else None


def goes_on(folder: str) -> bool:
    """Whether the rest of a name is in a folder below this one."""
    return folder.endswith(_GOES_ON)


def _pieces(name: str) -> Iterator[str]:
    for char in name:
        if char in "%\\" or _UNUSUAL.match(char):
            yield "".join(f"%{byte:02X}" for byte in char.encode())
        else:
            yield char


def _fits(name: str) -> bool:
    return len(name.encode()) <= _LONGEST_NAME
