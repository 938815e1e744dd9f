"""Nothing hurts without a hazard, nothing hazardous is done without consent, no guard is passed unforced."""

from copy import deepcopy
from typing import Any

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from incusbak import codec
from incusbak.cli.workflow import carry_out
from incusbak.engine.execution.approval import Agreed, approve
from incusbak.engine.planning.planner import summarize
from incusbak.errors import ApprovalRequired, Blocked, Unplannable
from incusbak.model.actions import Action, Delete, Prune, Purge, Replace, Update
from incusbak.model.plans import Hazard, PlanFile
from incusbak.model.refs import ResourceRef
from tests.fake_incus import World
from tests.fake_incus.world import RUNNING
from tests.few import few
from tests.world.estates import estates
from tests.world.full_estate import BACK_UP, changed_estate
from tests.world.policy_texts import Policy, as_yaml, policies, without_commands
from tests.world.session import Estate, left_undone

_PASSING = ("last_used_at",)
_NETWORKS = ("network", "acl", "address-set", "zone", "record", "forward", "load-balancer", "peer")


def planned(estate: Estate, policy: Policy) -> PlanFile:
    try:
        return estate.plan(as_yaml(policy))
    except Unplannable:
        assume(False)
        raise


# -- what hurts ---------------------------------------------------------------------------------------


def hurts(action: Action, world: World) -> set[Hazard]:
    """How an action hurts, as the server's side sees it."""
    match action:
        case Replace(to=ResourceRef(kind="image")):
            return {Hazard.REPLACES_RESOURCE}  # unless it only comes to more projects
        case Replace(to=to):
            return {Hazard.REPLACES_RESOURCE, *([Hazard.STOPS_INSTANCE] if _runs(to, world) else [])}
        case Update(ref=ref) if not _is_unused(ref, world):
            return _of_change(ref)
        case Prune() | Purge():
            return {Hazard.DELETES_BACKUP}
        case Delete(ref=ref):
            return {Hazard.DELETES_RESOURCE, *(_of_change(ref) - {Hazard.REPLACES_RESOURCE})}
    return set()


def _of_change(ref: ResourceRef) -> set[Hazard]:
    if ref.kind == "pool":
        return {Hazard.CHANGES_POOL}
    return {Hazard.CHANGES_NETWORK} if ref.kind in _NETWORKS else {Hazard.REPLACES_RESOURCE}


def _is_unused(ref: ResourceRef, world: World) -> bool:
    """Whether it is as it came: the default profile of a project that nobody has put anything into."""
    profile = world.profiles.get((ref.project, ref.name)) if ref.kind == "profile" else None
    return ref.name == "default" and not (profile and (profile["config"] or profile["devices"]))


def _runs(to: ResourceRef, world: World) -> bool:
    """Whether a running instance would have to be stopped to replace this."""
    if to.kind == "instance":
        return world.instances[to.project, to.name].status in RUNNING
    return any(_uses(to, instance.document, world) for instance in world.instances.values())


def _uses(volume: ResourceRef, instance: Any, world: World) -> bool:
    devices = world.expanded(instance)["expanded_devices"].values()
    is_here = world.owner(instance["project"], "storage.volumes") == volume.project
    attached = [d for d in devices if (d.get("pool"), d.get("source")) == (volume.pool, volume.name)]
    return instance["status"] in RUNNING and is_here and bool(attached)


def check_hazards(plan_file: PlanFile, world: World) -> None:
    for step in plan_file.plan.steps:
        is_image = isinstance(step.action, Replace) and step.action.to.kind == "image"
        expected = hurts(step.action, world)
        assert set(step.hazards) == expected or (is_image and not step.hazards), step.id


@few
@given(estates(least=1), policies())
def test_every_step_that_hurts_says_how(estate: Estate, policy: Policy) -> None:
    check_hazards(planned(estate, policy), estate.server.world)


