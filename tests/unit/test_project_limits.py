"""What projects with limits or restrictions allow is known while planning."""

import pytest
from attrs import evolve

from incusbak.engine.selection.obstacles import obstacle
from incusbak.engine.selection.requests import Request, backup_goals
from incusbak.errors import Unplannable
from incusbak.model.admissions import Room
from incusbak.model.backups import ExportWishes
from incusbak.model.documents import Json
from incusbak.model.facts import Foreseen, Growth
from incusbak.model.inventory import Inventory, ServerInfo
from incusbak.model.plans import Missed
from incusbak.model.refs import BackupId, ResourceRef, instance_ref
from tests.unit.toys import ToyKind, resource
from tests.unit.worlds import COPY, DB, STORED, SURROUNDINGS, WEB, plan, restored, stored_manifest, world

PROJECT = ResourceRef("project", name="default")
OF_DB = BackupId(DB, STORED.timestamp)


def places(**config: str) -> dict[ResourceRef, Json]:
    return {**SURROUNDINGS, PROJECT: {"config": {key.replace("_", "."): v for key, v in config.items()}}}


@pytest.mark.parametrize(
    ("config", "is_refused"),
    [
        ({"restricted": "true"}, True),
        ({"restricted": "true", "restricted.backups": "block"}, True),
        ({"restricted": "true", "restricted.backups": "allow"}, False),
        ({"restricted": "false", "restricted.backups": "block"}, False),
        ({}, False),
    ],
)
def test_a_restricted_project_has_to_allow_backups(config: dict[str, str], is_refused: bool) -> None:
    inventory = Inventory(ServerInfo("f", "host", "7.0"), {WEB: resource(WEB)}, {PROJECT: {"config": config}})
    found = obstacle(resource(WEB), ExportWishes(), inventory, {"instance": ToyKind()})
    assert ("restricted.backups=allow" in found) == is_refused


def test_what_may_not_be_backed_up_is_left_out_of_all_and_refused_by_name() -> None:
    shut, open_ = instance_ref("shut", "web"), WEB
    surroundings = {ResourceRef("project", name="shut"): {"config": {"restricted": "true"}}}
    living = {ref: resource(ref) for ref in (shut, open_)}
    inventory = Inventory(ServerInfo("f", "host", "7.0"), living, surroundings)
    kinds = {"instance": ToyKind()}
    goals, left_out = backup_goals(
        Request(("instance",), project="*"), inventory, ExportWishes(), kinds=kinds
    )
    assert [goal.ref for goal in goals] == [open_]
    assert left_out == (
        Missed(
            "instance/shut/web",
            "can't be backed up: project shut allows no backups; "
            "`incus project set shut restricted.backups=allow` does",
        ),
    )
    with pytest.raises(Unplannable, match="allows no backups"):
        backup_goals(Request(("instance",), ("web",), "shut"), inventory, ExportWishes(), kinds=kinds)


def test_a_full_project_takes_nothing_more() -> None:
    rooms = {"default": {"instances": Room(2, 2), "memory": Room(-1, 100)}}
    there = world(surroundings=places(limits_instances="2"), rooms=rooms)
    with pytest.raises(Unplannable) as told:
        plan([restored()], there)
    assert told.value.message == (
        "instance/default/web: project default has no room for it: "
        "limits.instances is 2, 2 are taken, it takes 1 more"
    )
    assert told.value.hint == "raise it with `incus project set default limits.instances=3`"


def test_what_is_to_be_replaced_stays_until_its_successor_runs() -> None:
    living = resource(WEB, note="new")
    there = world(
        living, surroundings=places(limits_instances="1"), rooms={"default": {"instances": Room(1, 1)}}
    )
    with pytest.raises(Unplannable, match="the one to be replaced stays until its successor runs") as told:
        plan([restored()], there)
    assert "for the while" in told.value.hint


