"""Rewrite the definitions inside of an Incus export: ``backup/index.yaml`` and ``backup.yaml``.

The server takes pool, snapshot list and type from the index, and the definition from ``backup.yaml``.
Portable exports only: an optimized one has ``backup.yaml`` inside of its stream.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...model.documents import Json
from ..archive import Rewrite
from ..yaml_members import INDEX, dump_definition, load_definition

_FOLDERS = {"container": "backup/container", "virtual-machine": "backup/virtual-machine"}

Change = Callable[[dict[str, Any]], None]
"""Change the parsed ``{container, snapshots, volume, …}`` in place."""


def rewrites(instance_type: str, *, name: str, changes: Sequence[Change]) -> Mapping[str, Rewrite]:
    """Rewrite both files of a portable export alike; ``name`` is what a bare import will use."""

    def rewrite_index(content: bytes) -> bytes:
        index = load_definition(content)
        index["name"] = name
        if isinstance(index.get("config"), dict):
            for change in changes:
                change(index["config"])
        return dump_definition(index)

    def rewrite_definition(content: bytes) -> bytes:
        document = load_definition(content)
        for change in changes:
            change(document)
        return dump_definition(document)

    return {INDEX: rewrite_index, f"{_FOLDERS[instance_type]}/backup.yaml": rewrite_definition}


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
