"""``incus-backup apply``."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from attrs import evolve, frozen

from ..engine.execution.approval import Approved
from ..engine.execution.approval import approve as approve_plan
from ..engine.execution.executor import shown_code
from ..engine.planning.provenance import check_origin
from ..errors import Incomplete, IncusbakError, PlanFormatError, Stopped, UsageError
from ..model.plans import Plan, PlanFile
from ..model.policies import PolicyFile
from ..policyfile import identify_policies
from ..render import ShownPlan, render_plans
from ..repositories import open_repository
from .complaints import complain
from .consenting import consent
from .going_on import Intent
from .offline import OfflineSession
from .options import Settings, global_options
from .pinging import PingingCommand
from .planning import load_plan, plan_columns, use_colour
from .session import Session
from .telling import deeds_option
from .workflow import carry_out

_APPLYING = Intent("apply")
"""A plan is not gone on with: what is left to do is planned anew."""


@frozen
class _Given:
    """A plan that was given, and a session for its server and its repository."""

    path: str
    plan_file: PlanFile
    session: Session


@click.command(cls=PingingCommand)
@click.argument("paths", metavar="PLAN.json...", nargs=-1, required=True)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="POLICY",
    help="Only if the plan was made from exactly these files as they are now, named as they were for `plan`. "
    "A folder means all *.yaml in it, so one more or one less counts.",
)
@click.option(
    "--approve",
    multiple=True,
    metavar="DIGEST",
    help="Carry out only the plan with this digest; of several plans, once for each.",
)
@deeds_option()
@global_options
@click.pass_obj
def apply(
    settings: Settings,
    paths: tuple[str, ...],
    files: tuple[str, ...],
    approve: tuple[str, ...],
    output: str,
) -> int:
    """Carry out a saved plan, exactly as it was reviewed.

    Several plans, such as those for the targets of a policy, are all checked before the first is begun, and
    carried out in the order given; that one fails does not keep the next from being carried out.
    """
    identified = identify_policies([Path(file) for file in files]) if files else None
    given = [_load(settings, path, identified) for path in paths]
    _refuse_repeated(given)
    if settings.dry_run:
        plans = [ShownPlan(each.plan_file, each.path) for each in given]
        click.echo(
            render_plans(
                plans, form=output, colour=use_colour(), width=plan_columns(), as_list=len(plans) > 1
            ),
            nl=False,
        )
        return max(shown_code(each.plan_file.plan) for each in given)
    digests = tuple(filter(None, approve))  # an empty one is none, as a script may have it
    agreed = [_agreed(each, digests) for each in given]
    if len(given) == 1:
        return carry_out(given[0].session, agreed[0], intent=_APPLYING)
    return _shared([_carry_out(each, approval) for each, approval in zip(given, agreed, strict=True)])


def read_plan(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error


def _load(settings: Settings, path: str, policies: Sequence[PolicyFile] | None) -> _Given:
    plan_file = load_plan(read_plan(path), path)
    if policies is not None:
        check_origin(plan_file.plan.policies, policies)
    placed = _placed(settings, plan_file.plan, path)
    session = Session(placed) if plan_file.plan.server.fingerprint else OfflineSession(placed)
    return _Given(path, plan_file, session)


def _refuse_repeated(given: Sequence[_Given]) -> None:
    seen: dict[str, str] = {}
    for each in given:
        digest = each.plan_file.digest
        if digest in seen:
            raise UsageError(f"{each.path} is the same plan as {seen[digest]}")
        seen[digest] = each.path


def _agreed(given: _Given, digests: tuple[str, ...]) -> Approved:
    agreed = consent(given.session, given.plan_file, approved=digests)
    return approve_plan(given.plan_file, agreed, overrule=given.session.settings.force)


def _carry_out(given: _Given, approved: Approved) -> int:
    """Carry out one of several plans; return its exit code."""
    given.session.info(f"{given.path}, for {given.plan_file.plan.repository.uri}:")
    try:
        return carry_out(given.session, approved, intent=_APPLYING)
    except Stopped:
        raise  # whoever stops one plan wants no other
    except IncusbakError as error:
        complain(f"{given.path}: {error.message}", error.hint)
        return error.exit_code


def _shared(codes: Sequence[int]) -> int:
    """Sum several runs up: as they all ended, or partly done if any was done, else failed."""
    if len(set(codes)) == 1:
        return codes[0]
    return Incomplete.exit_code if {0, Incomplete.exit_code} & set(codes) else IncusbakError.exit_code


def _placed(settings: Settings, plan: Plan, path: str) -> Settings:
    """Take server and repository from the plan; flags may only repeat them."""
    try:
        open_repository(plan.repository.uri)
    except UsageError as error:
        raise PlanFormatError(f"{path}: $.plan.repository.uri: {error.message}", hint=error.hint) from error
    flagged = settings.flagged_target
    if flagged and open_repository(flagged).uri != plan.repository.uri:
        raise UsageError(
            f"--target is {flagged}, the plan is for {plan.repository.uri}", hint="a plan needs no --target"
        )
    if settings.remote and settings.remote != plan.server.remote:
        raise UsageError(f"--remote is {settings.remote}, the plan is for {plan.server.remote}")
    return evolve(settings, target=plan.repository.uri, remote=plan.server.remote, backend="")
