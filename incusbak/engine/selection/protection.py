"""From protect rules to goals: a resource belongs to the first rule that means it. Pure."""

from collections.abc import Iterator, Mapping, Set

from attrs import evolve, frozen

from ...model.explanations import Misfit, OnlyCached, OptedIn, Selected
from ...model.goals import BackedUp
from ...model.inventory import Inventory, Resource
from ...model.policies import Expect, Hooks, Images, Permission, Policy, ProtectRule, Severity
from ...model.refs import ResourceRef
from ...ports import Kind
from .companions import images_with, volumes_of
from .expectations import idle_names, nearest, severity_of, unseen_projects
from .instance_keys import PROTECT, Wishes, wishes_of
from .matching import config_misfit, matches_any, misfit, selects
from .obstacles import obstacle

INSTANCE = "instance"
"""The kind that has an inside, for hooks, and a say of its own."""


@frozen
class RuleNote:
    """Something to be said of a rule; ``is_unmatched``: that it means nothing."""

    rule: str
    text: str
    is_unmatched: bool = False
    severity: Severity = Severity.WARN


@frozen
class Covered:
    """A resource with the rule it belongs to. ``obstacle``: why it can't be backed up all the same."""

    rule: ProtectRule
    goal: BackedUp
    obstacle: str = ""


@frozen
class Protection:
    """What the rules protect.

    ``opted_out``: what a rule would mean, had it not asked to be left out. ``living``: all there is.
    ``elsewhere``: what rules for other targets protect, or would, had it not asked to be left out.
    """

    covered: Mapping[ResourceRef, Covered]
    opted_out: frozenset[ResourceRef]
    notes: tuple[RuleNote, ...]
    living: Set[ResourceRef] = frozenset()
    elsewhere: frozenset[ResourceRef] = frozenset()

    @property
    def accounted_for(self) -> Set[ResourceRef]:
        """What is not unprotected."""
        return self.covered.keys() | self.opted_out | self.elsewhere

    @property
    def goals(self) -> tuple[BackedUp, ...]:
        return tuple(self.covered[ref].goal for ref in sorted(self.covered) if not self.covered[ref].obstacle)

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Say what can't be backed up, and why."""
        refs = (ref for ref in sorted(self.covered) if self.covered[ref].obstacle)
        return tuple(f"{ref} can't be backed up: {self.covered[ref].obstacle}" for ref in refs)


def protect(policy: Policy, inventory: Inventory, kinds: Mapping[str, Kind]) -> Protection:
    """Ask for what the rules protect, with what comes along; note rules that mean nothing more."""
    found: dict[ResourceRef, Covered] = {}
    opted_out: set[ResourceRef] = set()
    notes: list[RuleNote] = []
    for rule in policy.protect:
        meant = [r for r in inventory.resources.values() if is_meant(rule, r, kinds)]
        leaving = {resource.ref for resource in meant if opts_out(rule, resource, kinds)}
        opted_out |= leaving
        matched = [resource for resource in meant if resource.ref not in leaving]
        with_companions = [*matched, *_companions(rule, matched, inventory, kinds)]
        new = [resource for resource in with_companions if resource.ref not in found]
        notes += _notes(rule, matched, new)
        notes += _unmatched(rule, meant, policy.expect, inventory, kinds)
        for resource in new:
            found[resource.ref] = _cover(rule, resource, inventory, kinds)
            notes += _complaints(rule, resource, kinds)
    return Protection(
        covered=found,
        opted_out=frozenset(opted_out - found.keys()),
        notes=tuple(notes),
        living=inventory.resources.keys(),
        elsewhere=_elsewhere(policy, inventory, kinds),
    )


def _elsewhere(policy: Policy, inventory: Inventory, kinds: Mapping[str, Kind]) -> frozenset[ResourceRef]:
    if not policy.elsewhere:
        return frozenset()
    return frozenset(protect(Policy(protect=policy.elsewhere), inventory, kinds).accounted_for)


def is_meant(rule: ProtectRule, resource: Resource, kinds: Mapping[str, Kind]) -> bool:
    """Whether a rule selects a resource, or lets it select itself; opting out is another matter."""
    return isinstance(consider(rule, resource, kinds), Selected | OptedIn)


def consider(rule: ProtectRule, resource: Resource, kinds: Mapping[str, Kind]) -> Selected | OptedIn | Misfit:
    """Say why a rule means a resource, or why it does not."""
    kind, select = kinds[resource.ref.kind], rule.select
    found = misfit(select, resource, kind.labels(resource))
    if found is None and _is_only_cached(rule, resource):
        found = OnlyCached()
    if found is None:
        found = config_misfit(select.where, kind.effective_config(resource.document) if select.where else {})
    if found is None:
        return Selected()
    return OptedIn(PROTECT) if _opts_in(rule, resource, kinds) else found


