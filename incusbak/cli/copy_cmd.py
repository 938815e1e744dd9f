"""``incus-backup copy``."""

import click
from attrs import evolve

from ..engine.copying import copy_goals, missing_copies
from ..engine.selecting import Selection
from ..errors import RepositoryError, UsageError
from ..model.backups import Catalog, RepositoryIdentity
from ..model.inventory import Inventory
from ..model.refs import BackupId
from .offline import OfflineSession, existing_catalog
from .options import Settings, global_options
from .pinging import PingingCommand
from .resources import PLURALS, read_request, read_stored
from .workflow import run_now


@click.command(cls=PingingCommand)
@click.argument("resource", metavar="[all|instances|volumes|images|config]", default="all")
@click.argument("names", nargs=-1)
@click.option("--from", "source_uri", required=True, metavar="URI", help="The repository to copy from.")
@click.option(
    "--to", "target_uri", default="", metavar="URI", help="The one to copy into.  [default: --target]"
)
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@global_options
@click.pass_obj
def copy(
    settings: Settings, resource: str, names: tuple[str, ...], source_uri: str, target_uri: str, out: str
) -> int:
    """Copy backups into another repository, under the same names. No server is asked.

    What is there already stays as it is. Every byte is compared with its checksum on the way. Backups known
    to be damaged are not copied, nor those that were removed from the other repository and can be taken back
    there. Pins and notes stay behind.
    """
    request = read_request(resource, names, settings.project, known=PLURALS)
    source = OfflineSession(evolve(settings, target=source_uri, backend=""))
    session = OfflineSession(evolve(settings, target=target_uri or settings.target))
    if source.repository.uri == session.repository.uri:
        raise UsageError(f"--from and --to are the same repository, {session.repository.uri}")
    stored = read_stored(source, request, existing_catalog(source))
    identity = RepositoryIdentity(stored.catalog.repository_id, source.repository.uri)

    def choose(_: Inventory, catalog: Catalog) -> Selection:
        if catalog.repository_id == identity.id:
            raise UsageError(f"{identity.uri} and {session.repository.uri} are the same repository")
        backups, left_out, missed = missing_copies(request, stored, catalog, session.kinds)
        sizes = {backup: _size(source, backup) for backup in backups}
        return Selection(copy_goals(sizes, identity), left_out, missed=missed)

    return run_now(session, choose, kinds=request.kinds, out=out)


def _size(source: OfflineSession, backup: BackupId) -> int | None:
    """How much is to be copied; None where the manifest can't be read, which is told when its turn comes."""
    try:
        return source.repository.manifest(backup).manifest.size_bytes
    except RepositoryError:
        return None
