"""What an entity is, apart from what the server adds: to store, to compare, to send. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...model.documents import Json
from ...model.refs import ResourceRef
from .references import names_itself
from .rows import EntityRow

_NOISE = ("location", "locations", "managed", "status", "used_by")
_SOURCE = "source"
_GIVEN_SOURCE = "volatile.initial_source"
_WIPE = "source.wipe"
_SIZE = re.compile(r"(\d+) ?(?:([kKMGTPE])(i?))?B?")
_ON_BY_DEFAULT = (
    "features.images",
    "features.profiles",
    "features.storage.buckets",
    "features.storage.volumes",
)


def tidied(row: EntityRow, document: Json, where: ResourceRef) -> Json:
    """Drop what changes by itself and add what makes the address, which some answers leave out.

    Args:
        where: anything in the same project and with the same parent.
    """
    found = {k: value or row.writable.get(k, value) for k, value in document.items() if k not in _NOISE}
    if "config" in found:
        found["config"] = _lasting(found["config"] or {})
    if row.has_project:
        found["project"] = document.get("project") or where.project
    if row.parent:
        found[row.parent] = where.parent
    return found


def _lasting(config: Json) -> Json:
    given = {_SOURCE: config[_GIVEN_SOURCE]} if _GIVEN_SOURCE in config else {}
    return {key: value for key, value in config.items() if not key.startswith("volatile.")} | given


def comparable(row: EntityRow, document: Json) -> dict[str, Any]:
    """Take what can be given, with nothing left out; see ``ports.Entity``."""
    found = {key: _plain(document.get(key) or empty) for key, empty in row.writable.items()}
    if "config" in found:
        config = found["config"].items()
        found["config"] = {key: value for key, value in config if _is_compared(row, key, value)}
    return {key: document[key] for key in row.fixed if document.get(key)} | found


def _plain(value: Any) -> Any:
    """Drop members of rules, ports and the like that say nothing: which ones are told differs by version."""
    if not isinstance(value, list | tuple):
        return value
    return [{k: v for k, v in each.items() if v} if isinstance(each, Mapping) else each for each in value]


def _is_compared(row: EntityRow, key: str, value: str) -> bool:
    if key.startswith("volatile."):
        return False
    if row.name == "pool":  # a pool can't be moved; and what lies on a disk must not be wiped by a restore
        return key not in (_SOURCE, _WIPE)
    return not (row.name == "project" and key.startswith("features.") and value == "false")


def own_description(ref: ResourceRef) -> str:
    """Say how the server describes what it makes by itself, with itself or with a project."""
    words = f"Default Incus {ref.kind}"
    return words if ref.project in ("", "default") else f"{words} for project {ref.project}"


def said(row: EntityRow, document: Json, own_description: str) -> Json:
    """Take what somebody said of what the server made by itself; nothing if it is as it was made."""
    found = comparable(row, document)
    if found.get("description") == own_description:
        del found["description"]
    if row.name == "project":  # the server gives its own all the features that there are
        config = found["config"].items()
        found["config"] = {k: v for k, v in config if (k.startswith("features."), v) != (True, "true")}
    return {key: value for key, value in found.items() if value}


def chosen_source(pool: Json) -> Mapping[str, str]:
    """Tell where a person put a pool; empty if it is where the server puts pools by itself.

    That is a folder or a disk image of the pool's name below the server's own folder, which may be another
    one on another host.
    """
    config, name = pool.get("config") or {}, pool["name"]
    source = str(config.get(_GIVEN_SOURCE) or config.get(_SOURCE) or "")
    if not source or source.endswith((f"/storage-pools/{name}", f"/disks/{name}.img")):
        return {}
    return {_SOURCE: source}


def obstacles(row: EntityRow, before: Json, wanted: Json) -> Iterator[str]:
    """Say what of a living one can't be changed."""
    for key in row.fixed:
        old, new = before.get(key) or "", wanted.get(key) or ""
        if old != new:
            yield f"its {key} is {old!r} and can't become {new!r}"
    if row.name == "pool":
        old, new = (str((each.get("config") or {}).get("size", "")) for each in (before, wanted))
        if _bytes_of(old) > _bytes_of(new):
            yield f"its size is {old} and can't become {new or 'none'}"


def _bytes_of(size: str) -> int:
    """Read a size as people write it; 0 if it is none."""
    match = _SIZE.fullmatch(size.strip())
    if match is None:
        return 0
    number, unit, binary = match.groups(default="")
    factor: int = (1024 if binary else 1000) ** " KMGTPE".index(unit.upper() or " ")
    return int(number) * factor


def to_create(row: EntityRow, ref: ResourceRef, wanted: Json) -> dict[str, Any]:
    """Make the body of a POST.

    A project gets features unless told otherwise, and an ACL can't name itself before it is there.
    """
    body = {**wanted, row.key: ref.name}
    if row.name == "project":
        body["config"] = dict.fromkeys(_ON_BY_DEFAULT, "false") | wanted["config"]
    if row.name == "acl":
        body |= {way: _of_others(ref.name, wanted[way]) for way in ("ingress", "egress")}
    return body


def _of_others(name: str, rules: Iterable[Json]) -> list[Json]:
    return [rule for rule in rules if not names_itself(name, rule)]


def to_update(row: EntityRow, present: Json, wanted: Json) -> dict[str, Any]:
    """Make the body of a PUT, which replaces everything: what is the server's own stays as it is."""
    body = {**present, **{key: wanted[key] for key in row.writable if key in wanted}}
    if "config" in row.writable:
        config = {key: value for key, value in body["config"].items() if _is_compared(row, key, value)}
        body["config"] = _kept(row, present.get("config") or {}, config) | config
    return body


def _kept(row: EntityRow, present: Json, config: Json) -> dict[str, Any]:
    """The keys that no comparison sees; the PUT of a pool fails without its source."""
    return {k: v for k, v in present.items() if k not in config and not _is_compared(row, k, v)}
