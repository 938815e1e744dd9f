"""One server that is backed up to several repositories, one for each target of a policy."""

from attrs import define, field

from incusbak.engine.selection.targets import policy_for
from incusbak.model.plans import PlanFile
from incusbak.policyfile import parse_policy
from tests.world.session import Estate


@define
class Several:
    """``estates``: that of each target; they have the server, its journal and the clock in common."""

    estates: dict[str, Estate] = field(factory=dict)

    def plan(self, text: str) -> dict[str, PlanFile]:
        """Plan once for each target, in order."""
        policy = parse_policy(text, "policy.yaml", environment=self._beside().environment)
        plans = {}
        for target in policy.targets:
            estate = self.estates.setdefault(target.name, self._beside())
            plans[target.name] = estate.plan_by(policy_for(policy, target))
        return plans

    def apply(self, plans: dict[str, PlanFile], *, force: bool = False) -> dict[str, int]:
        return {name: self.estates[name].apply(plan_file, force=force) for name, plan_file in plans.items()}

    def _beside(self) -> Estate:
        """Another repository for the same server."""
        if not self.estates:
            return Estate()
        first = next(iter(self.estates.values()))
        return Estate(first.server, shelf=first.shelf, clock=first.clock, environment=first.environment)


def steps(plans: dict[str, PlanFile]) -> dict[str, list[str]]:
    return {name: [step.id for step in plan_file.plan.steps] for name, plan_file in plans.items()}


def unprotected(plans: dict[str, PlanFile]) -> dict[str, tuple[str, ...]]:
    return {name: plan_file.plan.drift.unprotected for name, plan_file in plans.items()}
