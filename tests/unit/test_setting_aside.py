"""What can't be done is left undone and named, and keeps nothing else from being done."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from incusbak.engine.execution.executor import shown_code
from incusbak.engine.planning.planner import make_plan
from incusbak.engine.planning.world import World
from incusbak.errors import Unplannable
from incusbak.model.admissions import Room
from incusbak.model.backups import ExportWishes
from incusbak.model.facts import Foreseen
from incusbak.model.goals import BackedUp, Rehearsed
from incusbak.model.plans import Missed, Plan
from incusbak.model.policies import IfPresent
from incusbak.model.refs import BackupId, format_timestamp, instance_ref
from tests.unit.test_configuring import State, configured, differing
from tests.unit.toys import NOW, resource
from tests.unit.worlds import DB, ORIGIN, STORED, WEB, plan, restored, stored_manifest, world

NEWER = BackupId(DB, format_timestamp(NOW - timedelta(hours=1)))
OF_DB = BackupId(DB, STORED.timestamp)
OTHER = instance_ref("default", "other")
MAC = "MAC address 10:66:6a:00:00:01 on br0"


def told(made: Plan) -> list[tuple[str, str]]:
    return [(missed.address, missed.reason) for missed in made.missed]


def two(*living: Any, web: dict[str, Any] | None = None, **more: Any) -> World:
    """A repository with a backup of two, the first with this configuration."""
    manifests = {STORED: stored_manifest(STORED, **(web or {})), OF_DB: stored_manifest(OF_DB)}
    return world(*living, backups=(STORED, OF_DB), **{"manifests": manifests, **more})


def both(**options: Any) -> list[Any]:
    return [restored(**options), restored(DB, OF_DB, **options)]


def test_a_replace_that_the_server_would_refuse_keeps_no_other_from_being_made() -> None:
    found = Foreseen("Incus itself uses it", "take another name")
    living = resource(WEB, note="new"), resource(DB, note="new")
    made = plan(both(), two(*living, foreseen={WEB: found}))
    assert [step.id for step in made.steps] == [f"replace:{DB}"]
    assert made.missed == (
        Missed(WEB.address, "can't be replaced: Incus itself uses it", "take another name"),
    )
    assert shown_code(made) == 3


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (two(resource(OTHER, address=MAC), web={"address": MAC}), f"its {MAC} is taken by {OTHER}"),
        (
            two(manifests={OF_DB: stored_manifest(OF_DB)}, unreadable={STORED: "no permission"}),
            "can't be read",
        ),
    ],
    ids=["an address is taken", "can't be read"],
)
def test_one_that_can_not_be_brought_back_keeps_no_other_away(there: World, reason: str) -> None:
    made = plan(both(), there)
    assert [step.address for step in made.steps] == [DB.address]
    [missed] = made.missed
    assert (missed.address, reason in missed.reason) == (WEB.address, True), missed
    assert not missed.reason.startswith(f"{WEB}:")


def test_what_lacks_something_is_left_undone_and_says_what() -> None:
    made = plan([restored(pool="gone"), restored(DB, OF_DB)], two())
    assert [step.address for step in made.steps] == [DB.address]
    assert told(made) == [(WEB.address, "needs pool/gone: not on the server")]


def test_of_two_with_one_address_the_one_with_the_newer_backup_comes_back() -> None:
    """An instance that was renamed is in the repository under both names."""
    manifests = {backup: stored_manifest(backup, address=MAC) for backup in (STORED, NEWER)}
    there = world(backups=(STORED, NEWER), manifests=manifests)
    made = plan([restored(), restored(DB, NEWER)], there)
    assert [step.address for step in made.steps] == [DB.address]
    assert told(made) == [(WEB.address, f"its {MAC} is taken by {DB}")]


def test_what_can_not_come_takes_no_address_from_another() -> None:
    """The newest is in the way of a living one, so it leaves the second address to the third."""
    third = BackupId(OTHER, STORED.timestamp)
    manifests = {NEWER: stored_manifest(NEWER, address=MAC), third: stored_manifest(third, address=MAC)}
    there = world(backups=(NEWER, third), manifests=manifests, rooms={"default": {"instances": Room(9, 0)}})
    living = instance_ref("default", "living")
    taken = evolve(
        there, inventory=evolve(there.inventory, resources={living: resource(living, address=MAC)})
    )
    made = [restored(DB, NEWER), restored(OTHER, third)]
    with pytest.raises(Unplannable) as refused:
        plan(made, taken)
    assert refused.value.message.count(f"is taken by {living}") == 2


def test_of_a_pool_that_can_not_take_all_the_largest_is_left_out() -> None:
    manifests = {
        STORED: stored_manifest(STORED, size=5 << 20, unpacked=9 << 20),
        OF_DB: stored_manifest(OF_DB, size=1 << 20, unpacked=2 << 20),
    }
    there = world(backups=(STORED, OF_DB), manifests=manifests, free_bytes={"fast": 4 << 20})
    made = plan(both(), there)
    assert [step.address for step in made.steps] == [DB.address]
    assert told(made) == [
        (
            WEB.address,
            "pool fast has 4.0 MiB free, what is to be restored there takes more than 6.0 MiB, "
            "of which this takes 5.0 MiB",
        )
    ]


def test_where_nothing_else_is_asked_for_it_is_refused_with_every_reason() -> None:
    found = {ref: Foreseen("Incus itself uses it") for ref in (WEB, DB)}
    with pytest.raises(Unplannable) as refused:
        plan(both(), two(resource(WEB, note="new"), resource(DB, note="new"), foreseen=found))
    assert refused.value.message.splitlines() == [
        f"{ref} can't be replaced: Incus itself uses it" for ref in (DB, WEB)
    ]


def test_what_a_person_has_to_decide_is_still_refused_as_a_whole() -> None:
    """Whether to replace what is there, say: nothing is begun before that is said."""
    goals = [restored(if_present=IfPresent.FAIL), restored(DB, OF_DB), restored(OTHER, STORED, pool="gone")]
    with pytest.raises(Unplannable) as refused:
        plan(goals, two(resource(WEB, note="new")))
    assert (
        refused.value.message.splitlines()
        == [
            f"{WEB} is on the server already",
            f"{OTHER} needs pool/gone: not on the server",
        ][::-1]
    )


def test_a_policys_backups_are_made_whatever_its_restores_come_to() -> None:
    backup = BackedUp(DB, timedelta(hours=1), ExportWishes())
    made = plan([backup, restored(pool="gone")], two(resource(DB)))
    assert [step.id for step in made.steps] == [f"back-up:{DB}"]
    assert [address for address, _ in told(made)] == [WEB.address]


def test_one_that_can_not_be_rehearsed_keeps_no_other_from_being_rehearsed() -> None:
    goals = [Rehearsed(WEB, None, source=STORED), Rehearsed(DB, None, source=OF_DB)]
    made = plan(goals, two(web={"unrehearsable": "it has a GPU"}))
    assert [step.id for step in made.steps] == [f"rehearse:{DB}"]
    [(address, reason)] = told(made)
    assert (address, "it has a GPU" in reason) == (WEB.address, True)


# -- the configuration ------------------------------------------------------------------------------


def test_an_entity_that_can_not_be_made_as_it_was_keeps_no_other_from_being_made() -> None:
    stored: State = {
        "network": {"br0": {"type": "ovn"}, "br1": {}},
        "profile": {"web": {"needs": ["network/gone"]}},
    }
    made = make_plan([configured()], differing(stored, {"network": {"br0": {"type": "bridge"}}}), ORIGIN)
    assert [step.id for step in made.steps] == ["create:network/default/br1"]
    assert [address for address, _ in told(made)] == ["network/default/br0", "profile/default/web"]


def test_an_entity_that_others_need_takes_them_with_it() -> None:
    stored: State = {
        "network": {"br0": {"needs": ["network/gone"]}, "br1": {}},
        "profile": {"web": {"needs": ["network/br0"]}},
    }
    made = make_plan([configured()], differing(stored, {}), ORIGIN)
    assert [step.id for step in made.steps] == ["create:network/default/br1"]
    assert told(made) == [
        ("network/default/br0", "needs network/default/gone: not on the server"),
        ("profile/default/web", "needs network/default/br0: not on the server"),
    ]
