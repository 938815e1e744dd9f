"""Consent: hazards need it, and it is for one plan."""

import pytest

from incusbak.engine.execution.approval import Agreed, AgreedTo, Approved, Consent, approve
from incusbak.errors import ApprovalRequired, UsageError
from incusbak.model.actions import BackUp
from incusbak.model.backups import ExportOptions, RepositoryIdentity
from incusbak.model.plans import Hazard, Meta, Plan, PlanFile, ServerIdentity, Step
from tests.samples import WEB

DIGEST = "0123456789abcdef" * 4


def plan_file(*hazards: Hazard) -> PlanFile:
    step = Step("s", WEB.address, BackUp(WEB, ExportOptions()), "asked for", hazards=hazards)
    plan = Plan(ServerIdentity("f", "host", "local"), RepositoryIdentity("r", "dir:/x"), steps=(step,))
    return PlanFile(Meta("", ""), DIGEST, plan)


HARMLESS = plan_file()
HAZARDOUS = plan_file(Hazard.STOPS_INSTANCE, Hazard.REPLACES_RESOURCE)


@pytest.mark.parametrize("consent", [None, Agreed(), AgreedTo((DIGEST[:8],))])
def test_a_plan_without_hazards_needs_nobody(consent: Consent | None) -> None:
    assert approve(HARMLESS, consent) == Approved(HARMLESS)


@pytest.mark.parametrize(
    "consent", [Agreed(), AgreedTo((DIGEST,)), AgreedTo((DIGEST[:8],)), AgreedTo((DIGEST[:21].upper(),))]
)
def test_who_agrees_may(consent: Consent) -> None:
    assert approve(HAZARDOUS, consent) == Approved(HAZARDOUS)


def test_hazards_need_consent_and_are_named() -> None:
    with pytest.raises(ApprovalRequired, match=r"hazards: replaces-resource, stops-instance$"):
        approve(HAZARDOUS, None)


@pytest.mark.parametrize("file", [HARMLESS, HAZARDOUS])
def test_consent_to_another_plan_is_none(file: PlanFile) -> None:
    with pytest.raises(ApprovalRequired, match="the approval is for 89abcdef, this plan is 01234567"):
        approve(file, AgreedTo(("89abcdef",)))


@pytest.mark.parametrize("digits", ["", "0123456", "0123456g", DIGEST + "0", "01234567 ", "０１２３４５６７"])
@pytest.mark.parametrize("file", [HARMLESS, HAZARDOUS])
def test_too_few_or_other_digits_are_a_mistake(file: PlanFile, digits: str) -> None:
    with pytest.raises(UsageError, match="at least 8 hex digits"):
        approve(file, AgreedTo((digits,)))
