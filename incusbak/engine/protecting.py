"""From protect rules to goals: a resource belongs to the first rule that means it. Pure."""

from collections.abc import Mapping

from attrs import frozen

from ..model.goals import BackedUp
from ..model.inventory import Inventory, Resource
from ..model.policies import Images, Policy, ProtectRule
from ..model.refs import ResourceRef
from ..ports import Kind
from .companions import images_with, volumes_of
from .matching import config_matches, matches_any, selects


@frozen
class Note:
    """A warning about a rule."""

    rule: str
    text: str
    is_unmatched: bool = False


def protect(
    policy: Policy, inventory: Inventory, kinds: Mapping[str, Kind]
) -> tuple[list[BackedUp], list[Note]]:
    """Ask for what the rules protect, with what comes along; note rules that mean nothing more."""
    goals: dict[ResourceRef, BackedUp] = {}
    notes: list[Note] = []
    for rule in policy.protect:
        matched = _living(rule, inventory, kinds)
        covered = [*matched, *_companions(rule, matched, inventory, kinds)]
        new = [resource for resource in covered if resource.ref not in goals]
        notes += _notes(rule, matched, new)
        for resource in new:
            if why := kinds[resource.ref.kind].obstacle(resource.document, inventory.server):
                notes.append(Note(rule.name, f"{resource.ref} can't be backed up: {why}"))
            else:
                goals[resource.ref] = BackedUp(resource.ref, rule.max_age, rule.options)
    return list(goals.values()), notes


def _living(rule: ProtectRule, inventory: Inventory, kinds: Mapping[str, Kind]) -> list[Resource]:
    def matches(resource: Resource) -> bool:
        kind, where = kinds[resource.ref.kind], rule.select.where
        if not selects(rule.select, resource, kind.labels(resource)) or _is_only_cached(rule, resource):
            return False
        return not where or config_matches(where, kind.effective_config(resource.document))

    return [resource for resource in inventory.resources.values() if matches(resource)]


def _is_only_cached(rule: ProtectRule, resource: Resource) -> bool:
    """Whether it is a download of the server's that nobody asked for by name."""
    return bool(resource.document.get("cached")) and "*" in rule.select.names


def _companions(
    rule: ProtectRule, matched: list[Resource], inventory: Inventory, kinds: Mapping[str, Kind]
) -> list[Resource]:
    instances = [resource for resource in matched if kinds[resource.ref.kind].companions(resource.document)]
    if not instances and rule.images is not Images.ALL:
        return []
    volumes = volumes_of(instances, inventory, kinds) if rule.attached_volumes else []
    projects = rule.select.projects
    images = images_with(
        instances, rule.images, inventory, kinds, in_projects=lambda name: matches_any(name, projects)
    )
    return [*volumes, *images]


def _notes(rule: ProtectRule, matched: list[Resource], new: list[Resource]) -> list[Note]:
    if not matched:
        text = f"protect rule {rule.name} ({rule.place}) matches nothing on the server"
        return [Note(rule.name, text, is_unmatched=True)]
    if not new:
        return [
            Note(rule.name, f"protect rule {rule.name} ({rule.place}) matches only what earlier rules cover")
        ]
    return []
