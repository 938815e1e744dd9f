"""``incus-backup pin``, ``unpin``, ``accept`` and ``undelete``: say something of one backup."""

from collections.abc import Callable

import click

from ..engine.selecting import Selection
from ..engine.tending import accept_goal, mark_goal, undelete_goal
from ..errors import UsageError
from ..model.backups import Catalog
from ..model.goals import Goal
from ..model.inventory import Inventory
from ..model.refs import BackupId, BadAddress, parse_backup_id
from .offline import OfflineSession, existing_catalog
from .options import Command, Settings, global_options
from .workflow import run_now


@click.command(cls=Command)
@click.argument("address", metavar="ADDRESS@TIMESTAMP")
@global_options
@click.pass_obj
def pin(settings: Settings, address: str) -> int:
    """Keep a backup whatever the rules say. They do not count it."""
    return _run(settings, address, lambda backup, catalog: mark_goal(backup, catalog, pinned=True))


@click.command(cls=Command)
@click.argument("address", metavar="ADDRESS@TIMESTAMP")
@global_options
@click.pass_obj
def unpin(settings: Settings, address: str) -> int:
    """Leave a pinned backup to the rules again."""
    return _run(settings, address, lambda backup, catalog: mark_goal(backup, catalog, pinned=False))


@click.command(cls=Command)
@click.argument("address", metavar="ADDRESS@TIMESTAMP")
@global_options
@click.pass_obj
def accept(settings: Settings, address: str) -> int:
    """Say that a backup may hold as little as it does. Older ones are then left to the rules again."""
    return _run(settings, address, accept_goal)


@click.command(cls=Command)
@click.argument("address", metavar="ADDRESS@TIMESTAMP")
@global_options
@click.pass_obj
def undelete(settings: Settings, address: str) -> int:
    """Take back the removal of a backup. That works until it is deleted for good."""
    return _run(settings, address, undelete_goal)


def _run(settings: Settings, address: str, goal: Callable[[BackupId, Catalog], Goal]) -> int:
    try:
        backup = parse_backup_id(address)
    except BadAddress as error:
        raise UsageError(str(error), hint="such as instance/default/web@20261101T020000Z") from error
    session = OfflineSession(settings)
    existing_catalog(session)

    def choose(_: Inventory, catalog: Catalog) -> Selection:
        return Selection((goal(backup, catalog),))

    return run_now(session, choose, kinds=(backup.ref.kind,))