def test_a_full_root_disk_needs_room_for_a_larger_limit_as_well() -> None:
    """Its limit is raised for the while: of the project's limits that counts as all else."""
    growth, mebibyte = Growth(WEB, "fast", 64 << 20), 1 << 20
    for name, key in (("disk", "limits.disk"), ("disk.fast", "limits.disk.pool.fast")):
        there = world(
            resource(WEB, note="new"),
            surroundings=places(limits_disk="100MiB"),
            rooms={"default": {name: Room(100 * mebibyte, 60 * mebibyte)}},
            foreseen={WEB: Foreseen(grows=(growth,))},
        )
        with pytest.raises(Unplannable) as told:
            plan([restored()], there)
        assert told.value.message == (
            f"instance/default/web: project default has no room for it: {key} is 100.0 MiB, 60.0 MiB are "
            "taken, it takes 64.0 MiB more, since a full root disk gets a larger limit for the while"
        )
        assert told.value.hint == f"raise it for the while with `incus project set default {key}=124MiB`"


def test_a_user_of_a_volume_whose_disk_gets_larger_may_be_of_another_project() -> None:
    mebibyte, other = 1 << 20, ResourceRef("project", name="own")
    there = world(
        resource(WEB, note="new"),
        surroundings={**SURROUNDINGS, other: {"config": {"limits.disk": "100MiB"}}},
        rooms={"own": {"disk": Room(130 * mebibyte, 60 * mebibyte)}},
        foreseen={WEB: Foreseen(grows=(Growth(instance_ref("own", "user"), "fast", 64 * mebibyte),))},
    )
    [step] = plan([restored()], there).steps
    assert step.holds == (other,)
    tight = evolve(there.evidence, rooms={"own": {"disk": Room(120 * mebibyte, 60 * mebibyte)}})
    with pytest.raises(Unplannable, match="project own has no room for it"):
        plan([restored()], evolve(there, evidence=tight))


def test_restores_into_one_project_add_up_and_take_turns() -> None:
    manifests = {backup: stored_manifest(backup) for backup in (STORED, OF_DB)}
    goals = [restored(), restored(DB, OF_DB)]
    rooms = {"default": {"instances": Room(2, 0)}}
    limited = places(limits_instances="2")
    there = world(backups=(STORED, OF_DB), manifests=manifests, surroundings=limited, rooms=rooms)
    assert [step.holds for step in plan(goals, there).steps] == [(PROJECT,), (PROJECT,)]
    assert [step.others for step in plan(goals, there).steps] == [(), ()]
    rooms = {"default": {"instances": Room(2, 1)}}
    there = world(backups=(STORED, OF_DB), manifests=manifests, surroundings=limited, rooms=rooms)
    made = plan(goals, there)
    assert [step.address for step in made.steps] == [DB.address]
    assert [(missed.address, "2 are taken" in missed.reason) for missed in made.missed] == [
        (WEB.address, True)
    ]


def test_replacements_need_room_one_at_a_time() -> None:
    manifests = {backup: stored_manifest(backup) for backup in (STORED, OF_DB)}
    there = world(
        resource(WEB, note="new"),
        resource(DB, note="new"),
        backups=(STORED, OF_DB),
        manifests=manifests,
        surroundings=places(limits_instances="3"),
        rooms={"default": {"instances": Room(3, 2)}},
    )
    assert len(plan([restored(), restored(DB, OF_DB)], there).steps) == 2


def test_what_a_project_forbids_is_refused() -> None:
    there = world(surroundings=places(forbids="security.nesting needs a permission"))
    with pytest.raises(Unplannable) as told:
        plan([restored()], there)
    assert told.value.message == (
        "instance/default/web: project default does not take it: security.nesting needs a permission"
    )


def test_what_will_not_be_as_it_was_is_a_warning() -> None:
    there = world(surroundings=places(warns="it gets a new uuid"))
    assert plan([restored(COPY)], there).warnings == ("instance/default/copy: it gets a new uuid",)
