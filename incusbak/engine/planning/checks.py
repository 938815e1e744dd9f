"""What the steps of a plan, each possible by itself, can't be in the world as it is. Pure."""

from collections.abc import Iterable, Sequence

from ...errors import Unplannable
from ...model.goals import Goal
from ...model.plans import Step
from .address_conflicts import check_addresses
from .backup import compression_warnings, copy_warnings, target_warnings
from .conflicts import circles
from .neighbours import check_neighbours
from .project_limits import check_limits, warn_of_losses
from .quotas import check_quotas
from .requirements import check_space, host_warnings
from .subnets import check_subnets
from .world import World


def check_steps(
    steps: Sequence[Step], goals: Iterable[Goal], world: World
) -> tuple[list[list[Unplannable]], list[str]]:
    """Look at all steps together, and at what lives beside what they bring.

    Returns:
        What can't be done, in groups by what was looked at: what is left undone for one makes room. And
        what a reviewer should know.
    """
    pairs: tuple[tuple[list[Unplannable], list[str]], ...] = (
        check_quotas(steps, world),
        check_neighbours(steps, world),
        (check_addresses(steps, world), []),
        check_subnets(steps, world),
        (check_limits(steps, world), []),
        check_space(steps, world.evidence),
    )
    problems = [[*circles(goals, steps, now=world.now)], *(found for found, _ in pairs)]
    warnings = [warning for _, found in pairs for warning in found]
    warnings += [*host_warnings(steps, world), *warn_of_losses(steps, world)]
    warnings += [*target_warnings(steps, world), *compression_warnings(steps, world)]
    warnings += copy_warnings(steps, world)
    return [found for found in problems if found], warnings
