"""``incus-backup list``."""

from typing import Any

import click

from ..engine.naming import stored_backups
from ..errors import RepositoryError
from ..model.backups import Manifest
from ..model.inventory import Resource
from ..model.refs import BackupId
from ..render import humanize_bytes, render_table
from .options import Command, Settings, global_options
from .output import as_data
from .resources import PLURALS, read_request, read_stored
from .session import Session

_COLUMNS: dict[str, tuple[str, ...]] = {
    "instances": ("project", "name", "timestamp", "size", "consistency", "server"),
    "volumes": ("project", "pool", "name", "timestamp", "size", "consistency", "server"),
    "images": ("fingerprint", "aliases", "timestamp", "size", "server"),
    "config": ("timestamp", "entities", "size", "server"),
    "all": ("kind", "what", "timestamp", "size", "consistency", "server"),
}
_FINGERPRINT_DIGITS = 12


@click.command(cls=Command, name="list")
@click.argument("resource", metavar="|".join(PLURALS))
@click.argument("names", nargs=-1)
@click.option("--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
@global_options
@click.pass_obj
def list_(settings: Settings, resource: str, names: tuple[str, ...], output: str) -> None:
    """Show what the repository holds. No names: all of the project."""
    request = read_request(resource, names, settings.project, known=PLURALS)
    session = Session(settings)
    stored = read_stored(session, request, session.repository.catalog())
    backups = stored_backups(request, stored, session.kinds)
    found = [(backup, _manifest(session, backup)) for backup in backups]
    if output == "table":
        columns = _COLUMNS[resource]
        rows = [[_cell(column, *pair, session) for column in columns] for pair in found]
        click.echo(render_table([column.upper() for column in columns], rows), nl=False)
    else:
        click.echo(as_data([_fields(*pair, session) for pair in found], output), nl=False)


def _manifest(session: Session, backup: BackupId) -> Manifest | None:
    """One damaged backup must not hide the others."""
    try:
        return session.repository.manifest(backup).manifest
    except RepositoryError as error:
        session.warn(f"{backup}: {error.message}")
        return None


def _cell(column: str, backup: BackupId, manifest: Manifest | None, session: Session) -> str:
    ref = backup.ref
    match column:
        case "kind" | "project" | "pool" | "name":
            return str(getattr(ref, column))
        case "what":
            return "/".join(ref.path) if ref.kind != "image" else ref.name[:_FINGERPRINT_DIGITS]
        case "fingerprint":
            return ref.name[:_FINGERPRINT_DIGITS]
        case "timestamp":
            return backup.timestamp
    if manifest is None:
        return "damaged" if column in ("consistency", "aliases", "entities") else "?"
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


def _fields(backup: BackupId, manifest: Manifest | None, session: Session) -> dict[str, Any]:
    ref = backup.ref
    parts = {part: value for part in ("project", "pool", "name") if (value := getattr(ref, part))}
    fields = {"address": backup.address, "kind": ref.kind, **parts, "timestamp": backup.timestamp}
    if manifest is None:
        return fields | {"damaged": True}
    fields |= {
        "damaged": False,
        "size_bytes": manifest.size_bytes,
        "content_bytes": manifest.captured.content_bytes,
        "consistency": manifest.captured.consistency.value,
        "method": manifest.captured.method.value,
        "server": manifest.source.name,
    }
    match ref.kind:
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
