"""``incus-backup list``."""

import io
from typing import Any

import click
from ruamel.yaml import YAML

from .. import codec
from ..engine.naming import stored_backups
from ..errors import RepositoryError
from ..model.backups import Manifest
from ..model.refs import BackupId
from ..render import humanize_bytes, render_table
from .options import Command, Settings, global_options
from .resources import check_resource
from .session import Session

_HEADERS = ("PROJECT", "NAME", "TIMESTAMP", "SIZE", "CONSISTENCY", "SERVER")


@click.command(cls=Command, name="list")
@click.argument("resource", metavar="instances")
@click.argument("names", nargs=-1)
@click.option("--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
@global_options
@click.pass_obj
def list_(settings: Settings, resource: str, names: tuple[str, ...], output: str) -> None:
    """Show what the repository holds. No names: all of the project."""
    check_resource(resource, names)
    session = Session(settings)
    catalog = session.repository.catalog()
    backups = stored_backups(names, settings.project or "default", catalog)
    found = [(backup, _manifest(session, backup)) for backup in backups]
    if output == "table":
        click.echo(render_table(_HEADERS, [_row(*pair) for pair in found]), nl=False)
    else:
        click.echo(_as_data([_fields(*pair) for pair in found], output), nl=False)


def _manifest(session: Session, backup: BackupId) -> Manifest | None:
    """One damaged backup must not hide the others."""
    try:
        return session.repository.manifest(backup).manifest
    except RepositoryError as error:
        session.warn(f"{backup}: {error.message}")
        return None


def _row(backup: BackupId, manifest: Manifest | None) -> tuple[str, ...]:
    place = (backup.ref.project, backup.ref.name, backup.timestamp)
    if manifest is None:
        return (*place, "?", "damaged", "?")
    size = humanize_bytes(manifest.size_bytes)
    return (*place, size, manifest.captured.consistency.value, manifest.source.name)


def _fields(backup: BackupId, manifest: Manifest | None) -> dict[str, Any]:
    fields = {
        "address": backup.address,
        "project": backup.ref.project,
        "name": backup.ref.name,
        "timestamp": backup.timestamp,
        "damaged": manifest is None,
    }
    if manifest is None:
        return fields
    return fields | {
        "size_bytes": manifest.size_bytes,
        "content_bytes": manifest.captured.content_bytes,
        "consistency": manifest.captured.consistency.value,
        "method": manifest.captured.method.value,
        "server": manifest.source.name,
        "snapshots": [str(snapshot["name"]) for snapshot in manifest.captured.snapshots],
    }


def _as_data(rows: list[dict[str, Any]], output: str) -> str:
    if output == "json":
        return codec.dump(rows)
    text = io.StringIO()
    yaml = YAML()
    yaml.dump(rows, text)
    return text.getvalue()
