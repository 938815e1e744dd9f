"""What the steps of a plan, each possible by itself, can't be in the world as it is. Pure."""

from collections.abc import Iterable, Sequence

from ..errors import Unplannable
from ..model.goals import Goal, Restored
from ..model.plans import Step
from .addresses import check_addresses
from .backing_up import compression_warnings, copy_warnings, target_warnings
from .both_ways import circles
from .neighbours import check_neighbours
from .project_limits import check_limits, warn_of_losses
from .quotas import check_quotas
from .requirements import check_left_out, check_space, host_warnings
from .subnets import check_subnets
from .world import World


def check_steps(
    steps: Sequence[Step], goals: Iterable[Goal], world: World
) -> tuple[list[Unplannable], list[str]]:
    """Look at all steps together, and at what lives beside what they bring.

    Returns:
        What can't be done, and what a reviewer should know.
    """
    goals = list(goals)
    pairs = (
        check_space(steps, world.evidence),
        check_quotas(steps, world),
        check_neighbours(steps, world),
        check_subnets(steps, world),
    )
    problems = [problem for found, _ in pairs for problem in found]
    problems += [*check_addresses(steps, world), *check_limits(steps, world)]
    problems += check_left_out((goal for goal in goals if isinstance(goal, Restored)), world)
    problems += circles(goals, steps, now=world.now)
    warnings = [warning for _, found in pairs for warning in found]
    warnings += [*host_warnings(steps, world), *warn_of_losses(steps, world)]
    warnings += [*target_warnings(steps, world), *compression_warnings(steps, world)]
    warnings += copy_warnings(steps, world)
    return problems, warnings
