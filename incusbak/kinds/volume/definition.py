"""Definitions of volumes: what is compared, and what an archive says. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...model import forms
from ...model.admissions import Admission
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.inventory import ServerInfo
from ...model.refs import ResourceRef
from ..archive.definitions import (
    INDEX,
    NO_NAMES,
    Checkpoint,
    Names,
    dump_definition,
    load_definition,
    never,
    rename_listed,
    rename_snapshots,
    size_as_written,
    too_large,
)
from ..archive.renaming import fixed, is_above, is_pattern
from ..archive.tar import Rewrite
from ..common.marks import MARK
from ..common.values import size_of
from ..instance.project_rules import disk_needs, limits_disk

DEPENDENT = "dependent"
"""The key by which the server knows a volume that is part of an instance (Incus 7.0)."""
_VERSION = re.compile(r"\d+")
_STRICT_LTS, _BEFORE_RULES, _STRICT = (6, 0, 5), (6, 1), (6, 16)
"""Since when volumes can't be called anything: there is no API extension for it."""
_CHECKED_LTS, _BEFORE_CHECKS, _CHECKED = (7, 0, 2), (7, 1), (7, 3)
"""Since when an import is refused for the names of its snapshots; there are the same rules for them."""
_LONGEST = 64
_STRICT_NAME = re.compile(r"[A-Za-z0-9]+(.*[A-Za-z0-9]+)?", re.DOTALL)
_REFUSED = re.compile("[$?&+\"'`*/\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_NEWER = "direct_backup"
ID_MAP = "volatile.idmap."
"""Prefix of the keys that say how the files lie on the disk."""

Change = Callable[[dict[str, Any]], None]
"""Change the volume's own document in an archive."""


def misnamed(name: str, server: ServerInfo) -> str:
    """Why a server lets no volume be called so; empty when it does. It tells only when all is uploaded."""
    version = _version(server)
    if _BEFORE_RULES <= version < _STRICT or version < _STRICT_LTS or _is_strict(name):
        return ""
    return (
        f"Incus {server.version} lets no volume be called {name!r}: 64 bytes at most, without blanks and "
        "$?&+\"'`*, a letter or digit at both ends"
    )


def is_unfit(name: str, server: ServerInfo) -> bool:
    """Whether a server imports no volume with a snapshot of this name, or not to where it belongs."""
    return is_pattern(name) or _is_refused(name, server)


def unreadable(manifest: Manifest, server: ServerInfo) -> str:
    """Why a server can't import a volume with its snapshots, whatever they are called; empty when it can."""
    names = [str(snapshot["name"]) for snapshot in manifest.captured.snapshots]
    if manifest.options.optimized:
        return fixed(names, lambda name: is_above(name) or _is_refused(name, server))
    long = next((name for name in names if len(name.encode()) > _LONGEST and _is_refused(name, server)), "")
    return long and f"Incus {server.version} lets no snapshot have a name as long as that of its {long!r}"


def _is_refused(name: str, server: ServerInfo) -> bool:
    """Whether an import with such a snapshot is."""
    version = _version(server)
    checks = _CHECKED_LTS <= version < _BEFORE_CHECKS or version >= _CHECKED
    return checks and not _is_strict(name)


def _version(server: ServerInfo) -> tuple[int, ...]:
    return tuple(map(int, _VERSION.findall(server.version)[:3]))


def _is_strict(name: str) -> bool:
    is_short = len(name.encode()) <= _LONGEST
    return is_short and bool(_STRICT_NAME.fullmatch(name)) and not _REFUSED.search(name)


def comparable(document: Json) -> Json:
    """Take what a person would compare: no volatile keys, none of this tool's marks."""
    config = {
        key: value
        for key, value in (document.get("config") or {}).items()
        if not key.startswith(("volatile.", MARK))
    }
    content = document.get("content_type", "filesystem")
    return {"config": config, "content_type": content, "description": document.get("description", "")}


def part_of(document: Json, users: Iterable[ResourceRef]) -> ResourceRef | None:
    """Tell the instance of a dependent disk: the volume is in its archive. None: it is nobody's."""
    instances = (ref for ref in users if ref.kind == "instance")
    return next(instances, None) if (document.get("config") or {}).get(DEPENDENT) == "true" else None


def admission(document: Json, project: Json, pool: str, server: ServerInfo) -> Admission:
    """Tell whether a project that limits the size of what is in it takes a volume.

    Older servers ask for a size only where a project limits all that it has, not what it has on a pool.
    """
    if not limits_disk(project, pool):
        return Admission()
    size = size_of(str(document["config"].get("size", "")))
    if size is None and not (limits_disk(project, "") or server.has(_NEWER)):
        return Admission()
    if size is None:
        return Admission(("it has no size, which the project demands",))
    return Admission(needs=disk_needs([(pool, size)]))


def caveats(resource: Json, snapshots: Iterable[Json]) -> tuple[str, ...]:
    """Say why servers may not take a backup back."""
    size = size_as_written({"volume": dict(resource), "volume_snapshots": list(map(dict, snapshots))})
    return too_large(size, "its definition and those of its snapshots", "servers")


def rewrites(
    *, name: str, change: Change, snapshots: Names = NO_NAMES, checkpoint: Checkpoint = never
) -> Mapping[str, Rewrite]:
    """Rewrite the index, all that the server reads of a volume; ``name`` is what a bare import will use.

    Args:
        snapshots: those that get another name.
    """

    def rewrite(content: bytes) -> bytes:
        index = load_definition(content, checkpoint, form=forms.INDEX)
        index["name"] = name
        rename_listed(index, snapshots)
        config = index.get("config")
        volume = config.get("volume") if isinstance(config, dict) else None
        if isinstance(config, dict) and isinstance(volume, dict):
            rename_snapshots(config, snapshots)
            volume["name"] = name
            change(volume)
        return dump_definition(index)

    return {INDEX: rewrite}


def to_original(original: Json) -> Change:
    """Put the original's definition into its copy's export; how the files lie on the disk, the copy knows."""

    def change(volume: dict[str, Any]) -> None:
        own = {k: v for k, v in (volume.get("config") or {}).items() if k.startswith(ID_MAP)}
        kept = {k: v for k, v in original["config"].items() if not k.startswith(ID_MAP)}
        volume |= {**original, "config": {**kept, **own}, "used_by": []}

    return change


def to_temporary(marks: Mapping[str, str], *, created_at: str = "") -> Change:
    """Have the import marked from its first moment; ``created_at`` empty: the original's.

    A volume that comes back by itself is part of no instance, whatever it was.
    """

    def change(volume: dict[str, Any]) -> None:
        kept = {k: v for k, v in (volume.get("config") or {}).items() if k != DEPENDENT}
        volume["config"] = {**kept, **marks}
        if created_at:
            volume["created_at"] = created_at

    return change
