"""``incus-backup plan``."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from ..engine.execution.executor import shown_code
from ..errors import Blocked, UsageError
from ..model.plans import PlanFile
from ..policyfile import load_policies
from ..render import ShownPlan, render_plans
from .going_on import telling_of_unfinished
from .options import Command, Settings, global_options
from .output import is_stdout, plan_form, plan_forms
from .planning import choose_by, make_plan_file, only_steps, plan_columns, save_plan, use_colour
from .session import Session
from .targets import TargetRun, attempt_each, target_runs_of


@click.command(cls=Command)
@click.option("-f", "--file", "files", multiple=True, required=True, metavar="POLICY", help="File or folder.")
@click.option(
    "--out",
    default="plan.json",
    metavar="PATH",
    show_default=True,
    help="Where to write the plan; of several targets, each to a file with its name: plan-NAME.json.",
)
@click.option("--no-out", is_flag=True, help="Only show the plan.")
@plan_forms
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when the plan holds changes.")
@click.option("--only", default="*", metavar="ADDRESS_GLOB", help="Plan for these resources only.")
@global_options
@click.pass_obj
def plan(
    settings: Settings,
    files: tuple[str, ...],
    out: str,
    no_out: bool,
    form: str | None,
    output: str | None,
    detailed_exitcode: bool,
    only: str,
) -> int:
    """Work out what a policy asks for; show it and save it. Nothing else is changed.

    Exit code 6: something that is to be restored or rehearsed has only damaged backups. The plan says which,
    is saved all the same, and does the rest.

    Exit code 7: a guard forbids the plan, or it is not as the policy expects (`expect`): a rule or --only
    names something and matches nothing. The plan is saved all the same; in the second case it can be applied.

    A policy with several targets gives a plan for each; --target NAME makes one of them.
    """
    shown_as = plan_form(form, output)
    target_runs = target_runs_of(load_policies([Path(file) for file in files]), settings)
    out = "" if no_out or settings.dry_run else out
    if out == "-" and len(target_runs) > 1:
        raise UsageError("several plans can't be written to stdout", hint="name one target with --target")

    with _no_garbage_collection():
        made, failure = attempt_each(
            target_runs, lambda target_run: _plan(target_run, only, tells=target_run is target_runs[0])
        )
        plans = [
            ShownPlan(
                _for_turn(plan_file, turn),
                _path(out, target_run.name if len(target_runs) > 1 else ""),
                target_run.name,
            )
            for turn, (target_run, plan_file) in enumerate(made)
        ]
        _warn_of_twins(plans, settings)
        _save_and_show(plans, settings, shown_as, as_list=len(target_runs) > 1)
    if failure:
        return failure
    is_blocked = any(each.plan_file.plan.blocks for each in plans) and not settings.force
    if is_blocked or any(each.plan_file.plan.unmet for each in plans):
        return Blocked.exit_code
    if code := max((shown_code(each.plan_file.plan) for each in plans), default=0):
        return code
    return 2 if detailed_exitcode and any(each.plan_file.plan.steps for each in plans) else 0


def _warn_of_twins(plans: Sequence[ShownPlan], settings: Settings) -> None:
    """Targets that share an id may be one place, which this machine can't tell of places elsewhere."""
    first: dict[str, ShownPlan] = {}
    for each in plans:
        repository = each.plan_file.plan.repository
        other = first.setdefault(repository.id, each) if repository.id else each
        if other is not each:
            uri = other.plan_file.plan.repository.uri
            Session(settings).warn(
                f"targets {other.target} and {each.target} have the same repository id. If they are one "
                "repository, each removes what only the other keeps: name it once. If one was made from "
                f"the other's files: `incus-backup copy --from {uri} --to {repository.uri} --new-id`"
            )


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """What a plan is made of lives to the end of the command, and there may be a million of it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _plan(target_run: TargetRun, only: str, *, tells: bool) -> PlanFile:
    session = Session(target_run.settings)
    choose = choose_by(target_run.policy, session)
    if tells:
        choose = telling_of_unfinished(session, choose, remember=False)
    return make_plan_file(session, choose, policies=target_run.policy.files, only=only)


def _save_and_show(plans: Sequence[ShownPlan], settings: Settings, form: str, *, as_list: bool) -> None:
    saved = [each for each in plans if each.path]
    for each in saved:  # first of all: whoever reads what is shown may go before its end
        save_plan(each.plan_file, each.path)
    aside = any(is_stdout(each.path) for each in saved)  # then stdout is the plan file and nothing else
    if plans:
        colour, width = use_colour(err=aside), plan_columns(err=aside)
        shown = render_plans(plans, form=form, colour=colour, width=width, as_list=as_list)
        click.echo(shown, nl=False, err=aside)
    for each in saved:
        if not is_stdout(each.path):
            Session(settings).info(f"Saved as {each.path}.")


def _for_turn(plan_file: PlanFile, turn: int) -> PlanFile:
    """Leave it to the first of several plans to clean up: what an earlier run left is gone after that."""
    return only_steps(plan_file, cleaning=False) if turn and plan_file.plan.summary.clean_up else plan_file


def _path(out: str, name: str) -> str:
    if not out or not name or is_stdout(out):
        return out
    path = Path(out)
    return str(path.with_name(f"{path.stem}-{name}{path.suffix}"))
