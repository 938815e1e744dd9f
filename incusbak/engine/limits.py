"""What guards forbid. Pure."""

from collections.abc import Iterable, Iterator

from ..model.inventory import Inventory
from ..model.plans import Replace, Step
from ..model.policies import Guards
from ..model.refs import CONFIG


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
