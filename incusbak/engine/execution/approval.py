"""Consent as a value: the executor takes only what ``approve`` made. Pure."""

import re

from attrs import frozen

from ...errors import ApprovalRequired, Blocked, UsageError
from ...model.plans import PlanFile

MIN_DIGITS = 8
_HEX = re.compile(rf"[0-9a-f]{{{MIN_DIGITS},64}}")


@frozen
class Agreed:
    """A person said yes to this plan: at the prompt, or with --yes."""


@frozen
class AgreedTo:
    """A person reviewed plans with these digests, of which these are the first digits each."""

    digits: tuple[str, ...]


Consent = Agreed | AgreedTo


@frozen
class Approved:
    """A plan that may be carried out. Made by ``approve`` only."""

    plan_file: PlanFile


def approve(plan_file: PlanFile, consent: Consent | None, *, overrule: bool = False) -> Approved:
    """Check that somebody agreed to the plan's hazards; a plan without any needs nobody.

    Args:
        overrule: whether what guards forbid is done all the same.

    Raises:
        Blocked: a guard forbids the plan, and nobody overrules it.
        UsageError: some digits are not at least 8 hex digits.
        ApprovalRequired: hazards, and no consent, or consent to another plan.
    """
    if plan_file.plan.blocks and not overrule:
        raise Blocked("\n".join(plan_file.plan.blocks), hint="review the plan; --force overrules guards")
    if isinstance(consent, AgreedTo):
        _check_digits(plan_file, consent.digits)
    elif consent is None and plan_file.plan.hazards:
        raise ApprovalRequired(f"the plan has hazards: {', '.join(plan_file.plan.hazards)}")
    return Approved(plan_file)


def _check_digits(plan_file: PlanFile, approved: tuple[str, ...]) -> None:
    if not all(_HEX.fullmatch(digits.lower()) for digits in approved):
        raise UsageError(f"--approve takes at least {MIN_DIGITS} hex digits of the plan's digest")
    if not plan_file.digest.startswith(tuple(digits.lower() for digits in approved)):
        raise ApprovalRequired(
            f"the approval is for {', '.join(approved)}, this plan is {plan_file.digest[:MIN_DIGITS]}",
            hint="review this plan and approve its digest",
        )
