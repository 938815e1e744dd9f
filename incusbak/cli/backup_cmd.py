"""``incus-backup backup``."""

import click
from click.core import ParameterSource

from ..engine.selection.policy import Selection
from ..engine.selection.requests import backup_goals
from ..errors import UsageError
from ..model.backups import Catalog, Compression, ExportWishes
from ..model.inventory import Inventory
from ..model.policies import Images
from .going_on import intent_of
from .options import Settings, global_options
from .pinging import PingingCommand
from .resources import WORDS, read_request
from .session import Session
from .telling import deeds_option
from .workflow import run_now


@click.command(cls=PingingCommand)
@click.argument("resource", metavar="|".join(WORDS))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--images",
    type=click.Choice([images.value for images in Images]),
    help="Images to back up with instances.  [default: referenced]",
)
@click.option("--no-snapshot", is_flag=True, help="Export the moving tree instead of a point in time.")
@click.option("--optimized", is_flag=True, help="Use the storage driver's own format (btrfs, zfs).")
@click.option(
    "--compression",
    type=click.Choice([c.value for c in Compression]),
    help="How archives are stored.  [default: zstd; none for restic:]",
)
@click.option("--again", is_flag=True, help="Make all anew, also what an interrupted run finished.")
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@deeds_option()
@global_options
@click.pass_context
def backup(
    ctx: click.Context,
    resource: str,
    names: tuple[str, ...],
    images: str | None,
    no_snapshot: bool,
    optimized: bool,
    compression: str | None,
    again: bool,
    out: str,
    output: str,
) -> int:
    """Back up now. No names: all of the project; a volume is named POOL/NAME.

    After a plural, names may be globs, in quotes; one with ! in front excludes.

    Where a run of the same command was killed or stopped, the next one goes on with it: the backups that it
    made in the last six hours count as made.
    """
    settings: Settings = ctx.obj
    request = read_request(resource, names, settings.project)
    said = ctx.get_parameter_source("images") is ParameterSource.COMMANDLINE
    takes_images = "instance" in request.kinds
    if said and not takes_images:
        raise UsageError(f"--images goes with all and instances, not with {resource}")
    with_images = Images(images or "referenced") if takes_images else Images.NONE
    wanted = Compression(compression) if compression else None
    options = ExportWishes(not no_snapshot, optimized, wanted)
    session = Session(settings)

    def choose(inventory: Inventory, _: Catalog) -> Selection:
        goals, missed = backup_goals(request, inventory, options, images=with_images, kinds=session.kinds)
        return Selection(goals, missed=missed)

    looked_at = {*request.kinds, *(["image"] if with_images is not Images.NONE else [])}
    told = {"images": with_images, "options": options}
    intent = intent_of(session, ("backup", resource, *names), told, again=again)
    return run_now(session, choose, kinds=looked_at, out=out, intent=intent, form=output)
