"""From what is on a server to a policy that covers all of it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from ...model.backups import ExportWishes
from ...model.inventory import Inventory
from ...model.policies import Place, Policy, ProtectRule, Select
from ...model.refs import CONFIG
from ...model.starters import Starter, StarterRule
from ...ports import Kind
from ..ownership import projects_of
from .companions import IMAGE, VOLUME
from .matching import literal
from .policy import unprotected_resources
from .protection import INSTANCE, Protection, protect

_Kinds = Mapping[str, tuple[str, ...]]
_WITH_INSTANCES: _Kinds = {"instances": (INSTANCE,), "volumes-and-configuration": (VOLUME, CONFIG.kind)}
_WITHOUT: _Kinds = {"everything": (INSTANCE, VOLUME, CONFIG.kind)}
"""One rule, for one that is for instances alone would match nothing, and each plan would say so."""
_IMAGES: _Kinds = {"images": (IMAGE,)}


def make_starter(
    inventory: Inventory, projects: Iterable[str], *, target: str, kinds: Mapping[str, Kind]
) -> Starter:
    """Make rules that cover everything there is, and no more of them than that takes.

    Args:
        projects: those that rules shall name, besides those in which something is.
        target: the repository to name; empty for none.
    """
    used = {project for resource in inventory.resources.values() for project in projects_of(resource)}
    globs = tuple(literal(project) for project in sorted({"default", *projects, *used}))
    has_instances = any(ref.kind == INSTANCE for ref in inventory.resources)
    rules = _WITH_INSTANCES if has_instances else _WITHOUT
    protection = _protected(rules, globs, inventory, kinds)
    if unprotected_resources(inventory, protection.covered.keys()):
        rules = {**rules, **_IMAGES}
        protection = _protected(rules, globs, inventory, kinds)
    counts = Counter((each.rule.name, ref.kind) for ref, each in protection.covered.items())
    return Starter(
        inventory.server.name,
        target,
        globs,
        tuple(StarterRule(name, meant, _of(name, counts)) for name, meant in rules.items()),
    )


def _protected(
    rules: _Kinds, projects: tuple[str, ...], inventory: Inventory, kinds: Mapping[str, Kind]
) -> Protection:
    drafts = (
        ProtectRule(name, Select(meant, projects), ExportWishes(), Place("", 0))
        for name, meant in rules.items()
    )
    return protect(Policy(protect=tuple(drafts)), inventory, kinds)


def _of(rule: str, counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    return {kind: count for (name, kind), count in sorted(counts.items()) if name == rule}
