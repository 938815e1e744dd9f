"""Names with which Incus can't delete a snapshot any more.

On a pool of the driver ``dir`` the server mounts a snapshot over itself to copy or export it, and unmounts it
if it finds it among the mounts. The kernel writes some characters of a path differently there, and the server
takes the list apart at blanks: it does not find what has such a path, which stays mounted and read-only until
the host restarts, and can be neither deleted nor renamed. So does all that such a snapshot is of.
Imports mount nothing.
"""

import re
from collections.abc import Iterable, Mapping
from shlex import quote
from string import ascii_lowercase, digits

from ..errors import ServerError, Unplannable
from ..model.backups import Manifest
from ..model.documents import Json
from ..model.inventory import Resource
from ..model.refs import ResourceRef
from ..ports import IncusApi, path_of

DRIVER = "dir"
_LOST = re.compile("[\\\\\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")

_MOUNTED = re.compile(
    r"Failed to remove '(.+?)': .*(?:read-only file system|device or resource busy)", re.DOTALL
)


def is_lost(name: str) -> bool:
    """Whether the server does not find a mount again that has this in its path."""
    return _LOST.search(name) is not None


def lost(snapshots: Iterable[Json], driver: str) -> tuple[str, ...]:
    """Name the snapshots of a resource that can't be deleted any more after a backup."""
    names = (str(snapshot["name"]) for snapshot in snapshots)
    return tuple(filter(is_lost, names)) if driver == DRIVER else ()


def found_again(snapshots: Iterable[Json], driver: str) -> Mapping[str, str]:
    """Find other names for those that would be lost, of the same length in bytes, that none has.

    Raises:
        Unplannable: there is none.
    """
    names = tuple(snapshots)
    taken = {str(snapshot["name"]) for snapshot in names}
    found: dict[str, str] = {}
    for name in lost(names, driver):
        possible = (_filled(name, letter) for letter in ascii_lowercase + digits)
        other = next((each for each in possible if each not in taken), "")
        if not other:
            raise Unplannable(
                f"its snapshot {name!r} can't be copied so that the copy can be deleted: rename it"
            )
        found[name] = other
        taken.add(other)
    return found


def _filled(name: str, letter: str) -> str:
    return _LOST.sub(lambda odd: letter * len(odd[0].encode()), name)


def check_deletable(snapshots: Iterable[Json], driver: str, copy: ResourceRef, pool: str) -> None:
    """See that a copy on its way can be removed again: each of its snapshots lies below pool and project.

    Raises:
        Unplannable: it could not.
    """
    kinds = {"pool": pool, "project": copy.project}
    odd = next((f"{kind} {name!r}" for kind, name in kinds.items() if is_lost(name)), "")
    if odd and driver == DRIVER and any(True for _ in snapshots):
        raise Unplannable(
            f"a temporary copy of it could not be removed again: in the {odd} Incus loses track of snapshots",
            hint="back it up while it is stopped, or with --no-snapshot; or move it to a pool and project "
            "without backslash in their names",
        )


def caveats(manifest: Manifest, *, rename: str) -> tuple[str, ...]:
    """Say what becomes of such snapshots.

    Args:
        rename: the command that gives one another name, up to where its names follow.
    """
    captured = manifest.captured
    return tuple(
        f"on a {DRIVER} pool Incus can neither delete nor rename its snapshot {name!r} from the first backup "
        "or copy of it until the host restarts; before that, give it a name without backslash and blanks "
        f"(`{rename} {quote(name)} NEW`)"
        for name in lost(captured.snapshots, captured.pool_driver)
    )


def explain(error: ServerError) -> None:
    """Have an error say what to do, if something can't be deleted for a mount that the server has lost."""
    found = _MOUNTED.search(error.message)
    if found and is_lost(found[1]):
        error.hint = (
            "Incus has lost track of a mount of its snapshot: once the server's host was restarted, the next "
            "run removes it; or unmount it there, as often as it is mounted, and delete it"
        )


def warnings(api: IncusApi, current: Resource, pool: str) -> tuple[str, ...]:
    """Warn that something with such snapshots, which is to be replaced, may not go away."""
    names = lost(current.snapshots, DRIVER)
    if not names or api.get(path_of("storage-pools", pool)).body["driver"] != DRIVER:
        return ()
    what = "snapshot" if len(names) == 1 else "snapshots"
    return (
        f"{current.ref}: the present one may stay on the server under a temporary name until the host "
        f"restarts: Incus can't delete its {what} {', '.join(map(repr, names))}, if that was backed up or "
        "copied since the last restart",
    )
