"""Rewrite the definitions inside of an Incus export: ``backup/index.yaml`` and ``backup.yaml``.

The server takes pool, snapshot list and type from the index, and the definition from ``backup.yaml``.
Portable exports only: an optimized one has ``backup.yaml`` inside of its stream.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...model import forms
from ...model.documents import Json
from ...model.inventory import ServerInfo
from ..archive.definitions import (
    INDEX,
    MAX_BYTES,
    NO_NAMES,
    Checkpoint,
    Names,
    certainly_too_large,
    dump_definition,
    load_definition,
    never,
    rename_listed,
    rename_snapshots,
    size_as_written,
    too_large,
)
from ..archive.tar import Rewrite

_STRICT = (7, 0, 2)
"""Since when a server reads no definition that is larger than its limit: there is no API extension for it."""
_WHAT = "its definition and those of its snapshots"
_FREE = ("user.", "cloud-init.")
"""Keys of texts as long as anybody likes, which no project forbids."""
_FOLDERS = {"container": "backup/container", "virtual-machine": "backup/virtual-machine"}

Change = Callable[[dict[str, Any]], None]
"""Change the parsed ``{container, snapshots, volume, …}`` in place."""


def rewrites(
    instance_type: str,
    *,
    name: str,
    changes: Sequence[Change],
    snapshots: Names = NO_NAMES,
    checkpoint: Checkpoint = never,
) -> Mapping[str, Rewrite]:
    """Rewrite both files of a portable export alike; ``name`` is what a bare import will use.

    Args:
        snapshots: those that get another name.
    """
    changes = [lambda config: rename_snapshots(config, snapshots), *changes]

    def rewrite_index(content: bytes) -> bytes:
        index = load_definition(content, checkpoint, form=forms.INDEX)
        index["name"] = name
        rename_listed(index, snapshots)
        if isinstance(index.get("config"), dict):
            for change in changes:
                change(index["config"])
        return _fitting(index, _slim_index)

    def rewrite_definition(content: bytes) -> bytes:
        document = load_definition(content, checkpoint, form=forms.DEFINITION)
        for change in changes:
            change(document)
        return _fitting(document, _slim_definition)

    return {INDEX: rewrite_index, f"{_FOLDERS[instance_type]}/backup.yaml": rewrite_definition}


def slimming(instance_type: str, *, optimized: bool, checkpoint: Checkpoint = never) -> Mapping[str, Rewrite]:
    """Rewrite what a server would not take back for its size; all else stays as it is."""
    found = {INDEX: _if_large(_slim_index, checkpoint, forms.INDEX)}
    if not optimized:
        found[f"{_FOLDERS[instance_type]}/backup.yaml"] = _if_large(
            _slim_definition, checkpoint, forms.DEFINITION
        )
    return found


def caveats(resource: Json, snapshots: Iterable[Json]) -> tuple[str, ...]:
    """Say why servers may not take a backup back, as small as it can be made."""
    return too_large(_least_size(resource, snapshots), _WHAT, "Incus 7.0.2 and later")


def unreadable(resource: Json, snapshots: Iterable[Json], server: ServerInfo) -> str:
    """Say why this server certainly does not take a backup back; empty where it may."""
    if tuple(map(int, re.findall(r"\d+", server.version)[:3])) < _STRICT:
        return ""
    return certainly_too_large(_least_size(resource, snapshots), _WHAT, f"Incus {server.version}")


def _least_size(resource: Json, snapshots: Iterable[Json]) -> int:
    document = {"container": dict(resource), "snapshots": [dict(snapshot) for snapshot in snapshots]}
    _slim_definition(document)
    return size_as_written(document)


def _if_large(slim: Change, checkpoint: Checkpoint, form: forms.Form) -> Rewrite:
    def rewrite(content: bytes) -> bytes:
        if len(content) <= MAX_BYTES:
            return content
        return _fitting(load_definition(content, checkpoint, form=form), slim)

    return rewrite


def _fitting(document: dict[str, Any], slim: Change) -> bytes:
    """Write it whole where a server reads that, else without what none needs."""
    written = dump_definition(document)
    if len(written) <= MAX_BYTES and size_as_written(document) <= MAX_BYTES:
        return written
    slim(document)
    return dump_definition(document)


def _slim_definition(document: dict[str, Any]) -> None:
    """Leave out what the server works out anew: configuration with profiles applied."""
    for part in (document.get("container"), *(document.get("snapshots") or ())):
        if isinstance(part, dict):
            part.pop("expanded_config", None)


def _slim_index(index: dict[str, Any]) -> None:
    """Leave what the server reads of it: whether the project allows it, and names and times of snapshots."""
    config = index.get("config")
    if not isinstance(config, dict):
        return
    _slim_definition(config)
    config["profiles"] = []
    config["snapshots"] = [
        {
            key: value
            for key, value in snapshot.items()
            if key not in ("config", "devices", "expanded_devices")
        }
        for snapshot in config.get("snapshots") or ()
    ]
    container = config.get("container")
    if isinstance(container, dict):
        own = container.get("config") or {}
        container["config"] = {key: own[key] for key in own if not key.startswith(_FREE)}


def to_original(original: Json, snapshots: Mapping[str, Json], profiles: list[Json], id_map: Json) -> Change:
    """Put the original's definition into the export of its temporary copy.

    ``id_map``: the copy's own keys on how its files lie on disk, which the archive has.
    """

    def change(config: dict[str, Any]) -> None:
        kept = {k: v for k, v in original["config"].items() if k not in id_map}
        config["container"] = {**original, "config": {**kept, **id_map}}
        config["profiles"] = profiles
        config["snapshots"] = [
            {**snapshot, **snapshots.get(snapshot["name"], {})} for snapshot in config.get("snapshots") or ()
        ]
        if isinstance(volume := config.get("volume"), dict):
            volume.update(name=original["name"], project=original["project"])

    return change


def to_neutral(neutral: Json, name: str, snapshot_of: Callable[[Json], Json]) -> Change:
    """Make the import harmless: see ``definition.neutral``; snapshots get ``snapshot_of`` them."""

    def change(config: dict[str, Any]) -> None:
        own = {
            k: v for k, v in config["container"].items() if k not in ("expanded_config", "expanded_devices")
        }
        config["container"] = {
            **own,
            **neutral,
            "name": name,
            "expanded_config": neutral["config"],
            "expanded_devices": neutral["devices"],
            "status": "Stopped",
        }
        config["profiles"] = []
        config["snapshots"] = [snapshot_of(snapshot) for snapshot in config.get("snapshots") or ()]

    return change
