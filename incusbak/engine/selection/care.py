"""From protect rules to goals about what is stored: of what lives and of what is gone. Pure."""

from collections.abc import Iterator, Mapping

from ...model.backups import Catalog
from ...model.goals import Rehearsed, Retained, Verified
from ...model.inventory import Inventory
from ...model.policies import Latest, Policy, ProtectRule
from ...model.refs import BackupId, ResourceRef
from ...ports import Kind
from ..retention import retention_of
from .protection import INSTANCE, Protection, protect
from .stored import Documents, remembered

UNWANTED = "unwanted"
"""Why a backup that no rule wants is not kept."""


def care_goals(
    policy: Policy,
    protection: Protection,
    catalog: Catalog,
    documents: Documents,
    kinds: Mapping[str, Kind],
) -> tuple[Verified | Rehearsed | Retained, ...]:
    """Ask for the stored backups to be verified, rehearsed and retained as their rules say.

    What is gone from the server is not rehearsed any more.
    """
    owners = _owners(policy, protection, catalog, documents, kinds)
    rules = {ref: covered.rule for ref, covered in protection.covered.items()}
    goals = [
        *(goal for ref in sorted(owners) for goal in _goals(ref, owners[ref], policy.timezone)),
        *(goal for ref in sorted(rules) if (goal := rehearsal_goal(ref, rules[ref]))),
    ]
    return tuple(goal for goal in goals if isinstance(goal, Rehearsed) or catalog.of(goal.ref))


def rehearsal_goal(ref: ResourceRef, rule: ProtectRule) -> Rehearsed | None:
    """What a rule asks for; only instances can be started."""
    wanted = rule.rehearse
    if wanted is None or ref.kind != INSTANCE:
        return None
    return Rehearsed(ref, wanted.every, wanted.probe, wanted.timeout_seconds)


def why_kept(
    policy: Policy,
    inventory: Inventory,
    catalog: Catalog,
    documents: Documents,
    *,
    kinds: Mapping[str, Kind],
) -> Mapping[BackupId, tuple[str, ...]]:
    """Say why a policy keeps each backup; of those that no rule of retention is about, nothing is said."""
    found: dict[BackupId, tuple[str, ...]] = {}
    for goal in care_goals(policy, protect(policy, inventory, kinds), catalog, documents, kinds):
        if isinstance(goal, Retained):
            retention = retention_of(goal, catalog)
            found |= {kept.backup: kept.reasons for kept in retention.keep}
            found |= dict.fromkeys(retention.remove, (UNWANTED,))
    return found


def _goals(ref: ResourceRef, rule: ProtectRule, timezone: str) -> Iterator[Verified | Retained]:
    if rule.verify_every is not None:
        yield Verified(ref, rule.verify_every)
    if rule.keep is not None:
        yield Retained(ref, rule.keep, timezone)


def _owners(
    policy: Policy,
    protection: Protection,
    catalog: Catalog,
    documents: Documents,
    kinds: Mapping[str, Kind],
) -> Mapping[ResourceRef, ProtectRule]:
    """Which rule each stored resource belongs to; one that is gone, to the first that would mean it."""
    owners = {ref: covered.rule for ref, covered in protection.covered.items()}
    for rule in policy.protect:
        if rule.keep is None and rule.verify_every is None:
            continue
        for resource in remembered(rule.select, Latest(), catalog, documents, kinds):
            if resource.ref not in protection.opted_out and resource.ref not in protection.living:
                owners.setdefault(resource.ref, rule)
    return owners
