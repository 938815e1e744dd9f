"""``incus-backup pin``, ``unpin``, ``accept`` and ``undelete``: say something of backups."""

from collections.abc import Callable, Iterable

import click

from ..engine.selection.backup_names import marking_goals, read_named
from ..engine.selection.care_requests import accept_goal, mark_goal, undelete_goal
from ..engine.selection.policy import Selection
from ..errors import UsageError
from ..model.backups import Catalog
from ..model.goals import Marking
from ..model.inventory import Inventory
from ..model.refs import BackupId, BadAddress
from .offline import OfflineSession, existing_catalog
from .options import Command, Settings, global_options
from .telling import deeds_option
from .workflow import run_now


def _stored(catalog: Catalog) -> Iterable[BackupId]:
    return (backup for backups in catalog.backups.values() for backup in backups)


@click.command(cls=Command)
@click.argument("addresses", metavar="ADDRESS@TIMESTAMP...", nargs=-1, required=True)
@deeds_option()
@global_options
@click.pass_obj
def pin(settings: Settings, addresses: tuple[str, ...], output: str) -> int:
    """Keep a backup whatever the rules say. They do not count it.

    Addresses and timestamps may be globs, in quotes: 'instance/default/web-*@202611*'. If one means nothing,
    nothing is done.
    """
    return _run(settings, addresses, output, lambda backup, catalog: mark_goal(backup, catalog, pinned=True))


@click.command(cls=Command)
@click.argument("addresses", metavar="ADDRESS@TIMESTAMP...", nargs=-1, required=True)
@deeds_option()
@global_options
@click.pass_obj
def unpin(settings: Settings, addresses: tuple[str, ...], output: str) -> int:
    """Leave a pinned backup to the rules again. Globs as for `pin`."""
    return _run(settings, addresses, output, lambda backup, catalog: mark_goal(backup, catalog, pinned=False))


@click.command(cls=Command)
@click.argument("addresses", metavar="ADDRESS@TIMESTAMP...", nargs=-1, required=True)
@deeds_option()
@global_options
@click.pass_obj
def accept(settings: Settings, addresses: tuple[str, ...], output: str) -> int:
    """Say that a backup may hold as little as it does. Older ones are then left to the rules again.

    Globs as for `pin`.
    """
    return _run(settings, addresses, output, accept_goal)


@click.command(cls=Command)
@click.argument("addresses", metavar="ADDRESS@TIMESTAMP...", nargs=-1, required=True)
@deeds_option()
@global_options
@click.pass_obj
def undelete(settings: Settings, addresses: tuple[str, ...], output: str) -> int:
    """Take back the removal of a backup. That works until it is deleted for good.

    Globs as for `pin`, of what was removed; see `list --removed`.
    """
    return _run(settings, addresses, output, undelete_goal, lambda catalog: catalog.removed)


def _run(
    settings: Settings,
    addresses: tuple[str, ...],
    output: str,
    goal: Callable[[BackupId, Catalog], Marking],
    there: Callable[[Catalog], Iterable[BackupId]] = _stored,
) -> int:
    try:
        named = [read_named(address) for address in addresses]
    except BadAddress as error:
        raise UsageError(str(error), hint="such as instance/default/web@20261101T020000Z") from error
    session = OfflineSession(settings)
    existing_catalog(session)

    def choose(_: Inventory, catalog: Catalog) -> Selection:
        return Selection(marking_goals(named, there(catalog), catalog, goal))

    return run_now(session, choose, kinds=session.kinds, form=output)
