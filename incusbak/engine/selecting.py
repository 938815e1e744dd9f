"""From a policy to goals: which rule means which resource, and what it asks for. Pure."""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from attrs import evolve, field, frozen

from ..errors import Unplannable
from ..model.backups import Catalog
from ..model.goals import BackedUp, Configured, Goal, Restored, RestoreOptions
from ..model.inventory import Inventory, Resource
from ..model.plans import Drift
from ..model.policies import Policy, RestoreRule
from ..model.refs import CONFIG, BackupId, ResourceRef
from ..ports import Kind
from .choosing import choose_sources, clashes, some
from .matching import selects
from .protecting import Note, protect

_CLOCK_SLACK = timedelta(minutes=5)


@frozen
class Selection:
    """What is asked for, and what that leaves out."""

    goals: tuple[Goal, ...]
    warnings: tuple[str, ...] = ()
    drift: Drift = field(factory=Drift)


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
    protected, protect_notes = protect(policy, inventory, kinds)
    restored, restore_notes = _restore(policy, catalog, kinds)
    unprotected = _unprotected(inventory, {goal.ref for goal in protected}) if policy.protect else []
    notes = (*protect_notes, *restore_notes)
    return Selection(
        goals=(*sorted(protected, key=_by_ref), *sorted(restored, key=_by_ref)),
        drift=Drift(
            unprotected=tuple(ref.address for ref in sorted(unprotected)),
            unmatched=tuple(sorted(note.rule for note in notes if note.is_unmatched)),
        ),
        warnings=(*(note.text for note in notes), *_of_the_future(protected, restored, catalog, now=now)),
    )


def only_goals(goals: Iterable[Goal], only: str) -> tuple[Goal, ...]:
    """Keep the goals whose address matches a glob; of the configuration, the entities that do."""
    kept: list[Goal] = []
    for goal in goals:
        if fnmatchcase(goal.ref.address, only):
            kept.append(goal)
        elif isinstance(goal, Configured):
            kept.append(evolve(goal, only=(only,)))
    return tuple(kept)


def _unprotected(inventory: Inventory, covered: Set[ResourceRef]) -> list[ResourceRef]:
    """What no rule covers; neither the configuration nor what the server can download again needs one."""
    return [
        ref
        for ref, resource in inventory.resources.items()
        if ref not in covered and ref != CONFIG and not resource.document.get("cached")
    ]


def _restore(policy: Policy, catalog: Catalog, kinds: Mapping[str, Kind]) -> tuple[list[Goal], list[Note]]:
    goals: list[tuple[str, Restored]] = []
    configured: list[Configured] = []
    notes: list[Note] = []
    problems: list[str] = []
    for rule in policy.restore:
        try:
            sources, new_notes = _sources(rule, catalog)
        except Unplannable as error:
            problems += [f"restore rule {rule.name} ({rule.place}): {m}" for m in error.message.splitlines()]
            continue
        notes += new_notes
        options = RestoreOptions(pool=rule.to.pool, maps=policy.maps, identity=rule.identity)
        configured += [Configured(s, rule.if_present, options) for s in sources if s.ref == CONFIG]
        goals += [
            (f"rule {rule.name}", _restored(rule, s, options, kinds)) for s in sources if s.ref != CONFIG
        ]
    problems += clashes(goals)
    if len(configured) > 1:
        problems.append("two restore rules bring the configuration back")
    if problems:
        raise Unplannable("\n".join(problems))
    return [*configured, *(goal for _, goal in goals)], notes


def _sources(rule: RestoreRule, catalog: Catalog) -> tuple[list[BackupId], list[Note]]:
    there = [Resource(ref, {}) for ref, backups in catalog.backups.items() if backups]
    refs = sorted(resource.ref for resource in there if selects(rule.select, resource, frozenset()))
    if not refs:
        text = f"restore rule {rule.name} ({rule.place}) matches nothing in the repository"
        return [], [Note(rule.name, text, is_unmatched=True)]
    if rule.to.name and len(refs) > 1:
        matched = some(ref.address for ref in refs)
        raise Unplannable(f"`to.name` is one name, but the rule matches {len(refs)} resources: {matched}")
    sources, missing = choose_sources(refs, rule.version, catalog)
    return sources, [Note(rule.name, f"{text}; restore rule {rule.name} leaves it out") for text in missing]


def _restored(
    rule: RestoreRule, source: BackupId, options: RestoreOptions, kinds: Mapping[str, Kind]
) -> Restored:
    target = kinds[source.ref.kind].relocated(source.ref, options.maps, rule.to)
    return Restored(target, source, rule.if_present, options)


def _of_the_future(
    protected: Iterable[BackedUp], restored: Iterable[Goal], catalog: Catalog, *, now: datetime
) -> list[str]:
    """Warn of backups dated later than now: they would count as fresh for too long."""
    newest = {catalog.newest(goal.ref) for goal in protected} | {
        goal.source for goal in restored if not isinstance(goal, BackedUp)
    }
    late = sorted(b for b in newest if b is not None and b.created > now + _CLOCK_SLACK)
    return [f"{backup} is dated in the future: check the clocks" for backup in late]


def _by_ref(goal: Goal) -> ResourceRef:
    return goal.ref
