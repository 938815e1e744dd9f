"""Instances have a say of their own where a rule lets them, and nowhere else."""

from typing import Any

import pytest

from incusbak.engine.selection.instance_keys import Wishes, wishes_of
from incusbak.engine.selection.protection import Protection, protect
from incusbak.model.goals import BackedUp
from incusbak.model.policies import Hooks, Permission, Policy, Select
from incusbak.model.refs import ResourceRef
from tests.unit.test_selecting import DB, KINDS, SHOP, WEB, WEB2, seen
from tests.unit.test_selecting import protect as rule

IN, OUT = {"user.incus-backup.protect": "true"}, {"user.incus-backup.protect": "false"}
WEB_RULE = Select(names=("web-*", "!web-2"))


def protection(*rules: Any, **config: dict[str, str]) -> Protection:
    refs = {"web": WEB, "web2": WEB2, "db": DB, "shop": SHOP}
    inventory = seen(*refs.values(), config={refs[name]: value for name, value in config.items()})
    return protect(Policy(protect=rules), inventory, KINDS)


def covered(found: Protection) -> dict[ResourceRef, str]:
    return {ref: each.rule.name for ref, each in found.covered.items()}


def test_an_instance_opts_in_where_it_may() -> None:
    asked = protection(rule("web", WEB_RULE), db=IN)
    allowed = protection(rule("web", WEB_RULE, instances_may=(Permission.OPT_IN,)), db=IN)
    assert (covered(asked), covered(allowed)) == ({WEB: "web"}, {WEB: "web", DB: "web"})


def test_who_opts_in_must_be_in_the_projects_and_not_excluded() -> None:
    found = protection(rule("web", WEB_RULE, instances_may=(Permission.OPT_IN,)), shop=IN, web2=IN)
    assert covered(found) == {WEB: "web"}


def test_opting_in_makes_up_for_configuration() -> None:
    gold = rule("gold", Select(where={"user.tier": "gold"}), instances_may=(Permission.OPT_IN,))
    assert covered(protection(gold, web=IN, db={"user.tier": "gold"})) == {WEB: "gold", DB: "gold"}


def test_an_instance_opts_out_where_it_may() -> None:
    asked = protection(rule("all"), web=OUT)
    allowed = protection(rule("all", instances_may=(Permission.OPT_OUT,)), web=OUT)
    assert (covered(asked).get(WEB), asked.opted_out) == ("all", frozenset())
    assert (WEB in covered(allowed), allowed.opted_out) == (False, frozenset({WEB}))


def test_who_opts_out_of_one_rule_may_belong_to_the_next() -> None:
    found = protection(rule("web", instances_may=(Permission.OPT_OUT,)), rule("rest"), web=OUT)
    assert (covered(found)[WEB], found.opted_out) == ("rest", frozenset())


def test_a_rule_that_everyone_opted_out_of_is_not_unmatched() -> None:
    found = protection(
        rule("web", Select(names=("web-1",)), instances_may=(Permission.OPT_OUT,)), rule("all"), web=OUT
    )
    assert found.notes == ()


def test_the_hooks_of_an_instance_stand_inside_of_those_of_its_rule() -> None:
    hooks = Hooks((("a",),), (("z",),), 7)
    own = {"user.incus-backup.before": '[["b"]]', "user.incus-backup.after": '[["y", "1"]]'}
    found = protection(rule("all", hooks=hooks, instances_may=(Permission.HOOKS,)), web=own)
    goals: dict[ResourceRef, BackedUp] = {goal.ref: goal for goal in found.goals}
    assert goals[WEB].hooks == Hooks((("a",), ("b",)), (("y", "1"), ("z",)), 7)
    assert goals[DB].hooks == hooks


@pytest.mark.parametrize(
    "text",
    ["sync", '"sync"', '["sync"]', "[[]]", "[[1]]", '[[" "]]', '{"a": 1}', '[["a\\u0000"]]', "[" * 9999],
)
def test_what_is_no_list_of_commands_is_named_and_passed_over(text: str) -> None:
    wishes = wishes_of({"user.incus-backup.after": text, "user.incus-backup.before": '[["sync"]]'})
    assert (wishes.before, wishes.after) == ((("sync",),), ())
    assert len(wishes.problems) == 1
    assert wishes.problems[0].startswith("user.incus-backup.after is not a JSON list of commands")


def test_no_wishes_are_no_problem() -> None:
    assert wishes_of({"user.incus-backup.before": "", "user.tier": "gold"}) == Wishes()
