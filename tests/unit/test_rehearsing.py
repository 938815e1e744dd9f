"""When a rehearsal is due, of which backup, and what keeps it from being planned."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from incusbak.engine.execution.approval import approve
from incusbak.engine.planning.world import World
from incusbak.errors import Unplannable
from incusbak.kinds import KINDS
from incusbak.model.actions import Rehearse
from incusbak.model.backups import ExportWishes
from incusbak.model.goals import BackedUp, Rehearsed
from incusbak.model.notes import BackupHealth
from incusbak.model.plans import HasBackups, PlanFile
from incusbak.model.refs import BackupId, ResourceRef, format_timestamp
from tests.unit.toys import NOW, resource
from tests.unit.worlds import WEB, plan, stored_manifest, world

DAY = timedelta(days=1)
MONTH = Rehearsed(WEB, 30 * DAY, (("true",),), 60)
NOW_ASKED = Rehearsed(WEB, None)


def backup(days: int) -> BackupId:
    return BackupId(WEB, format_timestamp(NOW - days * DAY))


def there(*days: int, healths: Mapping[int, BackupHealth] | None = None, **more: Any) -> World:
    """A world with backups of these ages, in days."""
    found = world(resource(WEB), backups=[backup(day) for day in days], **more)
    known = {backup(day): health for day, health in (healths or {}).items()}
    return evolve(found, catalog=evolve(found.catalog, healths=known))


def rehearsed(days: int, *, unfit: bool = False) -> BackupHealth:
    return BackupHealth(rehearsed=NOW - days * DAY, unfit=unfit)


def sources(goal: Rehearsed, seen: World) -> list[BackupId | None]:
    return [s.action.backup for s in plan([goal], seen).steps if isinstance(s.action, Rehearse)]


def test_a_rehearsal_is_a_step_that_needs_nobody_s_consent() -> None:
    made = plan([MONTH], there(40, 2))
    [step] = made.steps
    assert step.action == Rehearse(WEB, backup(2), (("true",),), 60)
    assert (step.id, step.hazards, step.reason) == (f"rehearse:{WEB}", (), "never rehearsed")
    assert step.expects == (HasBackups((backup(2),), (backup(2),)),)
    assert approve(PlanFile(None, "", made), None)  # type: ignore[arg-type]  # nothing looks at when


@pytest.mark.parametrize(
    ("ages", "healths", "due"),
    [
        ((2,), {}, True),  # never is too long ago
        ((31, 2), {}, True),
        ((31, 2), {31: rehearsed(29)}, False),  # any of its backups will do
        ((31, 2), {31: rehearsed(31)}, True),
        ((31, 2), {31: rehearsed(29, unfit=True)}, False),  # it is known, and told by `status`
        ((2,), {60: rehearsed(31)}, True),  # the one that was rehearsed is gone
        ((2,), {60: rehearsed(29)}, False),
        ((), {}, False),
    ],
)
def test_it_is_due_by_the_last_rehearsal_of_the_resource(
    ages: tuple[int, ...], healths: Mapping[int, BackupHealth], due: bool
) -> None:
    assert bool(sources(MONTH, there(*ages, healths=healths))) is due


def test_a_first_backup_is_rehearsed_by_the_plan_that_makes_it() -> None:
    made, rehearsal = plan([BackedUp(WEB, DAY, ExportWishes()), MONTH], there()).steps
    assert rehearsal.action == Rehearse(WEB, None, (("true",),), 60)
    assert (rehearsal.after, rehearsal.reason) == ((made.id,), "never rehearsed")


def test_one_that_is_there_is_rehearsed_whatever_becomes_of_the_next() -> None:
    assert sources(MONTH, there(2)) == [backup(2)]
    steps = plan([BackedUp(WEB, DAY, ExportWishes()), MONTH], there(2)).steps
    assert [(step.id, step.after) for step in steps] == [(f"back-up:{WEB}", ()), (f"rehearse:{WEB}", ())]


def test_a_first_backup_that_could_not_be_rehearsed_is_made_all_the_same() -> None:
    seen = world(resource(WEB, unrehearsable="it is a toy"), backups=[])
    made = plan([BackedUp(WEB, DAY, ExportWishes()), MONTH], seen)
    assert [step.id for step in made.steps] == [f"back-up:{WEB}"]
    assert made.warnings == (f"{WEB} can't be rehearsed: it is a toy",)


def test_the_newest_good_one_is_taken_or_the_one_that_was_asked_for() -> None:
    seen = there(40, 3, 2, healths={2: BackupHealth(damaged=True)})
    assert sources(MONTH, seen) == [backup(3)]
    assert sources(evolve(NOW_ASKED, source=backup(40)), seen) == [backup(40)]


def test_one_that_is_known_to_be_damaged_is_rehearsed_only_if_asked_for() -> None:
    seen = there(40, 2, healths={2: BackupHealth(damaged=True)})
    [step] = plan([evolve(NOW_ASKED, source=backup(2))], seen).steps
    assert step.expects == (HasBackups((backup(2),)),)


def test_what_has_no_good_backup_can_not_be_rehearsed() -> None:
    seen = there(40, healths={40: BackupHealth(damaged=True)})
    with pytest.raises(Unplannable, match="it has no good backup"):
        plan([NOW_ASKED], seen)
    assert plan([MONTH], seen).steps == ()


@pytest.mark.parametrize(
    ("manifest", "more", "problem", "helps"),
    [
        (
            {},
            {"surroundings": {}},
            "its pool/fast is not on the server",
            "create it, or rehearse where it is",
        ),
        ({"unrehearsable": "it is a toy"}, {}, "it is a toy", ""),
        (
            {},
            {"free_bytes": {"fast": 99}},
            "pool fast has 99 B free",
            "make room there, or rehearse on a server",
        ),
    ],
)
def test_what_keeps_it_from_coming_up_is_told_before(
    manifest: dict[str, Any], more: dict[str, Any], problem: str, helps: str
) -> None:
    """One that was asked for is refused; one of a policy is left out with a warning."""
    seen = there(40, manifests={backup(40): stored_manifest(backup(40), **manifest)}, **more)
    with pytest.raises(Unplannable, match=problem) as refused:
        plan([NOW_ASKED], seen)
    assert refused.value.hint.startswith(helps)
    made = plan([MONTH], seen)
    assert made.steps == ()
    assert [warning for warning in made.warnings if problem in warning and helps in warning]


def test_a_manifest_that_can_not_be_read_is_for_the_rehearsal_to_find_out() -> None:
    assert sources(NOW_ASKED, there(40, manifests={})) == [backup(40)]


@pytest.mark.parametrize("ref", [ResourceRef("config"), ResourceRef("image", name="a" * 64)])
def test_only_instances_can_be_rehearsed(ref: ResourceRef) -> None:
    assert (
        KINDS[ref.kind].unrehearsable({}, optimized=False)
        == "only instances can be started to see that they run"
    )
