"""``incus-backup apply``."""

import sys
from pathlib import Path

import click
from attrs import evolve

from ..engine.approval import approve as approve_plan
from ..engine.provenance import check_origin
from ..errors import PlanFormatError, UsageError
from ..model.plans import Plan
from ..policyfile import identify_policies
from ..render import render_plan
from ..repositories import open_repository
from .offline import OfflineSession
from .options import Settings, global_options
from .pinging import PingingCommand
from .planning import load_plan, use_colour
from .session import Session
from .workflow import carry_out, consent


@click.command(cls=PingingCommand)
@click.argument("plan_path", metavar="PLAN.json")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="POLICY",
    help="Only if the plan was made from exactly these files as they are now, named as they were for `plan`. "
    "A folder means all *.yaml in it, so one more or one less counts.",
)
@click.option("--approve", default="", metavar="DIGEST", help="Carry out only the plan with this digest.")
@global_options
@click.pass_obj
def apply(settings: Settings, plan_path: str, files: tuple[str, ...], approve: str) -> int:
    """Carry out a saved plan, exactly as it was reviewed."""
    plan_file = load_plan(read_plan(plan_path), plan_path)
    if files:
        check_origin(plan_file.plan.policies, identify_policies([Path(file) for file in files]))
    placed = _placed(settings, plan_file.plan, plan_path)
    session = Session(placed) if plan_file.plan.server.fingerprint else OfflineSession(placed)
    if settings.dry_run:
        click.echo(render_plan(plan_file, form="text", colour=use_colour(), path=plan_path), nl=False)
        return 0
    agreed = consent(session, plan_file, approve_digits=approve)
    return carry_out(session, approve_plan(plan_file, agreed, overrule=settings.force))


def read_plan(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error


def _placed(settings: Settings, plan: Plan, path: str) -> Settings:
    """Take server and repository from the plan; flags may only repeat them."""
    try:
        open_repository(plan.repository.uri)
    except UsageError as error:
        raise PlanFormatError(f"{path}: $.plan.repository.uri: {error.message}", hint=error.hint) from error
    if settings.target and open_repository(settings.target).uri != plan.repository.uri:
        raise UsageError(f"--target is {settings.target}, the plan is for {plan.repository.uri}")
    if settings.remote and settings.remote != plan.server.remote:
        raise UsageError(f"--remote is {settings.remote}, the plan is for {plan.server.remote}")
    return evolve(settings, target=plan.repository.uri, remote=plan.server.remote, backend="")
