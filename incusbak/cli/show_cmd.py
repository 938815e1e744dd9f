"""``incus-backup show``."""

import click

from ..render import render_plan
from .apply_cmd import read_plan
from .options import Command, Settings, global_options
from .output import plan_form, plan_forms
from .planning import load_plan, plan_columns, use_colour


@click.command(cls=Command)
@click.argument("plan_path", metavar="PLAN.json")
@plan_forms
@global_options
@click.pass_obj
def show(_: Settings, plan_path: str, form: str | None, output: str | None) -> None:
    """Show a saved plan; no server is asked."""
    shown_as = plan_form(form, output)
    plan_file = load_plan(read_plan(plan_path), plan_path)
    click.echo(
        render_plan(plan_file, form=shown_as, colour=use_colour(), width=plan_columns(), path=plan_path),
        nl=False,
    )
