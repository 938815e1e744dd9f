"""From a policy to goals: which rule means which resource, and what it asks for. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Set
from fnmatch import fnmatchcase

from attrs import evolve, field, frozen

from ...errors import Unplannable
from ...model.backups import Catalog
from ...model.goals import Configured, Goal, Restored, RestoreOptions
from ...model.inventory import Inventory, Resource
from ...model.plans import Drift, Missed
from ...model.policies import Exactly, Expect, Guards, Latest, Policy, RestoreRule, Severity
from ...model.refs import CONFIG, BackupId, ResourceRef
from ...ports import Kind
from .care import care_goals
from .expectations import Judged, idle_names, judge, nearest, severity_of, unused_maps
from .expectations import unprotected as unprotected_words
from .protection import Protection, RuleNote, protect
from .stored import Documents, idle_rules, remembered
from .versions import Choice, clashes, future_words, health_warnings, passed_over, some, sources_for, why_none


@frozen
class Selection:
    """What is asked for, what that leaves out, and what must not be done (``blocks``, in words).

    ``unmet``: what is not as ``expect`` wants it, in words. ``addresses``: of what is covered, whether or not
    there is a goal about it. ``missed``: what is asked for as well, and can't be done. ``damaged``: what was
    found damaged while choosing, and what is wrong: the choice has to be made again by a catalog that knows.
    """

    goals: tuple[Goal, ...]
    warnings: tuple[str, ...] = ()
    drift: Drift = field(factory=Drift)
    blocks: tuple[str, ...] = ()
    guards: Guards = field(factory=Guards)
    sensitive: tuple[str, ...] = ()
    missed: tuple[Missed, ...] = ()
    damaged: Mapping[BackupId, str] = field(factory=dict)
    unmet: tuple[str, ...] = ()
    expect: Expect = field(factory=Expect)
    addresses: tuple[str, ...] = ()


def selection_of(goals: tuple[Goal, ...], choice: Choice, catalog: Catalog) -> Selection:
    """What a command asks for, with what of it has no backup, or none that is good."""
    warnings = (*choice.absent, *health_warnings(goals, catalog))
    return Selection(goals, warnings, missed=tuple(choice.missed))


def select_goals(
    policy: Policy,
    inventory: Inventory,
    catalog: Catalog,
    *,
    kinds: Mapping[str, Kind],
    documents: Documents | None = None,
) -> Selection:
    """Match the rules of a policy with the server and the repository.

    Args:
        documents: of the backups that ``documents_to_read`` names.

    Raises:
        Unplannable: restore rules that can't be followed as they are; a line each.
    """
    known = documents or {}
    protection = protect(policy, inventory, kinds)
    restored, restore_notes, missed = _restore(policy, catalog, known, kinds)
    notes = (*protection.notes, *restore_notes, *unmatched_restores(policy, catalog, known, kinds))
    gone = list(vanished(policy, inventory, catalog, known, kinds))
    drift = _drift(policy, protection, notes, inventory)
    judged = judged_of(policy, notes, gone, len(drift.unprotected))
    return Selection(
        goals=(
            *protection.goals,
            *care_goals(policy, protection, catalog, known, kinds),
            *sorted(restored, key=_by_ref),
        ),
        drift=drift,
        warnings=(
            *judged.warnings,
            *protection.obstacles,
            *of_the_future(protection, catalog),
            *health_warnings(restored, catalog),
        ),
        blocks=tuple(note.text for note in gone),
        unmet=judged.unmet,
        expect=policy.expect,
        addresses=tuple(sorted(ref.address for ref in protection.covered)),
        guards=policy.guards,
        sensitive=policy.sensitive,
        missed=tuple(missed),
    )


def _drift(policy: Policy, protection: Protection, notes: Iterable[RuleNote], inventory: Inventory) -> Drift:
    unprotected = unprotected_resources(inventory, protection.accounted_for) if policy.protect else []
    if policy.expect.unprotected is Severity.OK:
        unprotected = []
    return Drift(
        unprotected=tuple(ref.address for ref in sorted(unprotected)),
        unmatched=tuple(sorted(n.rule for n in notes if n.is_unmatched and n.severity is not Severity.OK)),
        opted_out=tuple(ref.address for ref in sorted(protection.opted_out)),
    )


def vanished(
    policy: Policy, inventory: Inventory, catalog: Catalog, documents: Documents, kinds: Mapping[str, Kind]
) -> Iterator[RuleNote]:
    """Say what rules meant once and mean no longer: a typing error, or a server that lost everything.

    What a restore, interrupted or under way, has under another name will be back.
    """
    coming = {(stray.ref.kind, stray.ref.project) for stray in inventory.strays}
    for rule in idle_rules(policy, inventory, kinds):
        known = remembered(rule.select, Latest(), catalog, documents, kinds)
        refs = {resource.ref for resource in known}
        there = inventory.unsettled | inventory.parts.keys()
        if refs and not refs & there and not {(r.kind, r.project) for r in refs} & coming:
            text = (
                f"protect rule {rule.name} ({rule.place}) matches nothing on the server, but the repository "
                f"has backups of {some(resource.ref.address for resource in known)}; "
                "correct the rule, or remove it if they are gone for good"
            )
            yield RuleNote(rule.name, text, is_unmatched=True)


def only_goals(goals: Iterable[Goal], only: str) -> tuple[Goal, ...]:
    """Keep the goals whose address matches a glob; of the configuration, the entities that do."""
    kept: list[Goal] = []
    for goal in goals:
        if fnmatchcase(goal.ref.address, only):
            kept.append(goal)
        elif isinstance(goal, Configured):
            kept.append(evolve(goal, only=(only,)))
    return tuple(kept)


def only_missed(missed: Iterable[Missed], only: str, kinds: Iterable[str]) -> tuple[Missed, ...]:
    """Keep what is about resources whose address matches a glob; the configuration, if it may be about it."""
    is_of_entities = only.partition("/")[0] not in kinds
    return tuple(
        each
        for each in missed
        if fnmatchcase(each.address, only) or (is_of_entities and each.address == CONFIG.address)
    )


def unprotected_resources(inventory: Inventory, covered: Set[ResourceRef]) -> list[ResourceRef]:
    """What no rule covers; neither the configuration nor what the server can download again needs one."""
    return [
        ref
        for ref, resource in inventory.resources.items()
        if ref not in covered and ref != CONFIG and not resource.document.get("cached")
    ]


def _restore(
    policy: Policy, catalog: Catalog, documents: Documents, kinds: Mapping[str, Kind]
) -> tuple[list[Goal], list[RuleNote], list[Missed]]:
    goals: list[tuple[str, Restored]] = []
    missed: list[Missed] = []
    configured: list[Configured] = []
    notes: list[RuleNote] = []
    problems: list[str] = []
    for rule in policy.restore:
        try:
            sources, new_notes, new_missed = sources_of(rule, catalog, documents, kinds)
        except Unplannable as error:
            problems += [f"restore rule {rule.name} ({rule.place}): {m}" for m in error.message.splitlines()]
            continue
        notes += new_notes
        missed += new_missed
        options = RestoreOptions(
            pool=rule.to.pool,
            maps=policy.maps,
            identity=rule.identity,
            without_devices=tuple(sorted(set(rule.without_devices))),
        )
        for source in sources:
            damaged = passed_over(source, rule.version, catalog)
            if source.ref == CONFIG:
                configured.append(Configured(source, rule.if_present, options, passed_over=damaged))
            else:
                goal = evolve(_restored(rule, source, options, kinds), passed_over=damaged)
                goals.append((f"rule {rule.name}", goal))
    problems += clashes(goals)
    if len(configured) > 1:
        problems.append("two restore rules bring the configuration back")
    if problems:
        raise Unplannable("\n".join(problems))
    return [*configured, *(goal for _, goal in goals)], notes, missed


def sources_of(
    rule: RestoreRule, catalog: Catalog, documents: Documents, kinds: Mapping[str, Kind]
) -> tuple[list[BackupId], list[RuleNote], list[Missed]]:
    """Choose the backups that a restore rule brings back, and note what it leaves out or misses.

    Raises:
        Unplannable: the rule can't be followed as it is; a line for each reason.
    """
    refs = [resource.ref for resource in remembered(rule.select, rule.version, catalog, documents, kinds)]
    if rule.to.name and len(refs) > 1:
        matched = some(ref.address for ref in refs)
        raise Unplannable(f"`to.name` is one name, but the rule matches {len(refs)} resources: {matched}")
    choice = sources_for(refs, rule.version, catalog)
    if isinstance(rule.version, Exactly) or not choice.sources:
        return choice.sources, [], [*choice.missed, *_lacking(refs, rule, choice, catalog)]
    absent = [
        RuleNote(rule.name, f"{text}; restore rule {rule.name} leaves it out") for text in choice.absent
    ]
    return choice.sources, absent, choice.missed


def _lacking(
    refs: Iterable[ResourceRef], rule: RestoreRule, choice: Choice, catalog: Catalog
) -> Iterator[Missed]:
    """Name what has no backup that a rule means, where it means one in particular, or finds none at all."""
    found = {source.ref.address for source in choice.sources} | {each.address for each in choice.missed}
    for ref in refs:
        if ref.address not in found:
            why = why_none(ref, rule.version, catalog)
            yield Missed(ref.address, why, f"see `version` of the restore rule {rule.name} ({rule.place})")


def unmatched_restores(
    policy: Policy, catalog: Catalog, documents: Documents, kinds: Mapping[str, Kind]
) -> Iterator[RuleNote]:
    """Say which restore rules mean nothing in the repository."""
    stored = [Resource(ref, {}) for ref in catalog.backups]
    projects = {ref.project for ref in catalog.backups}
    for rule in policy.restore:
        if not remembered(rule.select, rule.version, catalog, documents, kinds):
            near = nearest(rule.select, stored, kinds)
            text = f"restore rule {rule.name} ({rule.place}) matches nothing in the repository{near}"
            severity = severity_of(rule.select, policy.expect, projects)
            yield RuleNote(rule.name, text, is_unmatched=True, severity=severity)
            continue
        for words, severity in _idle_names(rule, policy.expect, catalog, documents, kinds):
            text = f"restore rule {rule.name} ({rule.place}): {words}"
            yield RuleNote(rule.name, text, severity=severity)


def _idle_names(
    rule: RestoreRule, expect: Expect, catalog: Catalog, documents: Documents, kinds: Mapping[str, Kind]
) -> Iterator[tuple[str, Severity]]:
    anything = evolve(rule.select, names=("*",), where={})
    found = {
        resource.ref: resource
        for version in (Latest(), rule.version)
        for resource in remembered(anything, version, catalog, documents, kinds)
    }
    labels = {label for each in found.values() for label in kinds[each.ref.kind].labels(each)}
    return idle_names(rule.select, expect, labels, where="in the repository")


def judged_of(
    policy: Policy, notes: Iterable[RuleNote], gone: Iterable[RuleNote], unprotected: int
) -> Judged:
    """Take what is to be said as a policy wants it to be taken.

    Args:
        gone: what is told of rules that meant something once; it says more than that they mean nothing now.
        unprotected: how many resources no rule covers.
    """
    told = {note.rule for note in gone}
    by = [judge([n.text], n.severity) for n in notes if not (n.is_unmatched and n.rule in told)]
    by += [judge(unused_maps(policy), policy.expect.unmatched)]
    unmet = (text for each in by for text in each.unmet)
    return Judged(
        warnings=tuple(text for each in by for text in each.warnings),
        unmet=(*unmet, *unprotected_words(unprotected, policy.expect)),
    )


def _restored(
    rule: RestoreRule, source: BackupId, options: RestoreOptions, kinds: Mapping[str, Kind]
) -> Restored:
    target = kinds[source.ref.kind].relocated(source.ref, options.maps, rule.to)
    return Restored(target, source, rule.if_present, options, version=rule.version, volumes=rule.volumes)


def of_the_future(protection: Protection, catalog: Catalog) -> list[str]:
    """Warn of backups dated later than now: a clock was wrong when they were made, or is so now."""
    return [words for ref in sorted(protection.covered) for words in future_words(ref, catalog)]


def _by_ref(goal: Goal) -> ResourceRef:
    return goal.ref
