"""Names with which Incus can't delete a snapshot any more.

On a pool of the driver ``dir`` the server mounts a snapshot over itself to copy or export it, and unmounts it
if it finds it among the mounts. The kernel writes some characters of a path differently there, and the server
takes the list apart at blanks: it does not find what has such a path, which stays mounted and read-only until
the host restarts, and can be neither deleted nor renamed. So does all that such a snapshot is of.
Imports mount nothing.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from shlex import quote

from ...errors import ServerError, Unplannable
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.facts import Foreseen
from ...model.inventory import Resource
from ...model.refs import ResourceRef
from ...ports import IncusApi, path_of
from ..archive.renaming import is_above, is_misread, is_odd, other_names, unreachable

DRIVER = "dir"
_MOUNTED = re.compile(
    r"Failed to remove '(.+?)': .*(?:read-only file system|device or resource busy)", re.DOTALL
)


def lost(snapshots: Iterable[Json], driver: str) -> tuple[str, ...]:
    """Name the snapshots of a resource that can't be deleted any more after a backup."""
    names = (str(snapshot["name"]) for snapshot in snapshots)
    return tuple(filter(is_odd, names)) if driver == DRIVER else ()


def found_again(snapshots: Iterable[Json], *drivers: str) -> Mapping[str, str]:
    """Find other names for those that would be lost, of the same length in bytes, that none has.

    Args:
        drivers: of all pools on which there are snapshots of these names.

    Raises:
        Unplannable: there is none.
    """
    names = [str(snapshot["name"]) for snapshot in snapshots]
    return other_names(names, filter(is_odd, names) if DRIVER in drivers else ())


def check_apart(snapshots: Iterable[Json], driver: str) -> None:
    """See that each snapshot of what is to be exported has a folder of its own.

    Incus 6.0 lets one be called as the folder above that of them, with all of the pool below it. It has
    replaced them all by then, and neither exports it nor makes a copy that can be removed without harm.

    Raises:
        Unplannable: one has not.
    """
    if driver == DRIVER and (words := among_all(snapshots)):
        raise Unplannable(
            f"it can't be exported: {words}",
            hint="copy it without its snapshots, and back up that copy; don't delete or restore this one",
        )


def among_all(snapshots: Iterable[Json]) -> str:
    """Say so where a snapshot lies where those of all others do; empty where none does."""
    above = next(filter(is_above, (str(each["name"]) for each in snapshots)), "")
    return above and f"its snapshot {above!r} lies where the snapshots of all others on its pool do"


def irremovable(current: Resource) -> Foreseen:
    """Say so where to remove what is to be replaced would take snapshots of others along."""
    words = among_all(current.snapshots)
    hint = "bring it back beside the present one (--target-name); don't delete or restore that one"
    return Foreseen(obstacle=words, hint=hint) if words else Foreseen()


def check_deletable(snapshots: Iterable[Json], driver: str, copy: ResourceRef, pool: str) -> None:
    """See that a copy on its way can be removed again: each of its snapshots lies below pool and project.

    Raises:
        Unplannable: it could not.
    """
    kinds = {"pool": pool, "project": copy.project}
    odd = next((f"{kind} {name!r}" for kind, name in kinds.items() if is_odd(name)), "")
    if odd and driver == DRIVER and any(True for _ in snapshots):
        raise Unplannable(
            f"a temporary copy of it could not be removed again: in the {odd} Incus loses track of snapshots",
            hint="back it up while it is stopped, or with --no-snapshot; or move it to a pool and project "
            "without backslash in their names",
        )


def caveats(
    manifest: Manifest,
    *,
    rename: str,
    by_hand: str = "incus import",
    is_unfit: Callable[[str], bool] = is_misread,
) -> tuple[str, ...]:
    """Say what becomes of such snapshots, and what of them no server can unpack as it is.

    Args:
        rename: the command that gives one another name, up to where its names follow.
        by_hand: the command that brings an archive back without this tool.
        is_unfit: whether that does not get a snapshot of this name right; see ``renaming``.
    """
    captured = manifest.captured
    names, found = lost(captured.snapshots, captured.pool_driver), []
    if names:
        found.append(
            f"on a {DRIVER} pool Incus can neither delete nor rename its {_called(names)} from the first "
            "backup or copy of it until the host restarts; before the first one, or right after a restart, "
            f"give it a name without backslash and blanks (`{rename} {quote(names[0])} NEW`)"
        )
    unfit = tuple(filter(is_unfit, (str(snapshot["name"]) for snapshot in captured.snapshots)))
    if unfit and not manifest.options.optimized:
        found.append(
            f"`{by_hand}` alone can't unpack its {_called(unfit)}, which tar misreads; a restore can"
        )
    if words := unreachable(manifest.id.ref.project, captured.pool):
        found.append(f"{words}; it can only be restored elsewhere (--project-map, --pool-map)")
    return tuple(found)


def _called(names: Sequence[str]) -> str:
    return f"{'snapshot' if len(names) == 1 else 'snapshots'} {', '.join(map(repr, names))}"


def explain(error: ServerError) -> None:
    """Have an error say what to do, if something can't be deleted for a mount that the server has lost."""
    found = _MOUNTED.search(error.message)
    if found and is_odd(found[1]):
        error.hint = (
            "Incus has lost track of a mount of its snapshot: once the server's host was restarted, the next "
            "run removes it; or unmount it there, as often as it is mounted, and delete it"
        )


def drivers_of(api: IncusApi, pools: Iterable[str]) -> Mapping[str, str]:
    """Tell the driver of each pool."""
    return {pool: str(api.get(path_of("storage-pools", pool)).body["driver"]) for pool in pools}


def warnings(api: IncusApi, current: Resource, pools: Iterable[str]) -> tuple[str, ...]:
    """Warn that something with such snapshots, which is to be replaced, may not go away."""
    names = lost(current.snapshots, DRIVER)
    if not names or DRIVER not in drivers_of(api, pools).values():
        return ()
    return (
        f"{current.ref}: the present one may stay on the server under a temporary name until the host "
        f"restarts: Incus can't delete its {_called(names)}, if that was backed up or "
        "copied since the last restart",
    )
