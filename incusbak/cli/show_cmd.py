"""``incus-backup show``."""

import click

from ..render import FORMS, render_plan
from .apply_cmd import read_plan
from .options import Command, Settings, global_options
from .planning import load_plan, use_colour


@click.command(cls=Command)
@click.argument("plan_path", metavar="PLAN.json")
@click.option("--format", "form", type=click.Choice(FORMS), default="text", help="How to show it.")
@global_options
@click.pass_obj
def show(_: Settings, plan_path: str, form: str) -> None:
    """Show a saved plan; no server is asked."""
    plan_file = load_plan(read_plan(plan_path), plan_path)
    click.echo(render_plan(plan_file, form=form, colour=use_colour(), path=plan_path), nl=False)
