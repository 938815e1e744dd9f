"""What becomes of snapshots that the server mounts, and does not find again among its mounts."""

import re
from collections.abc import Mapping
from copy import deepcopy

from attrs import evolve

from incusbak.errors import Conflict, NotFound, OperationFailed

from .world import Snapshot

_NOT_FOUND_AGAIN = re.compile(r"[\\\s]")


def mount(snapshots: Mapping[str, Snapshot], driver: str) -> None:
    """Mount all of them, as copies and exports do, and unmount what can be."""
    for name, snapshot in snapshots.items():
        snapshot.is_stuck = snapshot.is_stuck or (driver == "dir" and bool(_NOT_FOUND_AGAIN.search(name)))


def copy(snapshots: Mapping[str, Snapshot], driver: str) -> dict[str, Snapshot]:
    """Copy them, which mounts those that are copied."""
    mount(snapshots, driver)
    return {name: evolve(deepcopy(snapshot), is_stuck=False) for name, snapshot in snapshots.items()}


def rename(snapshots: dict[str, Snapshot], old: str, new: str) -> None:
    """POST of a new name of a snapshot."""
    if old not in snapshots:
        raise NotFound("Snapshot not found")
    if new in snapshots:
        raise Conflict(f"Name {new!r} already in use")
    if snapshots[old].is_stuck:
        raise OperationFailed(f"rename {old} {new}: device or resource busy")
    snapshots[new] = snapshots.pop(old)
    snapshots[new].document["name"] = new


def check_removable(snapshots: Mapping[str, Snapshot]) -> None:
    """Refuse to remove what is mounted."""
    for name, snapshot in snapshots.items():
        if snapshot.is_stuck:
            folder = f"/pools/default/containers-snapshots/web/{name}"
            raise OperationFailed(
                f'Failed deleting instance snapshots: Failed deleting snapshot "web/{name}": '
                f"Failed to remove '{folder}': unlinkat {folder}/rootfs: read-only file system"
            )
