"""``incus-backup restore``."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from ..engine.naming import restore_goals
from ..errors import UsageError
from ..model.backups import Catalog
from ..model.goals import Goal, RestoreOptions
from ..model.inventory import Inventory
from ..model.policies import Exactly, Identity, IfPresent, Latest, Maps, Version
from ..model.refs import BadAddress, parse_timestamp
from .options import Command, Settings, global_options
from .resources import check_resource
from .session import Session
from .workflow import run_now


class Renaming(click.ParamType[tuple[str, str]]):
    """``OLD=NEW``."""

    name = "OLD=NEW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        old, equals, new = str(value).partition("=")
        if not (old and equals and new):
            self.fail(f"{value!r} is not of the form OLD=NEW", param, ctx)
        return old, new


class VersionType(click.ParamType[Version]):
    """``latest`` or a timestamp."""

    name = "TS|latest"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Version:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # click hands converted values in again
        if value == "latest":
            return Latest()
        try:
            parse_timestamp(value)
        except BadAddress as error:
            self.fail(str(error), param, ctx)
        return Exactly(value)


def _map(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        f"--map-{what}",
        f"{what}s",
        multiple=True,
        type=Renaming(),
        metavar="OLD=NEW",
        help=f"Use {what} NEW where the backup says OLD.",
    )


@click.command(cls=Command)
@click.argument("resource", metavar="instance|instances")
@click.argument("names", nargs=-1)
@click.option("--version", type=VersionType(), default="latest", metavar="TS|latest", help="Which backup.")
@click.option("--latest", is_flag=True, help="The newest backup of each; the default.")
@click.option("--target-name", default="", metavar="NEW", help="Restore under another name.")
@click.option("--replace", is_flag=True, help="Replace what is there.")
@click.option("--skip-existing", is_flag=True, help="Leave alone what is there.")
@click.option("--no-start", is_flag=True, help="Leave it stopped, even if it ran.")
@click.option(
    "--identity",
    type=click.Choice([identity.value for identity in Identity]),
    default=Identity.AUTO.value,
    help="Keep uuid, MAC addresses and cloud-init id, or make new ones. [default: new beside the original]",
)
@_map("pool")
@_map("network")
@_map("project")
@_map("profile")
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@global_options
@click.pass_obj
def restore(settings: Settings, /, resource: str, names: tuple[str, ...], **flags: Any) -> int:
    """Bring instances back from the repository. No names: all of the project."""
    check_resource(resource, names)
    if flags["replace"] and flags["skip_existing"]:
        raise UsageError("--replace and --skip-existing contradict each other")
    if flags["latest"] and flags["version"] != Latest():
        raise UsageError("--latest and --version contradict each other")
    session = Session(settings)

    def choose(_: Inventory, catalog: Catalog) -> tuple[Goal, ...]:
        return restore_goals(
            names,
            settings.project or "default",
            version=flags["version"],
            target_name=flags["target_name"],
            if_present=_if_present(session, flags),
            options=RestoreOptions(
                maps=_maps(flags), identity=Identity(flags["identity"]), start=not flags["no_start"]
            ),
            catalog=catalog,
            kinds=session.kinds,
        )

    return run_now(session, choose, out=flags["out"])


def _maps(flags: Mapping[str, Any]) -> Maps:
    return Maps(**{name: dict(flags[name]) for name in ("pools", "networks", "projects", "profiles")})


def _if_present(session: Session, flags: Mapping[str, Any]) -> IfPresent:
    """Without a conflict flag: ask on a terminal, by way of the plan's confirmation; else refuse."""
    if flags["skip_existing"]:
        return IfPresent.SKIP
    asks = session.is_interactive and not (session.settings.yes or session.settings.force)
    return IfPresent.REPLACE if flags["replace"] or asks else IfPresent.FAIL
