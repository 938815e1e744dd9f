"""A policy with several targets comes down to one for each: its rules, with the keep that holds there."""

from attrs import evolve

from incusbak.engine.reporting.settings import settings_of
from incusbak.engine.selection.targets import policy_for
from incusbak.model.explanations import Setting, Written
from incusbak.model.inventory import Resource
from incusbak.model.policies import Keep, Place, Policy
from incusbak.model.refs import CONFIG
from incusbak.policyfile import parse_policy
from tests.unit.worlds import world

POLICY = parse_policy(
    """
version: 1
timezone: Europe/Berlin
targets:
  local: dir:/a
  offsite: {uri: "dir:/b", keep: {monthly: 12}}
protect:
  - {name: everywhere, select: {kind: config}, keep: {last: 3, daily: 7}}
  - {name: here, select: {kind: volume}, targets: [local]}
  - {name: there, select: {kind: image}, targets: [offsite]}
restore:
  - {name: first, select: {kind: volume}}
  - {name: second, select: {kind: image}, from: offsite}
maps: {pools: {a: b}}
guards: {max_prune: 50%}
""",
    "p.yaml",
)
LOCAL, OFFSITE = POLICY.targets


def names(policy: Policy) -> tuple[list[str], list[str], list[str]]:
    rules = (policy.protect, policy.restore, policy.elsewhere)
    return tuple([rule.name for rule in each] for each in rules)  # type: ignore[return-value]  # three of them


def test_a_target_has_the_rules_that_use_it_and_knows_the_others() -> None:
    assert names(policy_for(POLICY, LOCAL)) == (["everywhere", "here"], ["first"], ["there"])
    assert names(policy_for(POLICY, OFFSITE)) == (["everywhere", "there"], ["second"], ["here"])


def test_the_keep_of_a_target_wins_there_over_that_of_every_rule() -> None:
    assert [rule.keep for rule in policy_for(POLICY, LOCAL).protect] == [Keep(last=3, daily=7), None]
    assert [rule.keep for rule in policy_for(POLICY, OFFSITE).protect] == [Keep(monthly=12)] * 2


def test_the_keep_that_holds_is_told_from_where_it_stands() -> None:
    def keep(policy: Policy) -> Setting:
        return list(settings_of(policy.protect[0], Resource(CONFIG, {}), world()))[-1]

    assert keep(policy_for(POLICY, LOCAL)) == Setting(
        "keep", {"last": 3, "daily": 7}, Written(Place("p.yaml", 8, 55))
    )
    assert keep(policy_for(POLICY, OFFSITE)) == Setting(
        "keep", {"monthly": 12}, Written(Place("p.yaml", 6, 35))
    )


def test_all_else_stays_and_the_repository_is_the_targets() -> None:
    narrowed = policy_for(POLICY, OFFSITE)
    assert narrowed == evolve(
        POLICY,
        target="dir:/b",
        targets=(OFFSITE,),
        protect=narrowed.protect,
        restore=narrowed.restore,
        elsewhere=narrowed.elsewhere,
        restores_elsewhere=True,
    )
