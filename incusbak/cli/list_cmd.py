"""``incus-backup list``."""

from collections.abc import Mapping
from pathlib import Path

import click
from attrs import evolve

from ..engine.selection.care import why_kept
from ..engine.selection.requests import Request, StoredResources, stored_backups
from ..engine.selection.stored import documents_to_read
from ..errors import Corrupt, RepositoryError, UsageError
from ..model.backups import Catalog, Manifest, catalog_of
from ..model.notes import Inspection
from ..model.policies import Policy
from ..model.refs import BackupId
from ..policyfile import load_policies
from .complaints import about
from .listing import Listed, show_listed, show_removed
from .offline import existing_catalog
from .options import Command, Settings, global_options
from .output import output_option
from .planning import read_documents
from .resources import WORDS, plural, read_request, read_stored
from .session import Session, now
from .targets import only_target_run_of


@click.command(cls=Command, name="list")
@click.argument("resource", metavar=f"[{'|'.join(WORDS)}]", default="all")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("-f", "--file", "files", multiple=True, metavar="POLICY", help="Show why its rules keep each.")
@click.option("--removed", is_flag=True, help="Show what was removed and can be taken back.")
@output_option("table", "json", "yaml")
@global_options
@click.pass_obj
def list_(
    settings: Settings,
    resource: str,
    names: tuple[str, ...],
    files: tuple[str, ...],
    removed: bool,
    output: str,
) -> int:
    """Show what the repository holds. No kind: all of them. No names: all of the project.

    After a plural, names may be globs, in quotes; one with ! in front excludes.

    Exit code 1: some backups can't be read, which says nothing of what they are worth.

    Only a policy's rules need the server, for they are about what lives there.
    """
    if files and removed:
        raise UsageError("--file and --removed contradict each other: no rule keeps what was removed")
    policy = load_policies([Path(file) for file in files]) if files else Policy()
    target_run = only_target_run_of(policy, settings)
    policy, session = target_run.policy, Session(target_run.settings)
    request = read_request(resource, names, settings.project)
    catalog = existing_catalog(session)
    if removed:
        there = StoredResources(catalog_of(catalog.repository_id, catalog.removed))
        found = {b: catalog.removed[b] for b in stored_backups(request, there, session.kinds)}
        click.echo(show_removed(found, output), nl=False)
        return 0
    reasons = _reasons(session, policy, catalog) if files else None
    listed = [_listed(session, catalog, backup, reasons) for backup in _backups(session, request, catalog)]
    if output == "table":
        session.info(f"Repository {session.repository.uri}:")
    click.echo(show_listed(listed, plural(resource), output, session=session, at=now()), nl=False)
    return RepositoryError.exit_code if any(each.is_unreadable for each in listed) else 0


def _backups(session: Session, request: Request, catalog: Catalog) -> tuple[BackupId, ...]:
    return stored_backups(request, read_stored(session, request, catalog), session.kinds)


def _reasons(session: Session, policy: Policy, catalog: Catalog) -> Mapping[BackupId, tuple[str, ...]]:
    """Ask the rules as a plan would."""
    inventory = session.observe(session.kinds)
    policy = evolve(policy, restore=())
    asked = documents_to_read(policy, inventory, catalog, kinds=session.kinds)
    return why_kept(policy, inventory, catalog, read_documents(session, asked), kinds=session.kinds)


def _listed(
    session: Session,
    catalog: Catalog,
    backup: BackupId,
    reasons: Mapping[BackupId, tuple[str, ...]] | None,
) -> Listed:
    """Read what is known of one backup; a damaged one must not hide the others."""
    manifest: Manifest | None = None
    problem, is_damaged = "", catalog.health(backup).damaged
    try:
        manifest = session.repository.manifest(backup).manifest
    except RepositoryError as error:
        session.warn(about(backup, error.message))
        problem = error.message
        is_damaged = is_damaged or isinstance(error, Corrupt)
    health = catalog.health(backup)
    if health.damaged and not problem:
        notes = session.repository.notes(backup)
        problem = next((n.problem for n in reversed(notes) if isinstance(n, Inspection) and n.problem), "")
    kept_by = None if reasons is None else reasons.get(backup, ())
    return Listed(backup, manifest, health, problem, kept_by, is_damaged)
