"""Rules that ask what the repository knows of a resource: its configuration, its aliases, that it was."""

import pytest

from incusbak.model.records import Phase, Restoration
from incusbak.model.refs import instance_ref
from tests.fake_incus import images
from tests.image_samples import unified_of
from tests.world.session import Estate

PROTECT = "version: 1\nprotect: [{name: gold, select: {kind: instance, where: {user.tier: gold}}}]\n"


def restore(select: str, more: str = "") -> str:
    return f"version: 1\nrestore: [{{name: back, select: {{{select}}}{more}}}]\n"


@pytest.fixture
def estate() -> Estate:
    """Two instances that were backed up and are gone."""
    estate = Estate()
    for name, tier in (("a", "gold"), ("b", "iron")):
        estate.server.world.add_instance(name, config={"user.tier": tier})
    assert estate.back_up() == 0
    return estate


def steps(estate: Estate, policy: str) -> list[str]:
    return [step.id for step in estate.plan(policy).plan.steps]


def lose(estate: Estate) -> None:
    estate.server.world.instances.clear()


def test_a_restore_rule_selects_by_the_configuration_that_was_backed_up(estate: Estate) -> None:
    lose(estate)
    selector = "kind: instance, where: {user.tier: g*}"
    assert steps(estate, restore(selector)) == ["restore:instance/default/a"]
    plan_file = estate.plan(restore(selector))
    assert estate.apply(plan_file) == 0
    assert set(estate.server.world.instances) == {("default", "a")}
    assert steps(estate, restore(selector, ", if_present: replace")) == []


def test_it_is_the_configuration_of_the_wanted_version(estate: Estate) -> None:
    estate.server.world.instance("b").config["user.tier"] = "gold"
    assert estate.back_up("b") == 0
    lose(estate)
    selector = "kind: instance, where: {user.tier: gold}"
    oldest = min(backup.timestamp for backup in estate.disk.backups)
    assert steps(estate, restore(selector)) == ["restore:instance/default/a", "restore:instance/default/b"]
    before = f", version: {{before: {oldest}}}"
    assert steps(estate, restore(selector, before)) == ["restore:instance/default/a"]


def test_a_rule_that_meant_something_once_blocks_the_plan(estate: Estate) -> None:
    assert estate.plan(PROTECT).plan.blocks == ()
    lose(estate)
    [block] = estate.plan(PROTECT).plan.blocks
    assert block == (
        "protect rule gold (policy.yaml:2:11) matches nothing on the server, but the repository has backups "
        "of instance/default/a; correct the rule, or remove it if they are gone for good"
    )


def test_what_waits_under_another_name_for_its_restore_to_be_undone_is_not_gone(estate: Estate) -> None:
    lose(estate)
    killed = Restoration("r", instance_ref("default", "a"), "tmp", "old", Phase.SWAPPING, start=False)
    estate.shelf.runs[99] = {killed.id: killed}
    plan = estate.plan(PROTECT).plan
    assert (plan.blocks, [step.id for step in plan.steps]) == ((), ["recover:r"])


def test_a_rule_that_never_meant_anything_only_warns(estate: Estate) -> None:
    plan = estate.plan(PROTECT.replace("gold}", "lead}")).plan
    assert (plan.blocks, plan.drift.unmatched) == ((), ("gold",))


def test_images_are_restored_by_alias_and_project() -> None:
    estate = Estate()
    images.add(estate.server.world, unified_of("image"), aliases=[{"name": "small", "description": ""}])
    assert estate.back_up(kind="image") == 0
    estate.server.world.images.clear()
    [step] = steps(estate, restore("kind: image, names: [small]"))
    assert step.startswith("restore:image/")
    assert steps(estate, restore("kind: image, names: [large]")) == []
    assert steps(estate, restore("kind: image, projects: [shop]")) == []
