"""Finding out whether somebody agrees to a plan, and what --yes does not answer for."""

from collections.abc import Collection, Iterable

import click

from ..engine.execution.approval import Agreed, AgreedTo, Approved, Consent, approve
from ..engine.planning.attached_volumes import stopped_by
from ..errors import ApprovalRequired
from ..model.actions import Replace
from ..model.plans import Hazard, Plan, PlanFile
from ..model.refs import ResourceRef
from ..render import render_plan
from .planning import plan_columns, use_colour
from .session import Session

_QUESTION = "\nDo you want to carry this out?\nOnly 'yes' is taken as consent."
"""In lines that no terminal is too narrow for."""


def has_to_be_seen(session: Session, plan: Plan) -> bool:
    """Whether somebody has to agree first, to what is shown then."""
    if not plan.hazards or (plan.blocks and not session.settings.force):
        return False  # nothing to agree to, or agreeing is not enough
    return not (session.settings.yes or session.settings.force)


def consent(session: Session, plan_file: PlanFile, *, approved: tuple[str, ...] = ()) -> Consent | None:
    """Find out whether somebody agrees: by digest, by --yes, or at the terminal."""
    if approved:
        return AgreedTo(approved)
    plan = plan_file.plan
    if not has_to_be_seen(session, plan):
        return Agreed() if plan.hazards and (session.settings.force or not plan.blocks) else None
    if not session.is_interactive:
        return None
    _show(plan_file)
    click.echo(_QUESTION, err=True)
    answer = click.prompt("Answer", default="no", show_default=False, err=True)
    if answer.strip() != "yes":
        raise ApprovalRequired(
            "nobody agreed, so it was not carried out", hint="type the whole word 'yes' to have it done"
        )
    return Agreed()


def agreed(session: Session, plan_file: PlanFile) -> Approved:
    """Ask for consent; where nobody can be asked, show what it is needed for."""
    agreement = consent(session, plan_file)
    try:
        return approve(plan_file, agreement, overrule=session.settings.force)
    except ApprovalRequired as error:
        _show(plan_file)
        error.hint = "nobody can be asked without a terminal: add --yes if this is what you want"
        raise


def _show(plan_file: PlanFile) -> None:
    colour, width = use_colour(err=True), plan_columns(err=True)
    click.echo(render_plan(plan_file, form="text", colour=colour, width=width), err=True, nl=False)


def check_force(session: Session, plan: Plan, brought: Collection[str]) -> None:
    """--yes answers for what is restored, but not for others that have to be stopped for it.

    Args:
        brought: the addresses of what an interrupted run of the same command restored.
    """
    if session.settings.force or not session.settings.yes:
        return
    replaced = {*brought, *(step.address for step in plan.steps if isinstance(step.action, Replace))}
    stopping = {
        step.address: [ref for ref in stopped_by(step) if ref.address not in replaced]
        for step in plan.steps
        if step.others and Hazard.STOPS_INSTANCE in step.hazards
    }
    lines = [
        f"{it} can't be replaced without stopping {_names(refs)}" for it, refs in stopping.items() if refs
    ]
    if lines:
        raise ApprovalRequired("\n".join(lines), hint="add --force to have them stopped, and started again")


def _names(refs: Iterable[ResourceRef]) -> str:
    return ", ".join(ref.address for ref in refs)
