"""From a policy to goals: which rule means which resource, and what it asks for. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from ..errors import Unplannable
from ..model.backups import Catalog
from ..model.goals import BackedUp, Goal, Restored, RestoreOptions
from ..model.inventory import Inventory
from ..model.plans import Drift
from ..model.policies import Maps, Policy, ProtectRule, RestoreRule
from ..model.refs import BackupId, ResourceRef
from ..ports import Kind
from .choosing import choose_sources, clashes, some
from .matching import config_matches, selects
from .naming import backup_goals, restore_goals, stored_backups

_CLOCK_SLACK = timedelta(minutes=5)


@frozen
class Selection:
    """What is asked for, and what that leaves out."""

    goals: tuple[Goal, ...]
    drift: Drift = field(factory=Drift)
    warnings: tuple[str, ...] = ()


def select_goals(
    policy: Policy,
    inventory: Inventory,
    catalog: Catalog,
    *,
    now: datetime,
    kinds: Mapping[str, Kind],
) -> Selection:
    """Match the rules of a policy with the server and the repository.

    Raises:
        Unplannable: restore rules that can't be followed as they are; a line each.
    """
    protected, protect_notes = _protect(policy, inventory, kinds)
    restored, restore_notes = _restore(policy, catalog, kinds)
    covered = {goal.ref for goal in protected}
    unprotected = [ref for ref in inventory.resources if ref not in covered] if policy.protect else []
    notes = (*protect_notes, *restore_notes)
    return Selection(
        goals=(*sorted(protected, key=_by_ref), *sorted(restored, key=_by_ref)),
        drift=Drift(
            unprotected=tuple(ref.address for ref in sorted(unprotected)),
            unmatched=tuple(sorted(note.rule for note in notes if note.unmatched)),
        ),
        warnings=(*(note.text for note in notes), *_of_the_future(protected, restored, catalog, now=now)),
    )


@frozen
class _Note:
    """A warning about a rule."""

    rule: str
    text: str
    unmatched: bool = False


def _protect(
    policy: Policy, inventory: Inventory, kinds: Mapping[str, Kind]
) -> tuple[list[BackedUp], list[_Note]]:
    goals: dict[ResourceRef, BackedUp] = {}
    notes: list[_Note] = []
    for rule in policy.protect:
        matched = _living(rule, inventory, kinds)
        new = [ref for ref in matched if ref not in goals]
        age = timedelta.max if rule.every is None else rule.every
        goals.update({ref: BackedUp(ref, age, rule.options) for ref in new})
        if not matched:
            text = f"protect rule {rule.name} ({rule.place}) matches nothing on the server"
            notes.append(_Note(rule.name, text, unmatched=True))
        elif not new:
            text = f"protect rule {rule.name} ({rule.place}) matches only what earlier rules cover"
            notes.append(_Note(rule.name, text))
    return list(goals.values()), notes


def _living(rule: ProtectRule, inventory: Inventory, kinds: Mapping[str, Kind]) -> list[ResourceRef]:
    def matches(ref: ResourceRef) -> bool:
        where = rule.select.where
        if not selects(rule.select, ref):
            return False
        document = inventory.resources[ref].document
        return not where or config_matches(where, kinds[ref.kind].effective_config(document))

    return [ref for ref in inventory.resources if matches(ref)]


def _restore(
    policy: Policy, catalog: Catalog, kinds: Mapping[str, Kind]
) -> tuple[list[Restored], list[_Note]]:
    goals: list[tuple[str, Restored]] = []
    notes: list[_Note] = []
    problems: list[str] = []
    for rule in policy.restore:
        try:
            sources, new_notes = _sources(rule, catalog)
        except Unplannable as error:
            problems += [f"restore rule {rule.name} ({rule.place}): {m}" for m in error.message.splitlines()]
            continue
        notes += new_notes
        goals += [(f"rule {rule.name}", _restored(rule, source, policy.maps, kinds)) for source in sources]
    problems += clashes(goals)
    if problems:
        raise Unplannable("\n".join(problems))
    return [goal for _, goal in goals], notes


def _sources(rule: RestoreRule, catalog: Catalog) -> tuple[list[BackupId], list[_Note]]:
    refs = sorted(ref for ref, backups in catalog.backups.items() if backups and selects(rule.select, ref))
    if not refs:
        text = f"restore rule {rule.name} ({rule.place}) matches nothing in the repository"
        return [], [_Note(rule.name, text, unmatched=True)]
    if rule.to.name and len(refs) > 1:
        matched = some(ref.address for ref in refs)
        raise Unplannable(f"`to.name` is one name, but the rule matches {len(refs)} resources: {matched}")
    sources, missing = choose_sources(refs, rule.version, catalog)
    return sources, [_Note(rule.name, f"{text}; restore rule {rule.name} leaves it out") for text in missing]


def _restored(rule: RestoreRule, source: BackupId, maps: Maps, kinds: Mapping[str, Kind]) -> Restored:
    target = kinds[source.ref.kind].relocated(source.ref, maps)
    if rule.to.name:
        target = evolve(target, name=rule.to.name)
    if rule.to.project:
        target = evolve(target, project=rule.to.project)
    options = RestoreOptions(pool=rule.to.pool, maps=maps, identity=rule.identity)
    return Restored(target, source, rule.if_present, options)


def _of_the_future(
    protected: Iterable[BackedUp], restored: Iterable[Restored], catalog: Catalog, *, now: datetime
) -> list[str]:
    """Warn of backups dated later than now: they would count as fresh for too long."""
    newest = {catalog.newest(goal.ref) for goal in protected} | {goal.source for goal in restored}
    late = sorted(b for b in newest if b is not None and b.created > now + _CLOCK_SLACK)
    return [f"{backup} is dated in the future: check the clocks" for backup in late]


def _by_ref(goal: Goal) -> ResourceRef:
    return goal.ref


__all__ = ["Selection", "backup_goals", "restore_goals", "select_goals", "stored_backups"]
