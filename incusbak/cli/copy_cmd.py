"""``incus-backup copy``."""

import click
from attrs import evolve

from ..engine.planning.copy import copy_goals, missing_copies
from ..engine.selection.policy import Selection
from ..engine.selection.requests import stored_backups
from ..errors import RepositoryError, UsageError
from ..model.backups import Catalog, RepositoryIdentity
from ..model.inventory import Inventory
from ..model.refs import BackupId
from .offline import OfflineSession, existing_catalog
from .options import Settings, global_options
from .pinging import PingingCommand
from .resources import WORDS, read_request, read_stored
from .telling import deeds_option
from .workflow import run_now


@click.command(cls=PingingCommand)
@click.argument("resource", metavar=f"[{'|'.join(WORDS)}]", default="all")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--from", "source_uri", required=True, metavar="URI", help="The repository to copy from.")
@click.option(
    "--to", "target_uri", default="", metavar="URI", help="The one to copy into.  [default: --target]"
)
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@click.option(
    "--new-id", is_flag=True, help="First give the repository --to an id of its own, if both have one."
)
@deeds_option()
@global_options
@click.pass_obj
def copy(
    settings: Settings,
    resource: str,
    names: tuple[str, ...],
    source_uri: str,
    target_uri: str,
    out: str,
    new_id: bool,
    output: str,
) -> int:
    """Copy backups into another repository, under the same names. No server is asked.

    What is there already stays as it is. Every byte is compared with its checksum on the way. Backups known
    to be damaged are not copied, nor those that were removed from the other repository and can be taken back
    there. Pins and notes stay behind.

    A repository whose files were copied from another's has its id as well, which is warned of; --new-id mends
    that. Plans that were made for it before are stale then.
    """
    request = read_request(resource, names, settings.project)
    source = OfflineSession(evolve(settings, target=source_uri, backend=""))
    session = OfflineSession(evolve(settings, target=target_uri or settings.target))
    if source.repository.place == session.repository.place:
        raise UsageError(f"--from and --to are the same repository, {session.repository.uri}")
    if new_id and out:
        raise UsageError("--new-id is done at once, it can't be saved as a plan", hint="leave out --out")
    stored = read_stored(source, request, existing_catalog(source))
    if new_id:
        _renew_id(session, stored.catalog.repository_id)
    identity = RepositoryIdentity(stored.catalog.repository_id, source.repository.uri)

    def choose(_: Inventory, catalog: Catalog) -> Selection:
        backups, left_out, missed = missing_copies(
            request, stored, catalog, session.kinds, uri=source.repository.uri
        )
        sizes = {backup: _size(source, backup) for backup in backups}
        twins = _twins(identity, RepositoryIdentity(catalog.repository_id, session.repository.uri))
        wanted = {backup.ref.address for backup in stored_backups(request, stored, session.kinds)}
        goals, warnings = copy_goals(sizes, identity), (*twins, *left_out)
        return Selection(goals, warnings, missed=missed, addresses=tuple(sorted(wanted)))

    return run_now(session, choose, kinds=request.kinds, out=out, form=output)


def _twins(source: RepositoryIdentity, target: RepositoryIdentity) -> tuple[str, ...]:
    """Warn of two repositories that pass for one: what one run knows of a place is then true of neither."""
    if source.id != target.id:
        return ()
    return (
        f"{source.uri} and {target.uri} have the same id: one was made by copying the files of the other; "
        f"`incus-backup copy --from {source.uri} --to {target.uri} --new-id` gives the second one of its own",
    )


def _renew_id(session: OfflineSession, source_id: str) -> None:
    """Give a copy of the repository's files an id of its own; fine if it has one."""
    repository, settings = session.repository, session.settings
    if repository.catalog().repository_id != source_id:
        session.info(f"{repository.uri} has an id of its own.")
        return
    if settings.dry_run:
        session.info(f"{repository.uri} would get an id of its own.")
        return
    with (
        repository.lock(writing=True, wait_seconds=settings.lock_wait),
        repository.exclusive(lambda: None),
    ):
        repository.renew_id()
    session.info(f"{repository.uri} has an id of its own now; plans that were made for it are stale.")


def _size(source: OfflineSession, backup: BackupId) -> int | None:
    """How much is to be copied; None where the manifest can't be read, which is told when its turn comes."""
    try:
        return source.repository.manifest(backup).manifest.size_bytes
    except RepositoryError:
        return None
