"""From a policy with several targets to one for each of them. Pure."""

from attrs import evolve

from ...model.policies import Policy, ProtectRule, Target

KEEP = "keep."
"""How the places of a rule's `keep` begin."""


def policy_for(policy: Policy, target: Target) -> Policy:
    """Narrow a policy to one of its targets: the rules that use it, with the ``keep`` that holds there.

    All else below a policy knows one repository only; what other targets cover is told as ``elsewhere``.
    """
    first = policy.targets[0].name
    restore = tuple(rule for rule in policy.restore if (rule.from_target or first) == target.name)
    return evolve(
        policy,
        target=target.uri,
        targets=(target,),
        protect=tuple(_kept(rule, target) for rule in policy.protect if _uses(rule, target)),
        restore=restore,
        restores_elsewhere=len(restore) < len(policy.restore),
        elsewhere=tuple(rule for rule in policy.protect if not _uses(rule, target)),
    )


def _uses(rule: ProtectRule, target: Target) -> bool:
    return not rule.targets or target.name in rule.targets


def _kept(rule: ProtectRule, target: Target) -> ProtectRule:
    if target.keep is None:
        return rule
    places = {path: place for path, place in rule.places.items() if not path.startswith(KEEP)}
    return evolve(rule, keep=target.keep, places={**places, **target.places})
