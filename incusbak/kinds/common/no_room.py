"""Say shortly what the server has no room for, and what helps: it tells so in the words of rsync or tar."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import ServerError
from ...model.policies import Maps

NO_SPACE = ("no space left", "out of disk space")
NO_QUOTA = ("quota exceeded",)
ELSEWHERE = "make room there, or use another with --pool-map {pool}=NEW (in a policy: maps)"
NO_ROOM_FOR_COPY = (
    "make room there: while it is in use it is exported from a copy on its own pool; one that is stopped "
    "needs none, nor does --no-snapshot (in a policy: snapshot: false)"
)
SMALLER = "take a version with fewer snapshots or shorter texts (--version), or a server before Incus 7.0.2"
_TOO_LARGE = ('yaml" is too large', "input data too large")
_POOL = re.compile(r"/storage-pools/([^/\"]+)/")
_STAGED = re.compile(r"/backups/(instances|custom)/")
_LONGEST = 160


@contextmanager
def explaining(*, hint: str, pool: str = "", maps: Maps | None = None) -> Iterator[None]:
    """Have an error that comes of a full pool, or of what is too large, say so; one that is explained stays.

    Args:
        hint: what helps where a pool is full; ``{pool}`` is that one, as the backup calls it.
        pool: the one that needs most room, where it is known.
        maps: what renames those of the backup.
    """
    try:
        yield
    except ServerError as error:
        if error.hint == type(error).default_hint:
            _explain(error, pool, hint, maps or Maps())
        raise


def _explain(error: ServerError, pool: str, hint: str, maps: Maps) -> None:
    lower = error.message.lower()
    if any(words in lower for words in NO_SPACE):
        _explain_no_space(error, pool, hint, maps)
    elif any(words in lower for words in NO_QUOTA):
        error.message = f"it does not fit into its size: {_line_with(NO_QUOTA, error.message)}"
        error.hint = "take another version, or a pool with other limits with --pool-map (in a policy: maps)"
    elif any(words in lower for words in _TOO_LARGE):
        error.hint = f"its definition is larger than this server reads: {SMALLER}"


def _explain_no_space(error: ServerError, pool: str, hint: str, maps: Maps) -> None:
    found = _POOL.search(error.message)
    if _STAGED.search(error.message) and not found:
        error.hint = "make room where the server keeps its backups (`storage.backups_volume`)"
        return
    pool = found[1] if found else pool
    place = f"pool {pool}" if pool else "its pool"
    error.message = f"{place} is full: {_line_with(NO_SPACE, error.message)}"
    error.hint = hint.format(pool=maps.names_before("pool", pool)[0])


def _line_with(words: tuple[str, ...], text: str) -> str:
    """Of many lines the first that says it, or its end."""
    lines = (part.strip() for part in re.split(r"\n| \((?=\D)", text))
    line = next(each for each in lines if any(word in each.lower() for word in words))
    return line if len(line) <= _LONGEST else f"… {line[-_LONGEST:]}"
