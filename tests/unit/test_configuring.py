"""What leads from the configuration of a server to the one a backup holds, entity by entity."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from incusbak.engine.planning.planner import make_plan
from incusbak.engine.planning.world import World
from incusbak.errors import Unplannable
from incusbak.model.actions import Create, Delete, Update
from incusbak.model.backups import StoredManifest
from incusbak.model.goals import Configured, Goal, RestoreOptions
from incusbak.model.inventory import Resource
from incusbak.model.plans import Absent, Change, HasManifest, Hazard, Plan, Summary, Unchanged
from incusbak.model.policies import IfPresent, Maps
from incusbak.model.refs import CONFIG, BackupId, ResourceRef, format_timestamp, instance_ref
from tests.fake_incus import FakeIncus
from tests.samples import manifest_of
from tests.unit.toy_entities import ToyEntity
from tests.unit.toys import NOW, ToyKind, resource
from tests.unit.worlds import ORIGIN, restored, stored_manifest, world

SOURCE = BackupId(CONFIG, format_timestamp(NOW - timedelta(hours=1)))
State = Mapping[str, Mapping[str, Any]]
PROFILE, NETWORK = ToyEntity("profile", 5), ToyEntity("network", 3)


def kept(state: State) -> StoredManifest:
    manifest = manifest_of(SOURCE, ())
    return StoredManifest(evolve(manifest, captured=evolve(manifest.captured, resource=state)), "sha-config")


def differing(stored: State, living: State, **more: Any) -> World:
    """A server with one configuration and a repository with another; every entity was looked at."""
    entities = [evolve(each, there=dict(living.get(each.name, {}))) for each in (PROFILE, NETWORK)]
    seen = {r.ref: e.inspect(FakeIncus(), r.ref) for e in entities for r in e.listed(living)}
    targets = {CONFIG: Resource(CONFIG, living), **seen}
    manifests = {SOURCE: kept(stored), **more.pop("manifests", {})}
    there = world(**{"manifests": manifests, "targets": targets, **more})
    kinds = {"instance": ToyKind(), "config": ToyKind(name="config", rank=10)}
    return evolve(there, entities={each.name: each for each in entities}, kinds=kinds)


def configured(if_present: IfPresent = IfPresent.REPLACE, **more: Any) -> Configured:
    options = RestoreOptions(maps=more.pop("maps", Maps()), project=more.pop("project", ""))
    return Configured(SOURCE, if_present, options, **more)


def plan(goal: Configured, there: World) -> Plan:
    return make_plan([goal], there, ORIGIN)


def shape(made: Plan) -> list[str]:
    return [step.id for step in made.steps]


def test_an_unchanged_configuration_gives_no_step() -> None:
    state = {"profile": {"web": {"cpu": "2"}}}
    noisy = {"profile": {"web": {"cpu": "2", "noise": "7"}}}
    assert plan(configured(), differing(state, noisy)).steps == ()


def test_only_the_fields_that_differ_are_shown() -> None:
    stored = {"profile": {"web": {"cpu": "2", "memory": "1GiB"}}}
    living = {"profile": {"web": {"cpu": "4", "memory": "1GiB", "disk": "9"}}}
    [step] = plan(configured(), differing(stored, living)).steps
    assert step.changes == (Change("cpu", "4", "2"), Change("disk", "9", None))
    assert step.action == Update(SOURCE, PROFILE.ref("web"), RestoreOptions())
    etag = f"etag {living['profile']['web']}"
    assert step.expects == (
        Unchanged(PROFILE.ref("web"), "", "", etag, ()),
        HasManifest(SOURCE, "sha-config"),
    )


def test_what_is_missing_is_made_in_the_order_of_need() -> None:
    stored = {
        "profile": {"a": {"needs": ["network/br0"]}},
        "network": {"br0": {"needs": ["network/up"]}, "up": {}},
    }
    made = plan(configured(), differing(stored, {}))
    assert [(step.id, step.after) for step in made.steps] == [
        ("create:network/default/up", ()),
        ("create:network/default/br0", ("create:network/default/up",)),
        ("create:profile/default/a", ("create:network/default/br0",)),
    ]
    assert made.steps[0].action == Create(SOURCE, NETWORK.ref("up"), RestoreOptions())
    assert made.steps[0].expects == (Absent(NETWORK.ref("up")), HasManifest(SOURCE, "sha-config"))
    assert made.hazards == ()
    assert made.summary == Summary(create=3)


def test_a_living_network_is_changed_with_a_hazard() -> None:
    made = plan(configured(), differing({"network": {"br0": {"mtu": "9000"}}}, {"network": {"br0": {}}}))
    assert made.hazards == (Hazard.CHANGES_NETWORK,)


def test_nothing_living_is_changed_without_a_hazard() -> None:
    made = plan(configured(), differing({"profile": {"web": {"cpu": "1"}}}, {"profile": {"web": {}}}))
    assert made.hazards == (Hazard.REPLACES_RESOURCE,)


@pytest.mark.parametrize(
    ("living", "hazards"),
    [({}, ()), ({"cpu": ""}, ()), ({"disk": "9"}, (Hazard.REPLACES_RESOURCE,))],
)
def test_what_comes_with_a_server_hurts_nobody_while_it_is_unused(
    living: Mapping[str, str], hazards: tuple[Hazard, ...]
) -> None:
    made = plan(
        configured(), differing({"profile": {"default": {"cpu": "1"}}}, {"profile": {"default": living}})
    )
    assert made.hazards == hazards


def test_what_the_backup_does_not_know_stays_unless_told() -> None:
    there = differing({}, {"profile": {"newer": {"needs": ["network/br0"]}}, "network": {"br0": {}}})
    assert plan(configured(), there).steps == ()
    made = plan(configured(prune=True), there)
    assert [(step.id, step.after, step.hazards) for step in made.steps] == [
        ("delete:profile/default/newer", (), (Hazard.DELETES_RESOURCE,)),
        (
            "delete:network/default/br0",
            ("delete:profile/default/newer",),
            (Hazard.CHANGES_NETWORK, Hazard.DELETES_RESOURCE),
        ),
    ]
    assert made.steps[0].action == Delete(PROFILE.ref("newer"))


def test_what_is_permanent_is_neither_made_nor_deleted() -> None:
    stored: State = {"profile": {"default": {"cpu": "1"}}}
    living: State = {"profile": {"default": {}}}
    assert shape(plan(configured(prune=True), differing({}, living))) == []
    assert shape(plan(configured(IfPresent.FAIL), differing(stored, living))) == [
        "update:profile/default/default"
    ]
    [step] = plan(configured(), differing(stored, {})).steps
    assert (step.id, step.expects) == ("update:profile/default/default", (HasManifest(SOURCE, "sha-config"),))


def test_what_is_there_and_differs_is_refused_or_skipped_as_told() -> None:
    there = differing({"profile": {"web": {"cpu": "1"}, "new": {}}}, {"profile": {"web": {"cpu": "2"}}})
    with pytest.raises(
        Unplannable, match="profile/default/web is on the server already, and differs"
    ) as refused:
        plan(configured(IfPresent.FAIL), there)
    assert refused.value.hint == "use --replace or --skip-existing (in a policy: if_present)"
    assert shape(plan(configured(IfPresent.SKIP), there)) == ["create:profile/default/new"]


def test_what_the_server_made_by_itself_does_not_count_as_existing() -> None:
    stored = {"profile": {"default": {"cpu": "1", "description": "ours"}}}
    made = plan(
        configured(IfPresent.SKIP), differing(stored, {"profile": {"default": {"description": "as made"}}})
    )
    assert (shape(made), made.hazards) == (["update:profile/default/default"], ())
    changed = {"profile": {"default": {"description": "as made", "memory": "1GiB"}}}
    assert shape(plan(configured(IfPresent.SKIP), differing(stored, changed))) == []


def test_what_cannot_be_changed_is_found_while_planning() -> None:
    there = differing({"network": {"br0": {"type": "ovn"}}}, {"network": {"br0": {"type": "bridge"}}})
    with pytest.raises(Unplannable, match=r"network/default/br0 can't be made as in .*: its type is fixed"):
        plan(configured(), there)


def test_what_is_missing_for_an_entity_is_found_while_planning() -> None:
    there = differing({"profile": {"web": {"needs": ["network/br0", "network/br1"]}}}, {})
    with pytest.raises(Unplannable) as refused:
        plan(configured(), there)
    assert refused.value.message == (
        "profile/default/web needs network/default/br0, network/default/br1: not on the server"
    )
    assert "--network-map br0=NEW" in refused.value.hint


def test_what_a_map_replaces_is_not_made() -> None:
    there = differing({"network": {"br0": {}}}, {})
    assert shape(plan(configured(maps=Maps(networks={"br0": "other"})), there)) == []


def test_entities_can_be_chosen_by_address_and_project() -> None:
    there = differing({"profile": {"web": {}, "db": {}}, "network": {"br0": {}}}, {})
    assert shape(plan(configured(only=("profile/*/db", "network/*")), there)) == [
        "create:network/default/br0",
        "create:profile/default/db",
    ]
    assert shape(plan(configured(project="shop"), there)) == []


def test_an_instance_waits_for_the_configuration_it_needs() -> None:
    backup = BackupId(instance_ref("default", "web"), format_timestamp(NOW))
    there = differing(
        {"network": {"br0": {}}, "profile": {"default": {}}},
        {},
        manifests={backup: stored_manifest(backup)},
        surroundings={
            ResourceRef("project", name="default"): {},
            ResourceRef("pool", name="fast"): {"driver": "dir"},
        },
    )
    goals: list[Goal] = [restored(backup.ref, backup), configured()]
    made = make_plan(goals, there, ORIGIN)
    assert [(step.id, step.after) for step in made.steps] == [
        ("create:network/default/br0", ()),
        ("update:profile/default/default", ()),
        (
            "restore:instance/default/web",
            ("create:network/default/br0", "update:profile/default/default"),
        ),
    ]
    with pytest.raises(
        Unplannable, match="instance/default/web needs network/default/br0, profile/default/default"
    ):
        make_plan(goals[:1], there, ORIGIN)


def test_addresses_that_are_taken_are_found_while_planning() -> None:
    web, other = instance_ref("default", "web"), instance_ref("default", "other")
    backup = BackupId(web, format_timestamp(NOW))
    stored = {backup: stored_manifest(backup, address="MAC address 10:66:6a:00:00:01 on br0")}
    living = resource(other, address="MAC address 10:66:6a:00:00:01 on br0")
    there = world(living, backups=[backup], manifests=stored)
    with pytest.raises(Unplannable) as refused:
        make_plan([restored(web, backup)], there, ORIGIN)
    assert refused.value.message == (
        "instance/default/web: its MAC address 10:66:6a:00:00:01 on br0 is taken by instance/default/other"
    )
    assert "--identity regenerate" in refused.value.hint
    elsewhere = evolve(there, inventory=evolve(there.inventory, resources={}))
    assert shape(make_plan([restored(web, backup)], elsewhere, ORIGIN)) == ["restore:instance/default/web"]
