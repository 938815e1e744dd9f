"""``incus-backup plan``."""

from pathlib import Path

import click
from attrs import evolve

from ..errors import Blocked
from ..policyfile import load_policies
from ..render import FORMS, render_plan
from .options import Command, Settings, global_options
from .planning import choose_by, make_plan_file, save_plan, use_colour
from .session import Session


@click.command(cls=Command)
@click.option("-f", "--file", "files", multiple=True, required=True, metavar="POLICY", help="File or folder.")
@click.option(
    "--out", default="plan.json", metavar="PATH", show_default=True, help="Where to write the plan."
)
@click.option("--no-out", is_flag=True, help="Only show the plan.")
@click.option("--format", "form", type=click.Choice(FORMS), default="text", help="How to show it.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when the plan holds changes.")
@click.option("--only", default="*", metavar="ADDRESS_GLOB", help="Plan for these resources only.")
@global_options
@click.pass_obj
def plan(
    settings: Settings,
    files: tuple[str, ...],
    out: str,
    no_out: bool,
    form: str,
    detailed_exitcode: bool,
    only: str,
) -> int:
    """Work out what a policy asks for; show it and save it. Nothing else is changed."""
    policy = load_policies([Path(file) for file in files])
    session = Session(evolve(settings, target=settings.target or policy.target))

    plan_file = make_plan_file(session, choose_by(policy, session), policies=policy.files, only=only)
    out = "" if no_out or settings.dry_run else out
    click.echo(render_plan(plan_file, form=form, colour=use_colour(), path=out), nl=False)
    if out:
        save_plan(plan_file, out)
        session.info(f"Saved as {out}.")
    if plan_file.plan.blocks and not settings.force:
        return Blocked.exit_code
    return 2 if detailed_exitcode and plan_file.plan.steps else 0
