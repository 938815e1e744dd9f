"""What ``explain`` says of a resource is what ``plan`` does with it."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from incusbak.model.actions import BackUp
from incusbak.model.explanations import Coverage, DueNow, Explanation
from incusbak.model.policies import Hooks
from incusbak.model.refs import CONFIG
from tests.world.explain_scene import (
    CACHED,
    DATA,
    DB,
    IDLE,
    SHOP,
    SPARE,
    USED,
    WEB,
    explain,
    make_estate,
    rule,
)

some = st.lists(st.sampled_from(["*", "web", "fast/*", "golden*", "!web", "d*", "!fast/spare"]), min_size=1)
protect_rules = st.builds(
    rule,
    st.lists(st.sampled_from(["instance", "volume", "image", "config"]), min_size=1, unique=True),
    projects=st.sampled_from([["default"], ["*"], ["shop"], ["*", "!shop"]]),
    names=some,
    where=st.sampled_from([{}, {}, {"user.tier": "gold"}, {"volatile.uuid": "*"}]),
    backup=st.fixed_dictionaries(
        {"images": st.sampled_from(["none", "referenced", "all"]), "attached_volumes": st.booleans()}
    ),
    instances_may=st.lists(st.sampled_from(["opt-in", "opt-out", "hooks"]), min_size=1, unique=True),
)


def commands(told: Explanation, name: str) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(command) for setting in told.settings if setting.name == name for command in setting.value
    )


@given(st.lists(protect_rules, min_size=1, max_size=4))
def test_every_explanation_says_what_the_plan_does(rules: list[dict[str, Any]]) -> None:
    estate = make_estate()
    named = [{**each, "name": f"r{number}"} for number, each in enumerate(rules, 1)]
    plan = estate.plan(json.dumps({"version": 1, "protect": named})).plan
    steps = {step.address: step.action for step in plan.steps if isinstance(step.action, BackUp)}
    for ref in (WEB, DB, SHOP, DATA, SPARE, USED, IDLE, CACHED, CONFIG):
        told = explain(estate, ref, *rules)
        assert (told.coverage is Coverage.PROTECTED) == (ref.address in steps)
        assert (told.coverage is Coverage.UNPROTECTED) == (ref.address in plan.drift.unprotected)
        assert (told.coverage is Coverage.OPTED_OUT) == (ref.address in plan.drift.opted_out)
        assert isinstance(told.stored.due, DueNow) == (ref.address in steps)
        hooks = steps[ref.address].hooks if ref.address in steps else Hooks()
        assert (commands(told, "before"), commands(told, "after")) == (hooks.before, hooks.after)