def opts_out(rule: ProtectRule, resource: Resource, kinds: Mapping[str, Kind]) -> bool:
    """Whether a resource asks to be left out, and may."""
    return _may(rule, Permission.OPT_OUT, resource) and _wishes(resource, kinds).protect is False


def added_by(rule: ProtectRule, resource: Resource, kinds: Mapping[str, Kind]) -> Wishes:
    """What a resource adds to the rule's commands by keys of its own, where it may."""
    return _wishes(resource, kinds) if _may(rule, Permission.HOOKS, resource) else Wishes()


def _opts_in(rule: ProtectRule, resource: Resource, kinds: Mapping[str, Kind]) -> bool:
    """Whether a resource of the rule's projects asks to be covered, and may; excluded names stay so."""
    if not _may(rule, Permission.OPT_IN, resource) or _wishes(resource, kinds).protect is not True:
        return False
    excluded = tuple(name for name in rule.select.names if name.startswith("!"))
    return selects(evolve(rule.select, names=excluded), resource, kinds[resource.ref.kind].labels(resource))


def _may(rule: ProtectRule, permission: Permission, resource: Resource) -> bool:
    return permission in rule.instances_may and resource.ref.kind == INSTANCE


def _wishes(resource: Resource, kinds: Mapping[str, Kind]) -> Wishes:
    return wishes_of(kinds[resource.ref.kind].effective_config(resource.document))


def _cover(rule: ProtectRule, resource: Resource, inventory: Inventory, kinds: Mapping[str, Kind]) -> Covered:
    ref = resource.ref
    hooks = rule.hooks if ref.kind == INSTANCE else Hooks()
    hooks = added_by(rule, resource, kinds).added_to(hooks)
    goal = BackedUp(ref, rule.max_age, rule.options, hooks)
    return Covered(rule, goal, obstacle(resource, rule.options, inventory, kinds))


def _complaints(rule: ProtectRule, resource: Resource, kinds: Mapping[str, Kind]) -> list[RuleNote]:
    """Say what a resource asks for in words nobody understands."""
    if not rule.instances_may or resource.ref.kind != INSTANCE:
        return []
    problems = _wishes(resource, kinds).problems
    return [RuleNote(rule.name, f"{resource.ref}: {problem}; it is passed over") for problem in problems]


def _is_only_cached(rule: ProtectRule, resource: Resource) -> bool:
    """Whether it is a download of the server's that nobody asked for by name."""
    return bool(resource.document.get("cached")) and "*" in rule.select.names


def _companions(
    rule: ProtectRule, matched: list[Resource], inventory: Inventory, kinds: Mapping[str, Kind]
) -> list[Resource]:
    instances = [r for r in matched if r.document and kinds[r.ref.kind].companions(r.document)]
    if not instances and rule.images is not Images.ALL:
        return []
    volumes = volumes_of(instances, inventory, kinds) if rule.attached_volumes else []
    projects = rule.select.projects
    images = images_with(
        instances, rule.images, inventory, kinds, in_projects=lambda name: matches_any(name, projects)
    )
    return [*volumes, *images]


def _unmatched(
    rule: ProtectRule,
    meant: list[Resource],
    expect: Expect,
    inventory: Inventory,
    kinds: Mapping[str, Kind],
) -> Iterator[RuleNote]:
    """Say that a rule, or a project that it names, means nothing on the server."""
    which, living = f"protect rule {rule.name} ({rule.place})", inventory.resources.values()
    if not meant:
        text = f"{which} matches nothing on the server{nearest(rule.select, living, kinds)}"
        severity = severity_of(rule.select, expect, inventory.projects)
        yield RuleNote(rule.name, text, is_unmatched=True, severity=severity)
    for words, severity in _idle_names(rule, expect, inventory, kinds) if meant else ():
        yield RuleNote(rule.name, f"{which}: {words}", severity=severity)
    for words in unseen_projects(rule.select, inventory.projects):
        yield RuleNote(rule.name, f"{which}: {words}", severity=expect.unmatched)


def _idle_names(
    rule: ProtectRule, expect: Expect, inventory: Inventory, kinds: Mapping[str, Kind]
) -> Iterator[tuple[str, Severity]]:
    """The names in a rule that mean nothing; what is only under way, or a part of another, is there."""
    anything = evolve(rule.select, names=("*",))
    passing = (Resource(ref, {}) for ref in (*inventory.unsettled, *inventory.parts))
    labels: set[str] = set()
    for resource in (*inventory.resources.values(), *passing):
        own = kinds[resource.ref.kind].labels(resource)
        if selects(anything, resource, own):
            labels |= own if resource.ref.pool else {resource.ref.name, *own}
    return idle_names(rule.select, expect, labels, where="on the server")


def _notes(rule: ProtectRule, matched: list[Resource], new: list[Resource]) -> list[RuleNote]:
    if matched and not new:
        return [
            RuleNote(
                rule.name, f"protect rule {rule.name} ({rule.place}) matches only what earlier rules cover"
            )
        ]
    return []
