"""A policy with several targets: each has its own backups, and its own rules about them."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given

from incusbak import codec
from incusbak.engine.selection.targets import policy_for
from incusbak.errors import RepositoryMissing, Unplannable
from incusbak.model.plans import Plan
from incusbak.model.policies import Policy as ReadPolicy
from incusbak.policyfile import parse_policy
from tests.few import few
from tests.world.aging import date_back
from tests.world.estates import estates
from tests.world.policy_texts import ENVIRONMENT, Policy, as_yaml, policies, with_targets, without_commands
from tests.world.session import Estate
from tests.world.several import Several, steps, unprotected

TARGETS = "version: 1\ntargets:\n  local: dir:/a\n  offsite: {uri: 'dir:/b', keep: {last: 1}}\n"
ALL = "{name: all, select: {kind: instance}, backup: {every: 24h}, keep: {last: 2}}"
WEB_ONLY = "{name: web, select: {kind: instance, names: [web]}, targets: [local]}"
DB_ONLY = "{name: db, select: {kind: instance, names: [db]}, targets: [offsite]}"
BACK = "restore: [{name: back, select: {kind: instance, names: [web]}, from: offsite, if_present: skip}]"
DAY = timedelta(days=1)


def policy(*rules: str, more: str = "") -> str:
    return f"{TARGETS}protect: [{', '.join(rules)}]\n{more}\n"


@pytest.fixture
def several() -> Several:
    """A server with three instances, and two repositories."""
    estate = Estate()
    for name in ("db", "spare", "web"):
        estate.server.world.add_instance(name, files={"rootfs/data": name.encode()})
    return Several({"local": estate})


def test_all_plans_applied_leave_nothing_to_do_in_any_target(several: Several) -> None:
    plans = several.plan(policy(ALL))
    everything = [f"back-up:instance/default/{name}" for name in ("db", "spare", "web")]
    assert steps(plans) == {"local": everything, "offsite": everything}
    assert several.apply(plans) == {"local": 0, "offsite": 0}
    assert steps(several.plan(policy(ALL))) == {"local": [], "offsite": []}
    assert len(several.estates["local"].disk.backups) == len(several.estates["offsite"].disk.backups) == 3


def test_each_target_keeps_by_its_own_rule(several: Several) -> None:
    text = policy(ALL)
    for _ in range(3):
        several.apply(several.plan(text))
        for estate in several.estates.values():
            for backup in sorted(estate.disk.backups):
                date_back(estate.disk, backup, DAY)
    several.apply(several.plan(text))
    kept = {name: len(estate.disk.backups) for name, estate in several.estates.items()}
    assert kept == {"local": 3 * 2, "offsite": 3 * 1}
    assert steps(several.plan(text)) == {"local": [], "offsite": []}


def test_a_rule_for_one_target_leaves_the_other_alone(several: Several) -> None:
    plans = several.plan(policy(WEB_ONLY, DB_ONLY))
    assert steps(plans) == {
        "local": ["back-up:instance/default/web"],
        "offsite": ["back-up:instance/default/db"],
    }
    several.apply(plans)
    stored = {name: [b.ref.name for b in estate.disk.backups] for name, estate in several.estates.items()}
    assert stored == {"local": ["web"], "offsite": ["db"]}


def test_unprotected_is_only_what_no_target_has(several: Several) -> None:
    nowhere = ("instance/default/spare",)
    assert unprotected(several.plan(policy(WEB_ONLY, DB_ONLY))) == {"local": nowhere, "offsite": nowhere}
    assert unprotected(several.plan(policy(ALL))) == {"local": (), "offsite": ()}


def test_what_opted_out_of_another_target_is_not_unprotected(several: Several) -> None:
    out = {"user.incus-backup.protect": "false"}
    several.estates["local"].server.world.add_instance("private", config=out)
    may = ALL.replace("keep:", "targets: [local], instances_may: [opt-out], keep:")
    plans = several.plan(policy(may, DB_ONLY))
    assert unprotected(plans) == {"local": (), "offsite": ()}
    assert plans["local"].plan.drift.opted_out == ("instance/default/private",)
    assert plans["offsite"].plan.drift.opted_out == ()


def test_a_restore_rule_is_in_the_plan_of_the_target_it_is_from(several: Several) -> None:
    several.apply(several.plan(policy(ALL)))
    del several.estates["local"].server.world.instances["default", "web"]
    plans = several.plan(policy(more=BACK))
    assert steps(plans) == {"local": [], "offsite": ["restore:instance/default/web"]}
    assert several.apply(plans) == {"local": 0, "offsite": 0}
    assert steps(several.plan(policy(more=BACK))) == {"local": [], "offsite": []}


def test_without_from_it_is_the_first(several: Several) -> None:
    several.apply(several.plan(policy(ALL)))
    del several.estates["local"].server.world.instances["default", "web"]
    plans = several.plan(policy(more=BACK.replace("from: offsite, ", "")))
    assert steps(plans) == {"local": ["restore:instance/default/web"], "offsite": []}


def test_a_rule_without_resources_left_blocks_the_plans_of_its_targets_alone(several: Several) -> None:
    several.apply(several.plan(policy(WEB_ONLY, DB_ONLY)))
    del several.estates["local"].server.world.instances["default", "web"]
    plans = several.plan(policy(WEB_ONLY, DB_ONLY))
    assert {name: len(plan_file.plan.blocks) for name, plan_file in plans.items()} == {
        "local": 1,
        "offsite": 0,
    }


def test_a_repository_that_is_lost_costs_the_others_nothing(several: Several) -> None:
    plans = several.plan(policy(ALL))
    several.estates["offsite"].disk.usable = False
    assert several.estates["local"].apply(plans["local"]) == 0
    with pytest.raises(RepositoryMissing):
        several.estates["offsite"].apply(plans["offsite"])
    assert several.estates["local"].plan_by(read(policy(ALL), "local")).plan.steps == ()


def read(text: str, name: str) -> ReadPolicy:
    found = parse_policy(text, "policy.yaml", environment=ENVIRONMENT)
    [target] = [target for target in found.targets if target.name == name]
    return policy_for(found, target)


# -- for any policy ---------------------------------------------------------------------------------


def by_hand(policy: Policy, name: str) -> Policy:
    """The policy for one target as somebody would write it who knows of no other."""
    target: Any = policy["targets"][name]
    uri, keep = (target, None) if isinstance(target, str) else (target["uri"], target.get("keep"))
    usual = policy["defaults"].get("targets", list(policy["targets"]))
    first = next(iter(policy["targets"]))
    restore = [without(rule, "from") for rule in policy.get("restore", ()) if rule.get("from", first) == name]
    about_it = policy if restore else without(policy, "maps")  # maps are for what is restored
    return {
        **without(about_it, "targets"),
        "target": uri,
        "defaults": without(policy["defaults"], "targets"),
        "protect": [
            {**without(rule, "targets"), **({"keep": keep} if keep else {})}
            for rule in policy.get("protect", ())
            if name in rule.get("targets", usual)
        ],
        "restore": restore,
    }


def without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {other: value for other, value in mapping.items() if other != key}


def told(estate: Estate, policy: ReadPolicy) -> tuple[str, tuple[str, ...]]:
    """A plan, or why there is none, but where rules stand; and what it lists as unprotected."""
    try:
        plan = estate.plan_by(policy).plan
    except (RepositoryMissing, Unplannable) as error:  # missing: where all it could do is to restore
        return without_places(json.dumps(error.message)), ()
    drift = evolve(plan.drift, unprotected=())
    unmet = tuple(text for text in plan.unmet if "covered by no rule" not in text)
    bare = evolve(plan, policies=(), drift=drift, unmet=unmet)
    return without_places(codec.dump(bare)), plan.drift.unprotected


def without_places(text: str) -> str:
    return re.sub(r"policy\.yaml:\d+:\d+", "policy.yaml", text)


@few
@given(estates(), with_targets(policies()))
def test_a_plan_for_a_target_is_that_of_the_policy_for_it_alone(estate: Estate, policy: Policy) -> None:
    for name in policy["targets"]:
        alone = parse_policy(as_yaml(by_hand(policy, name)), "policy.yaml", environment=ENVIRONMENT)
        assert told(estate, read(as_yaml(policy), name))[0] == told(estate, alone)[0]


@few
@given(estates(), with_targets(policies(restore=0)))
def test_what_any_target_has_is_unprotected_in_none(estate: Estate, policy: Policy) -> None:
    plans = {name: estate.plan_by(read(as_yaml(policy), name)).plan for name in policy["targets"]}
    alone = [plan_of(estate, by_hand(policy, name)) for name in policy["targets"]]
    left = [set(plan.drift.unprotected) for plan, rules in alone if rules]
    everywhere = tuple(sorted(set.intersection(*left))) if left else ()
    having_rules = [name for name, (_, rules) in zip(policy["targets"], alone, strict=True) if rules]
    assert {plans[name].drift.unprotected for name in having_rules} <= {everywhere}


def plan_of(estate: Estate, policy: Policy) -> tuple[Plan, int]:
    """The plan, and how many rules there are for it."""
    found = parse_policy(as_yaml(policy), "policy.yaml", environment=ENVIRONMENT)
    return estate.plan_by(found).plan, len(found.protect)


@few
@given(estates(), with_targets(policies(restore=0).map(without_commands)))
def test_what_is_backed_up_to_every_target_needs_no_backup(estate: Estate, policy: Policy) -> None:
    several, text = Several({"local": estate}), as_yaml(policy)
    assert set(several.apply(several.plan(text), force=True).values()) == {0}
    assert steps(several.plan(text)) == {name: [] for name in policy["targets"]}
    assert estate.temporary() == []
