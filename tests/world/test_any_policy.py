"""What is true of every policy on every server: it gives a plan, and when that is done there is no other."""

from contextlib import suppress

from hypothesis import given

from incusbak import codec
from incusbak.cli.planning import load_plan
from incusbak.errors import Unplannable
from incusbak.model.actions import Create, Delete, Replace, Restore, Update
from incusbak.model.plans import PlanFile
from incusbak.render import FORMS, render_plan
from tests.few import few
from tests.world.estates import estates
from tests.world.policy_texts import FIRST_BACKUP, Policy, as_yaml, policies, without_commands
from tests.world.session import Estate, left_undone


def is_sound(plan_file: PlanFile) -> bool:
    """Whether a plan can be shown in every form, be written to any file, and is the same when read again."""
    texts = [render_plan(plan_file, form=form, path="plan.json").encode() for form in FORMS]
    return bool(texts) and load_plan(codec.dump(plan_file).encode(), "plan.json") == plan_file


@few
@given(estates(), policies(restore=0))
def test_a_policy_that_only_protects_always_gives_a_plan(estate: Estate, policy: Policy) -> None:
    """It raises nothing at all: what can't be backed up becomes a warning."""
    assert is_sound(estate.plan(as_yaml(policy)))


@few
@given(estates(), policies())
def test_a_policy_gives_a_plan_or_a_reason_why_not(estate: Estate, policy: Policy) -> None:
    """The reason is ``Unplannable``: what can't be restored as the rules say. Nothing else is raised."""
    with suppress(Unplannable):
        assert is_sound(estate.plan(as_yaml(policy)))


# -- applied fully, a plan leaves nothing to be planned -------------------------------------------------


BRINGING_BACK = (Restore, Replace, Create, Update, Delete)


def in_place(policy: Policy) -> Policy:
    """Have everything brought back where it was; what is to be replaced, by a backup that is named.

    What comes to another place, and is backed up there, is one more thing to be brought back.
    """
    for section in ("pools", "projects"):
        policy.get("maps", {}).pop(section, None)
    for rule in policy.get("restore", ()):
        rule.pop("to", None)
        if rule.get("if_present") == "replace":
            rule["version"] = FIRST_BACKUP
    return policy


def with_projects_as_they_are(policy: Policy) -> Policy:
    """Have no project become another one: the server lets no features change of a project that is in use."""
    kinds = [kind for rule in policy["restore"] for kind in [*rule["select"]["kind"], rule["select"]["kind"]]]
    if "config" in kinds:
        policy.get("maps", {}).pop("projects", None)
    return policy


def planned(estate: Estate, policy: Policy) -> PlanFile | None:
    """What a policy asks for now. None: nothing of it can be done as the rules say."""
    with suppress(Unplannable):
        return estate.plan(as_yaml(policy))
    return None


def applied(estate: Estate, policy: Policy) -> PlanFile | None:
    """Carry out what a policy asks for; return the next plan. None: nothing of it can be done so."""
    plan_file = planned(estate, policy)
    if plan_file is None:
        return None
    assert estate.apply(plan_file, force=True) == left_undone(plan_file)
    assert estate.temporary() == []
    again = planned(estate, policy)
    assert again or plan_file.plan.missed
    return again


@few
@given(estates(), policies(restore=0).map(without_commands))
def test_what_is_backed_up_needs_no_backup(estate: Estate, policy: Policy) -> None:
    again = applied(estate, policy)
    assert again is not None
    assert (again.plan.steps, again.plan.drift.overdue) == ((), ())


@few
@given(estates(least=1), policies(protect=0).map(with_projects_as_they_are))
def test_what_is_brought_back_is_not_brought_back_again(estate: Estate, policy: Policy) -> None:
    again = applied(estate, policy)
    assert again is None or again.plan.steps == ()


@few
@given(estates(least=1), policies().map(without_commands).map(in_place))
def test_what_is_both_backed_up_and_brought_back_comes_to_rest(estate: Estate, policy: Policy) -> None:
    """What was brought back is on the server only then, for protect rules to see: they are followed next."""
    again = applied(estate, policy)
    if again is not None:
        assert [step for step in again.plan.steps if isinstance(step.action, BRINGING_BACK)] == []
        last = applied(estate, policy)
        assert last is None or last.plan.steps == ()
