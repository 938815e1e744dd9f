"""``incus-backup restore``."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from ..engine.selection.policy import Selection, selection_of
from ..engine.selection.requests import Request, restore_goals
from ..errors import UsageError
from ..model.backups import Catalog
from ..model.goals import RestoreOptions
from ..model.inventory import Inventory
from ..model.policies import Exactly, Identity, IfPresent, Latest, Maps, Version, Volumes
from ..model.refs import BadAddress, parse_timestamp
from .going_on import intent_of
from .offline import check_there
from .options import Settings, global_options
from .pinging import PingingCommand
from .resources import WORDS, read_request, read_stored
from .session import Session
from .telling import deeds_option
from .times import moment_of
from .workflow import run_now, show_only

_MAPPED = ("pool", "network", "project", "profile")


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


def _maps_of_each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--pool-map OLD=NEW`` and its like."""
    for what in reversed(_MAPPED):
        option = click.option(
            f"--{what}-map",
            multiple=True,
            type=Renaming(),
            metavar="OLD=NEW",
            help=f"Use {what} NEW where the backup says OLD; repeatable.",
        )
        function = option(function)
    return function


def version_option(several: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option that names a backup; ``several``: what there can be more of than one, in words."""
    return click.option(
        "--version",
        type=VersionType(),
        default="latest",
        metavar="TS|latest",
        help=f"Which backup; of several {several}, the newest good one of each that is not after it.",
    )


def at_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--at TIME``, and the time zone of that."""
    at = click.option(
        "--at",
        default="",
        metavar="TIME",
        help="The newest good backup of each that is not after a timestamp, an ISO date with or without "
        "time, or an age such as 2d.",
    )
    zone = click.option("--timezone", default="UTC", show_default=True, help="Time zone of --at.")
    return at(zone(function))


def version_meant(version: Version, at: str, timezone: str) -> Version:
    """Which backups are meant by the two options that say so.

    Raises:
        UsageError: both do, or a time is none.
    """
    if at and version != Latest():
        raise UsageError("--version and --at contradict each other")
    return Latest(moment_of(at, "--at", timezone)) if at else version


@click.command(cls=PingingCommand)
@click.argument("resource", metavar="|".join(WORDS))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@version_option("resources")
@at_option
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
@click.option(
    "--without-device",
    "without_devices",
    multiple=True,
    metavar="NAME",
    help="Leave a device of the instance out, such as a disk of another host; repeatable.",
)
@click.option(
    "--volumes",
    type=click.Choice([volumes.value for volumes in Volumes]),
    help="Which custom volumes come back with the instances that use them; all: also in place of what is "
    "there. [default: missing]",
)
@click.option("--apply", "applies", is_flag=True, help="Make the changes that `config` shows.")
@click.option("--prune-config", is_flag=True, help="Delete entities that the backup does not know.")
@_maps_of_each
@click.option("--again", is_flag=True, help="Restore all anew, also what an interrupted run finished.")
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@deeds_option(only_shows=lambda options: options["resource"] == "config" and not options["applies"])
@global_options
@click.pass_obj
def restore(settings: Settings, /, resource: str, names: tuple[str, ...], **flags: Any) -> int:
    """Bring back what the repository holds. No names: all of the project; a volume is named POOL/NAME.

    After a plural, names may be globs, in quotes; one with ! in front excludes. `config` takes the addresses
    of its entities, such as 'profile/default/*'.

    Where a run of the same command was killed or stopped, or failed in part, the next one goes on with it,
    for a day: what it brought back and is as it was then counts as done.
    """
    request = read_request(resource, names, settings.project)
    _refuse_contradictions(request, flags)
    version = version_meant(flags["version"], flags["at"], flags["timezone"])
    session = Session(settings)
    volumes = Volumes(flags["volumes"] or Volumes.MISSING)

    def choose(_: Inventory, catalog: Catalog) -> Selection:
        check_there(session, catalog)
        goals, choice = restore_goals(
            request,
            read_stored(session, request, catalog),
            version=version,
            target_name=flags["target_name"],
            if_present=_if_present(session, request, flags),
            options=RestoreOptions(
                maps=_maps(flags),
                identity=Identity(flags["identity"]),
                start=not flags["no_start"],
                without_devices=tuple(sorted(set(flags["without_devices"]))),
            ),
            volumes=volumes,
            prune=flags["prune_config"],
            kinds=session.kinds,
        )
        return selection_of(goals, choice, catalog)

    looked_at = {*request.kinds, "instance", *(["volume"] if volumes is Volumes.ALL else [])}
    if request.kinds == ("config",) and not (flags["applies"] or flags["out"]):
        return show_only(session, choose, kinds=looked_at, form=flags["output"])
    told = {name: value for name, value in flags.items() if name not in ("again", "out", "output")}
    told["if_present"] = _if_present(session, request, flags)
    words = ("restore", resource, *names)
    intent = intent_of(session, words, told, is_lasting=True, again=flags["again"])
    form = flags["output"]
    return run_now(session, choose, kinds=looked_at, out=flags["out"], intent=intent, form=form)


def _refuse_contradictions(request: Request, flags: Mapping[str, Any]) -> None:
    if flags["replace"] and flags["skip_existing"]:
        raise UsageError("--replace and --skip-existing contradict each other")
    chosen = [flag for flag, says in _choosing(flags) if says]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} contradict each other")
    if flags["applies"] and request.kinds != ("config",):
        raise UsageError(
            "--apply goes with `restore config` only", hint="what to restore is confirmed by --yes"
        )
    if flags["prune_config"] and "config" not in request.kinds:
        raise UsageError("--prune-config goes with `restore config` and `restore all` only")
    if flags["without_devices"] and "instance" not in request.kinds:
        raise UsageError("--without-device goes with instances only")
    if flags["volumes"] and request.kinds != ("instance",):
        raise UsageError("--volumes goes with `restore instance` and `restore instances` only")
    if flags["volumes"] == Volumes.ALL and flags["skip_existing"]:
        raise UsageError(
            "--volumes all and --skip-existing contradict each other",
            hint="--volumes missing leaves what is there",
        )
    if flags["target_name"] and {"image", "config"} & set(request.kinds):
        raise UsageError("--target-name goes with one instance or volume only")


def _choosing(flags: Mapping[str, Any]) -> tuple[tuple[str, bool], ...]:
    """The flags that say which backup, and whether they do."""
    return (
        ("--latest", flags["latest"]),
        ("--version", flags["version"] != Latest()),
        ("--at", bool(flags["at"])),
    )


def _maps(flags: Mapping[str, Any]) -> Maps:
    return Maps(**{f"{what}s": dict(flags[f"{what}_map"]) for what in _MAPPED})


def _if_present(session: Session, request: Request, flags: Mapping[str, Any]) -> IfPresent:
    """Without a conflict flag: ask on a terminal, by way of the plan's confirmation; else refuse.

    The configuration is there for changes: it shows them, and --apply makes them.
    """
    if flags["skip_existing"]:
        return IfPresent.SKIP
    asks = session.is_interactive and not (session.settings.yes or session.settings.force)
    agrees = flags["replace"] or asks or request.kinds == ("config",)
    return IfPresent.REPLACE if agrees else IfPresent.FAIL
