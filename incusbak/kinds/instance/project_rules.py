"""What a project with limits or restrictions lets be done with its instances. Pure, from its configuration.

A restricted project, on some servers one with limits as well, guards the volatile keys: each request is
refused that would set one of them, or change it, but for a few; to drop one is allowed. What is imported or
moved into it gets new values, whatever it brings.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import ServerError
from ...model.documents import Json
from ..common.values import is_true, size_of

_FREE = re.compile(r"volatile\.(apply_template|base_image|last_state\.power|.*\.(apply_quota|hwaddr))")
_SUMMED = ("limits.cpu", "limits.memory", "limits.processes")


def config_of(project: Json) -> Mapping[str, str]:
    return project.get("config") or {}


def is_limited(project: Json) -> bool:
    """Whether the server checks what comes into a project, or is changed in it."""
    config = config_of(project)
    return is_true(config.get("restricted")) or any(key.startswith("limits.") for key in config)


def is_guarding(error: ServerError) -> bool:
    """Whether a request was refused for a volatile key that it would set or change."""
    return re.search(r"(Setting|Changing) \"volatile\..*is forbidden", error.message) is not None


def is_guarded(key: str) -> bool:
    return key.startswith("volatile.") and not _FREE.fullmatch(key)


def unforced(config: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """Have the keys that are guarded as they are at ``present``, and all others as wanted."""
    free = {key: value for key, value in config.items() if not is_guarded(key)}
    return {**free, **{key: value for key, value in present.items() if is_guarded(key)}}


def effective(definition: Json, profiles: Iterable[Json]) -> dict[str, Any]:
    """Apply the profiles of an instance or a snapshot, given in their order, to its definition."""
    config: dict[str, str] = {}
    devices: dict[str, Json] = {}
    for each in (*profiles, definition):
        config |= each.get("config") or {}
        devices |= each.get("devices") or {}
    return {**definition, "config": config, "devices": devices}


def unset(whole: Json, project: Json, instance_type: str, volumes: Mapping[str, Json]) -> list[str]:
    """Name the limits that a project sums up and an instance does not have, or a volume that is part of it.

    Args:
        volumes: these volumes, by the disks that they are under.
    """
    limited = [key for key in _SUMMED if config_of(project).get(key)]
    if instance_type != "container":
        limited = [key for key in limited if key != "limits.processes"]
    missing = [key for key in limited if not whole["config"].get(key)]
    if limits_disk(project, _root(whole).get("pool", "")) and not _root(whole).get("size"):
        missing.append("size of its root disk")
    for name, volume in volumes.items():
        if limits_disk(project, _pool_under(whole, name)) and not _size(volume):
            missing.append(f"size of the volume under {name}")
    return missing


def limits_disk(project: Json, pool: str) -> bool:
    """Whether it counts how much a project has on a pool."""
    return any(config_of(project).get(key) for key in ("limits.disk", f"limits.disk.pool.{pool}"))


def disk_needs(size_by_pool: Iterable[tuple[str, int | None]]) -> dict[str, int]:
    """Tell what disks take of the limits of a project, in all and on each pool, by the server's names."""
    taken: Counter[str] = Counter()
    for pool, size in size_by_pool:
        if size is not None:
            taken["disk"] += size
            taken[f"disk.{pool}"] += size
    return dict(taken)


def needs(whole: Json, instance_type: str, volumes: Mapping[str, Json]) -> dict[str, int]:
    """Tell how much of each of a project's limits an instance takes, by the names the server has for them.

    Args:
        volumes: see ``unset``.
    """
    kind = "containers" if instance_type == "container" else "virtual-machines"
    taken = {"instances": 1, kind: 1}
    for key in _SUMMED:
        if (size := size_of(whole["config"].get(key, ""))) is not None:
            taken[key.removeprefix("limits.")] = size
    root = _root(whole)
    disks = [(str(root.get("pool", "")), size_of(root.get("size", "")))]
    disks += [(_pool_under(whole, name), _size(volume)) for name, volume in volumes.items()]
    taken |= disk_needs(disks)
    if kind == "virtual-machines":
        taken.pop("processes", None)
    return taken


def _pool_under(whole: Json, name: str) -> str:
    return str(whole["devices"].get(name, {}).get("pool", ""))


def _size(volume: Json) -> int | None:
    return size_of((volume.get("config") or {}).get("size", ""))


def _root(whole: Json) -> Json:
    disks = [d for d in whole["devices"].values() if d.get("type") == "disk" and d.get("path") == "/"]
    return disks[0] if disks else {}
