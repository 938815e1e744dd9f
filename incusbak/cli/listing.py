"""How ``list`` shows backups: as rows of a table, or as fields."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from ..engine.planning.prune import GRACE
from ..model.backups import Manifest
from ..model.inventory import Resource
from ..model.notes import BackupHealth
from ..model.refs import BackupId
from ..render import brief_duration, humanize_bytes, render_table
from .output import as_data
from .planning import columns as width_of_terminal
from .session import Session

_KNOWN = ("checked", "pinned")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "instances": ("project", "name", "timestamp", "size", "consistency", *_KNOWN, "server"),
    "volumes": ("project", "pool", "name", "timestamp", "size", "consistency", *_KNOWN, "server"),
    "images": ("fingerprint", "aliases", "timestamp", "size", *_KNOWN, "server"),
    "config": ("timestamp", "entities", "size", *_KNOWN, "server"),
    "all": ("kind", "what", "timestamp", "size", "consistency", *_KNOWN, "server"),
}
_SPARED = ("server", "consistency", "pinned", "size")
"""What a narrow terminal is not told, in the order in which it goes; data always has all."""
_FINGERPRINT_DIGITS = 12
_NOTHING, _UNREADABLE = "-", "?"


@frozen
class Listed:
    """What is known of one backup.

    ``manifest`` None: it can't be read. ``problem``: what is damaged, or why it can't be read. ``kept_by``:
    why a policy keeps it, empty where no rule of retention is about it; None: no policy was asked.
    """

    backup: BackupId
    manifest: Manifest | None
    health: BackupHealth
    problem: str
    kept_by: tuple[str, ...] | None
    is_damaged: bool = False

    @property
    def is_unreadable(self) -> bool:
        """Whether nothing is known of it now: a disk or its rights are in the way."""
        return self.manifest is None and not self.is_damaged


def show_listed(
    listed: Sequence[Listed], resource: str, output: str, *, session: Session, at: datetime
) -> str:
    """Write a row or a mapping for each backup.

    Args:
        resource: the word for what is listed, see ``resources``.
    """
    if output != "table":
        return as_data([_fields(each, session) for each in listed], output)
    columns = list(_COLUMNS[resource])
    if any(each.kept_by is not None for each in listed):
        columns.append("kept by")
    cells = {column: [_cell(column, each, session, at) for each in listed] for column in columns}
    width = width_of_terminal()
    table = _table(cells, width)
    for column in _SPARED:
        if width and max(map(len, table.splitlines())) > width:
            cells.pop(column, None)
            table = _table(cells, width)
    return table


def _table(cells: Mapping[str, Sequence[str]], width: int) -> str:
    rows = list(zip(*cells.values(), strict=True))
    return render_table([column.upper() for column in cells], rows, width=width, whole=("TIMESTAMP",))


def show_removed(removed: Mapping[BackupId, datetime], output: str) -> str:
    """Write when each backup was removed, and until when it is sure that that can be taken back."""
    if output != "table":
        found = [
            {**_name(backup), "removed": at, "recoverable_until": at + GRACE}
            for backup, at in removed.items()
        ]
        return as_data(found, output)
    rows = [
        [
            backup.ref.kind,
            _what(backup),
            backup.timestamp,
            f"{at:%Y-%m-%d %H:%M}",
            f"{at + GRACE:%Y-%m-%d %H:%M}",
        ]
        for backup, at in removed.items()
    ]
    headers = ["KIND", "WHAT", "TIMESTAMP", "REMOVED (UTC)", "RECOVERABLE UNTIL"]
    return render_table(headers, rows, width=width_of_terminal(), whole=("TIMESTAMP",))


def _cell(column: str, listed: Listed, session: Session, at: datetime) -> str:
    backup, manifest = listed.backup, listed.manifest
    match column:
        case "kind" | "project" | "pool" | "name":
            return str(getattr(backup.ref, column))
        case "what":
            return _what(backup)
        case "fingerprint":
            return backup.ref.name[:_FINGERPRINT_DIGITS]
        case "timestamp":
            return backup.timestamp
        case "checked":
            return _checked(listed, at)
        case "pinned":
            return "pinned" if listed.health.pinned else _NOTHING
        case "kept by":
            return ", ".join(listed.kept_by or ()) or _NOTHING
    return _UNREADABLE if manifest is None else _cell_of_manifest(column, backup, manifest, session)


def _cell_of_manifest(column: str, backup: BackupId, manifest: Manifest, session: Session) -> str:
    match column:
        case "size":
            return humanize_bytes(manifest.size_bytes)
        case "consistency":
            return manifest.captured.consistency.value
        case "aliases":
            return ", ".join(_aliases(backup, manifest, session))
        case "entities":
            return _counts(manifest, session)
    return manifest.source.name


def _what(backup: BackupId) -> str:
    ref = backup.ref
    return "/".join(ref.path) if ref.kind != "image" else ref.name[:_FINGERPRINT_DIGITS]


def _checked(listed: Listed, at: datetime) -> str:
    """Say how the newest inspection ended, and how long that is ago."""
    if listed.is_damaged:
        return "damaged"
    if listed.is_unreadable:
        return "can't be read"
    if listed.health.ahead:
        return "of the future"
    if listed.health.shrunk:
        return "nearly empty"
    if listed.health.inspected is None:
        return _NOTHING
    seconds = max(int((at - listed.health.inspected).total_seconds()), 0)
    return f"good {brief_duration(seconds).split()[0]}"


def _name(backup: BackupId) -> dict[str, Any]:
    ref = backup.ref
    parts = {part: value for part in ("project", "pool", "name") if (value := getattr(ref, part))}
    return {"address": backup.address, "kind": ref.kind, **parts, "timestamp": backup.timestamp}


def _fields(listed: Listed, session: Session) -> dict[str, Any]:
    backup, manifest, health = listed.backup, listed.manifest, listed.health
    fields = _name(backup) | {
        "damaged": listed.is_damaged,
        "readable": not listed.is_unreadable,
        "problem": listed.problem,
        "verified": health.inspected,
        "rehearsed": health.rehearsed,
        "pinned": health.pinned,
        "shrunk": health.shrunk,
        "future": health.ahead,
    }
    if listed.kept_by is not None:
        fields["kept_by"] = list(listed.kept_by)
    return fields if manifest is None else fields | _fields_of_manifest(backup, manifest, session)


def _fields_of_manifest(backup: BackupId, manifest: Manifest, session: Session) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "size_bytes": manifest.size_bytes,
        "content_bytes": manifest.captured.content_bytes,
        "consistency": manifest.captured.consistency.value,
        "method": manifest.captured.method.value,
        "server": manifest.source.name,
    }
    match backup.ref.kind:
        case "instance" | "volume":
            return fields | {"snapshots": [str(snapshot["name"]) for snapshot in manifest.captured.snapshots]}
        case "image":
            return fields | {"aliases": _aliases(backup, manifest, session)}
        case _:
            return fields | {"entities": [entity.ref.address for entity in _entities(manifest, session)]}


def _aliases(backup: BackupId, manifest: Manifest, session: Session) -> list[str]:
    labels = session.kinds[backup.ref.kind].labels(Resource(backup.ref, manifest.captured.resource))
    return sorted(label for label in labels if not backup.ref.name.startswith(label))


def _entities(manifest: Manifest, session: Session) -> list[Resource]:
    ordered = sorted(session.entities.values(), key=lambda entity: (entity.rank, entity.name))
    return [resource for entity in ordered for resource in entity.listed(manifest.captured.resource)]


def _counts(manifest: Manifest, session: Session) -> str:
    kinds = [resource.ref.kind for resource in _entities(manifest, session)]
    counts = {kind: kinds.count(kind) for kind in kinds}
    return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items())
