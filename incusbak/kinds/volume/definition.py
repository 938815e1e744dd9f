"""Definitions of volumes: what is compared, and what an archive says. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...model.documents import Json
from ...model.refs import ResourceRef
from ..archive import Rewrite
from ..marks import MARK
from ..yaml_members import INDEX, dump_definition, load_definition

DEPENDENT = "dependent"
"""The key by which the server knows a volume that is part of an instance (Incus 7.0)."""
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


def part_of(document: Json, users: Iterable[ResourceRef]) -> ResourceRef | None:
    """Tell the instance of a dependent disk: the volume is in its archive. None: it is nobody's."""
    instances = (ref for ref in users if ref.kind == "instance")
    return next(instances, None) if document.get("config", {}).get(DEPENDENT) == "true" else None


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
    """Have the import marked from its first moment; ``created_at`` empty: the original's.

    A volume that comes back by itself is part of no instance, whatever it was.
    """

    def change(volume: dict[str, Any]) -> None:
        kept = {k: v for k, v in (volume.get("config") or {}).items() if k != DEPENDENT}
        volume["config"] = {**kept, **marks}
        if created_at:
            volume["created_at"] = created_at

    return change
