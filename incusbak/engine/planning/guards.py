"""What guards forbid. Pure."""

from collections.abc import Iterable, Iterator

from ...model.actions import Prune, Replace
from ...model.inventory import Inventory
from ...model.plans import Step
from ...model.policies import Guards
from ...model.refs import CONFIG


def exceeded(steps: Iterable[Step], guards: Guards, inventory: Inventory) -> Iterator[str]:
    """Say which limits the steps exceed."""
    limit = guards.max_replace_percent
    living = len(inventory.resources.keys() - {CONFIG})
    replaced = sum(isinstance(step.action, Replace) and bool(step.hazards) for step in steps)
    if limit is not None and replaced * 100 > limit * living:
        yield (
            f"guard max_replace: {replaced} of {living} living resources would be replaced "
            f"({replaced * 100 // living}%), more than {limit}%"
        )
    yield from _pruned_too_much(steps, guards.max_prune_percent)


def _pruned_too_much(steps: Iterable[Step], limit: int | None) -> Iterator[str]:
    for action in (step.action for step in steps if isinstance(step.action, Prune)):
        removed, there = len(action.backups), len(action.backups) + len(action.keep)
        if limit is not None and removed * 100 > limit * there:
            yield (
                f"guard max_prune: {removed} of {there} backups of {action.ref} would be removed "
                f"({removed * 100 // there}%), more than {limit}%"
            )