@few
@given(estates(least=1), policies())
def test_a_plan_with_hazards_needs_consent_and_no_other_does(estate: Estate, policy: Policy) -> None:
    plan_file = planned(estate, policy)
    if plan_file.plan.hazards:
        with pytest.raises(ApprovalRequired):
            approve(plan_file, None, overrule=True)
    else:
        assert approve(plan_file, None, overrule=True).plan_file == plan_file


# -- what does not ------------------------------------------------------------------------------------


def look(world: World) -> dict[str, Any]:
    """Everything there is, each by a name of its own."""
    return deepcopy(
        {
            **{f"instance {key}": _portrait(each) for key, each in world.instances.items()},
            **{f"image {key}": (each.document, each.files) for key, each in world.images.items()},
            **{f"volume {key}": (each, world.content(key)) for key, each in world.volumes.items()},
            **{f"profile {key}": each for key, each in world.profiles.items()},
            **{f"network {key}": each for key, each in world.networks.items()},
            **{f"project {key}": each for key, each in world.projects.items()},
            **{f"pool {key}": each for key, each in world.pools.items()},
            **{f"entity {key}": each for key, each in world.entities.items()},
        }
    )


def _portrait(instance: Any) -> Any:
    document = {key: value for key, value in instance.document.items() if key not in _PASSING}
    return document, instance.files, instance.snapshots, instance.backups


def harmless(plan_file: PlanFile) -> PlanFile:
    """The steps without hazards, as far as they wait for no other, as a plan of their own."""
    kept: list[Any] = []
    for step in plan_file.plan.steps:
        if not step.hazards and {each.id for each in kept}.issuperset(step.after):
            kept.append(step)
    plan = evolve(plan_file.plan, steps=tuple(kept), summary=summarize(kept))
    return evolve(plan_file, plan=plan, digest=codec.digest(plan))


def check_harmless(plan_file: PlanFile, estate: Estate) -> None:
    """Carry out what has no hazard, without consent; see that all that was there is there as it was."""
    before, harmless_file = look(estate.server.world), harmless(plan_file)
    code = carry_out(estate.session(), approve(harmless_file, None, overrule=True))
    assert code == left_undone(harmless_file)
    after = look(estate.server.world)
    assert {key: after.get(key) for key in before} == before


@few
@given(estates(least=1), policies())
def test_what_has_no_hazard_leaves_everything_as_it_was(estate: Estate, policy: Policy) -> None:
    check_harmless(planned(estate, without_commands(policy)), estate)


EVERYTHING_BACK = """
version: 1
restore:
  - name: back
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    version: {before: 2026-01-02T00:00:00Z}
    if_present: replace
"""


def test_a_whole_estate_brought_back_has_the_hazards_it_should() -> None:
    estate = changed_estate()
    plan_file = estate.plan(BACK_UP + EVERYTHING_BACK.removeprefix("\nversion: 1"))
    check_hazards(plan_file, estate.server.world)
    assert set(plan_file.plan.hazards) == {
        Hazard.REPLACES_RESOURCE,
        Hazard.STOPS_INSTANCE,
        Hazard.CHANGES_NETWORK,
    }
    check_harmless(plan_file, estate)


# -- guards -------------------------------------------------------------------------------------------


@few
@given(estates(least=1), policies(protect=0), st.integers(0, 100))
def test_a_plan_replaces_no_more_than_the_guard_allows_unless_forced(
    estate: Estate, policy: Policy, limit: int
) -> None:
    plan_file = planned(estate, {**policy, "guards": {"max_replace": f"{limit}%"}})
    world = estate.server.world
    replaced = [s for s in plan_file.plan.steps if isinstance(s.action, Replace) and s.hazards]
    images = {fingerprint for _, fingerprint in world.images}
    living = len(world.instances) + len(world.volumes) + len(images)
    before = look(world)
    if len(replaced) * 100 > limit * living:
        for consent in (None, Agreed()):
            with pytest.raises(Blocked, match="guard max_replace"):
                approve(plan_file, consent)
        assert look(world) == before
        assert approve(plan_file, Agreed(), overrule=True).plan_file == plan_file
    else:
        assert plan_file.plan.blocks == ()
