"""``incus-backup backup``."""

import click

from ..engine.naming import backup_goals
from ..model.backups import Catalog, Compression, ExportOptions
from ..model.goals import Goal
from ..model.inventory import Inventory
from .options import Command, Settings, global_options
from .resources import check_resource
from .session import Session
from .workflow import run_now


@click.command(cls=Command)
@click.argument("resource", metavar="instances")
@click.argument("names", nargs=-1)
@click.option("--no-snapshot", is_flag=True, help="Export the moving tree instead of a point in time.")
@click.option("--optimized", is_flag=True, help="Use the storage driver's own format (btrfs, zfs).")
@click.option(
    "--compression",
    type=click.Choice([c.value for c in Compression]),
    default=Compression.ZSTD.value,
    show_default=True,
    help="How archives are stored.",
)
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@global_options
@click.pass_obj
def backup(
    settings: Settings,
    resource: str,
    names: tuple[str, ...],
    no_snapshot: bool,
    optimized: bool,
    compression: str,
    out: str,
) -> int:
    """Back up now. No names: all of the project."""
    check_resource(resource, names)
    options = ExportOptions(not no_snapshot, optimized, Compression(compression))

    def choose(inventory: Inventory, _: Catalog) -> tuple[Goal, ...]:
        return backup_goals(names, settings.project or "default", inventory, options)

    return run_now(Session(settings), choose, out=out)
