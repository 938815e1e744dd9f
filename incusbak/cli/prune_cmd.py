"""``incus-backup prune``."""

import zoneinfo
from datetime import datetime, timedelta
from typing import Any

import click

from ..engine.retention import simulate
from ..engine.selection.care_requests import prune_goals
from ..engine.selection.policy import Selection
from ..errors import UsageError
from ..model.actions import Kept
from ..model.backups import Catalog
from ..model.inventory import Inventory
from ..model.policies import Keep
from ..policyfile import parse_keep
from ..render import render_table
from .offline import OfflineSession, existing_catalog
from .options import Settings, global_options
from .output import as_data
from .pinging import PingingCommand
from .resources import WORDS, read_kinds
from .session import now
from .telling import deeds_option
from .times import zone_of
from .workflow import run_now


class KeepType(click.ParamType[Keep]):
    """``daily=7,weekly=4,within=48h``."""

    name = "RULES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Keep:
        if isinstance(value, Keep):
            return value
        try:
            return parse_keep(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(cls=PingingCommand)
@click.argument("resources", metavar=f"[{'|'.join(WORDS)}]…", nargs=-1)
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Keep the N newest of each.")
@click.option(
    "--policy", "rules", type=KeepType(), metavar="RULES", help="Keep by rules: daily=7,weekly=4,monthly=12."
)
@click.option("--timezone", default="UTC", show_default=True, help="Time zone of the calendar.")
@click.option("--purge-now", is_flag=True, help="Delete for good, also what was removed before.")
@click.option("--simulate", type=click.IntRange(1, 36500), metavar="DAYS", help="Show what is kept in time.")
@click.option("--out", default="", metavar="FILE", help="Save the plan instead of carrying it out.")
@deeds_option(only_shows=lambda options: options["simulate"])
@global_options
@click.pass_obj
def prune(
    settings: Settings,
    resources: tuple[str, ...],
    keep: int | None,
    rules: Keep | None,
    timezone: str,
    purge_now: bool,
    simulate: int | None,
    out: str,
    output: str,
) -> int:
    """Remove backups that no rule wants to keep. The newest good one stays. No server is asked."""
    wanted = _rules(keep, rules, purges=purge_now)
    zone = zone_of(timezone)
    if simulate:
        _show_simulation(wanted, zone, simulate, output)
        return 0
    request = read_kinds(resources, settings.project)
    session = OfflineSession(settings)
    existing_catalog(session)

    def choose(_: Inventory, catalog: Catalog) -> Selection:
        return Selection(prune_goals(request, catalog, wanted, timezone=timezone, purge=purge_now))

    return run_now(session, choose, kinds=request.kinds, out=out, form=output)


def _rules(keep: int | None, rules: Keep | None, *, purges: bool) -> Keep:
    if keep and rules:
        raise UsageError("--keep and --policy contradict each other")
    if not keep and not rules and not purges:
        raise UsageError("nothing says what to keep", hint="use --keep N, or --policy daily=7,weekly=4")
    return Keep(last=keep) if keep else rules or Keep(all=True)


def _show_simulation(keep: Keep, zone: zoneinfo.ZoneInfo, days: int, output: str) -> None:
    """Show what would be there after so many days with a backup each day, the newest first."""
    kept = simulate(keep, zone=zone, start=now() - timedelta(days=days), days=days)
    newest = kept[-1].backup.created
    rows = [
        (f"{each.backup.created.astimezone(zone):%Y-%m-%d}", _days(newest, each), each.reasons)
        for each in reversed(kept)
    ]
    if output == "json":
        found = [{"day": day, "age_days": int(age), "kept_by": list(why)} for day, age, why in rows]
        click.echo(as_data(found, output), nl=False)
        return
    table = [(day, age, ", ".join(reasons)) for day, age, reasons in rows]
    click.echo(render_table(["DAY", "AGE IN DAYS", "KEPT BY"], table), nl=False)
    click.echo(f"After {days} daily backups: {len(kept)} kept.", err=True)


def _days(newest: datetime, kept: Kept) -> str:
    return str((newest - kept.backup.created).days)
