"""Definitions of volumes: what is compared, and what an archive says. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...model.admissions import Admission
from ...model.documents import Json
from ..archive import Rewrite
from ..marks import MARK
from ..values import size_of
from ..yaml_members import INDEX, dump_definition, load_definition, size_as_written, too_large

ID_MAP = "volatile.idmap."
"""Prefix of the keys that say how the files lie on the disk."""

Change = Callable[[dict[str, Any]], None]
"""Change the volume's own document in an archive."""


def comparable(document: Json) -> Json:
    """Take what a person would compare: no volatile keys, none of this tool's marks."""
    config = {
        key: value
        for key, value in document.get("config", {}).items()
        if not key.startswith(("volatile.", MARK))
    }
    content = document.get("content_type", "filesystem")
    return {"config": config, "content_type": content, "description": document.get("description", "")}


def admission(document: Json, project: Json) -> Admission:
    """Tell whether a project that limits the size of what is in it takes a volume."""
    if not (project.get("config") or {}).get("limits.disk"):
        return Admission()
    size = size_of(str(document["config"].get("size", "")))
    if size is None:
        return Admission(("it has no size, which the project demands",))
    return Admission(needs={"disk": size})


def caveats(resource: Json, snapshots: Iterable[Json]) -> tuple[str, ...]:
    """Say why servers may not take a backup back."""
    size = size_as_written({"volume": dict(resource), "volume_snapshots": list(map(dict, snapshots))})
    return too_large(size, "its definition and those of its snapshots", "servers")


def rewrites(*, name: str, change: Change) -> Mapping[str, Rewrite]:
    """Rewrite the index, all that the server reads of a volume; ``name`` is what a bare import will use."""

    def rewrite(content: bytes) -> bytes:
        index = load_definition(content)
        index["name"] = name
        config = index.get("config")
        volume = config.get("volume") if isinstance(config, dict) else None
        if isinstance(volume, dict):
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
    """Have the import marked from its first moment; ``created_at`` empty: the original's."""

    def change(volume: dict[str, Any]) -> None:
        volume["config"] = {**(volume.get("config") or {}), **marks}
        if created_at:
            volume["created_at"] = created_at

    return change
