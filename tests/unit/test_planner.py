"""From goals and a world to steps: what is due, what stands in the way, what must still be true then."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from incusbak.errors import Unplannable
from incusbak.model.actions import BackUp, Replace, Restore
from incusbak.model.backups import Compression, ExportOptions, ExportWishes, Method
from incusbak.model.documents import Json
from incusbak.model.goals import BackedUp, Goal, Restored
from incusbak.model.inventory import Resource
from incusbak.model.plans import Absent, Change, Exists, HasManifest, Hazard, Plan, Summary, Unchanged
from incusbak.model.policies import Identity, IfPresent, Maps
from incusbak.model.refs import BackupId, ResourceRef, format_timestamp, instance_ref
from incusbak.model.results import RestoreFact
from tests.unit.toys import NOW, resource
from tests.unit.worlds import COPY, DB, STORED, SURROUNDINGS, WEB, plan, restored, stored_manifest, world

DAY = timedelta(days=1)


def shape(made: Plan) -> list[str]:
    return [step.id for step in made.steps]


# -- backups ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_age", "reason"),
    [
        (None, "asked for"),
        (timedelta.max, ""),
        (timedelta(hours=10), ""),
        (timedelta(hours=9, minutes=59), f"the newest backup, {STORED.timestamp}, is older than 9h 59m"),
        (timedelta(days=0, seconds=30), f"the newest backup, {STORED.timestamp}, is older than 30s"),
    ],
)
def test_a_backup_is_due_when_the_newest_is_too_old(max_age: timedelta | None, reason: str) -> None:
    made = plan([BackedUp(WEB, max_age, ExportOptions())], world(resource(WEB)))
    assert [step.reason for step in made.steps] == ([reason] if reason else [])


def test_without_any_backup_one_is_due() -> None:
    [step] = plan([BackedUp(WEB, timedelta.max, ExportOptions())], world(resource(WEB), backups=())).steps
    assert step.reason == "no backup exists"
    assert step.action == BackUp(WEB, ExportOptions())
    assert step.expects == (Exists(WEB, "u-web"),)
    assert (step.hazards, step.estimated_bytes) == ((), None)


@pytest.mark.parametrize(
    ("usual", "wish", "planned", "is_odd"),
    [
        (Compression.ZSTD, None, Compression.ZSTD, False),
        (Compression.ZSTD, Compression.XZ, Compression.XZ, False),
        (Compression.NONE, None, Compression.NONE, False),
        (Compression.NONE, Compression.NONE, Compression.NONE, False),
        (Compression.NONE, Compression.XZ, Compression.XZ, True),
    ],
)
def test_archives_are_compressed_as_suits_the_repository_unless_somebody_wants_it_otherwise(
    usual: Compression, wish: Compression | None, planned: Compression, is_odd: bool
) -> None:
    there = world(resource(WEB), usual_compression=usual)
    made = plan([BackedUp(WEB, None, ExportWishes(compression=wish))], there)
    assert [step.action for step in made.steps] == [BackUp(WEB, ExportOptions(compression=planned))]
    odd = (
        f"{WEB}: compressed archives share nothing with others in this repository, which compresses by itself"
    )
    assert made.warnings == ((odd,) if is_odd else ())


def test_the_last_backup_tells_how_much_the_next_may_be() -> None:
    [step] = plan([BackedUp(WEB, None, ExportOptions())], world(resource(WEB))).steps
    assert step.estimated_bytes == 100
    [step] = plan([BackedUp(WEB, None, ExportOptions())], world(resource(WEB), manifests={})).steps
    assert step.estimated_bytes is None


def test_what_is_not_there_can_not_be_backed_up() -> None:
    with pytest.raises(Unplannable, match="instance/default/web is not on the server"):
        plan([BackedUp(WEB, None, ExportOptions())], world())


# -- restores -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "if_present", "steps"),
    [
        (False, IfPresent.FAIL, ["restore:instance/default/web"]),
        (False, IfPresent.SKIP, ["restore:instance/default/web"]),
        (False, IfPresent.REPLACE, ["restore:instance/default/web"]),
        (True, IfPresent.SKIP, []),
        (True, IfPresent.REPLACE, ["replace:instance/default/web"]),
    ],
)
def test_what_is_present_is_skipped_or_replaced(there: bool, if_present: IfPresent, steps: list[str]) -> None:
    living = [resource(WEB)] if there else []
    assert shape(plan([restored(if_present=if_present)], world(*living))) == steps


def test_what_is_present_is_not_replaced_without_a_word() -> None:
    with pytest.raises(Unplannable, match="instance/default/web is on the server already"):
        plan([restored(if_present=IfPresent.FAIL)], world(resource(WEB)))


def test_a_restore_expects_its_target_absent_and_its_backup_unchanged() -> None:
    [step] = plan([restored()], world()).steps
    assert isinstance(step.action, Restore)
    assert step.expects == (Absent(WEB), HasManifest(STORED, "sha-web"))
    assert (step.hazards, step.estimated_bytes) == ((), 100)
    assert step.reason == f"not on the server; from {STORED}"


def test_a_replace_expects_its_victim_exactly_as_it_was_seen() -> None:
    victim = resource(WEB, etag="e7", snapshots=("s0", "s1"), generation="g")
    [step] = plan([restored()], world(victim)).steps
    assert isinstance(step.action, Replace)
    seen = Unchanged(WEB, identity="u-web", generation="g", etag="e7", snapshots=("s0", "s1"))
    assert step.expects == (seen, HasManifest(STORED, "sha-web"))
    assert step.hazards == (Hazard.REPLACES_RESOURCE, Hazard.STOPS_INSTANCE)


def test_the_changes_of_a_replace_are_told_field_by_field() -> None:
    manifests = {STORED: stored_manifest(color="red", weight="1")}
    [step] = plan([restored()], world(resource(WEB, color="blue"), manifests=manifests)).steps
    assert step.changes == (Change("config.color", "blue", "red"), Change("config.weight", None, "1"))


def test_a_victim_that_went_away_while_planning_is_no_victim() -> None:
    with pytest.raises(Unplannable, match="went away while planning"):
        plan([restored()], world(resource(WEB), targets={}))


# -- restored already ---------------------------------------------------------------------------------


FACT = RestoreFact(WEB.address, STORED.address, "u-web")


@pytest.mark.parametrize(
    ("fact", "insist", "done"),
    [
        (FACT, False, True),
        (FACT, True, False),
        (evolve(FACT, identity="u-x"), False, False),
        (evolve(FACT, source=f"{WEB}@20200101T000000Z"), False, False),
        (None, False, False),
    ],
)
def test_what_was_restored_from_there_already_is_done(
    fact: RestoreFact | None, insist: bool, done: bool
) -> None:
    facts = {WEB: fact} if fact else {}
    made = plan([restored(insist=insist)], world(resource(WEB), facts=facts))
    assert (made.steps == ()) == done


# -- identity -----------------------------------------------------------------------------------------


def identity_of(goal: Restored, *living: Resource) -> Identity:
    [step] = plan([goal], world(*living)).steps
    assert isinstance(step.action, Restore | Replace)
    return step.action.options.identity


def test_a_copy_beside_its_living_original_gets_an_identity_of_its_own() -> None:
    assert identity_of(restored(COPY), resource(WEB)) is Identity.REGENERATE


def test_so_does_one_beside_the_original_under_another_name() -> None:
    assert identity_of(restored(), resource(DB, uuid="u-web")) is Identity.REGENERATE


def test_in_its_own_place_or_alone_it_keeps_its_identity() -> None:
    assert identity_of(restored(), resource(WEB)) is Identity.PRESERVE
    assert identity_of(restored()) is Identity.PRESERVE
    assert identity_of(restored(COPY), resource(DB)) is Identity.PRESERVE


@pytest.mark.parametrize("told", [Identity.PRESERVE, Identity.REGENERATE])
def test_what_a_person_says_about_identity_counts(told: Identity) -> None:
    assert identity_of(restored(COPY, identity=told), resource(WEB)) is told
    assert identity_of(restored(identity=told)) is told


# -- requirements -------------------------------------------------------------------------------------


def without(*refs: ResourceRef) -> dict[ResourceRef, Json]:
    return {ref: document for ref, document in SURROUNDINGS.items() if ref not in refs}


@pytest.mark.parametrize(
    ("missing", "other"),
    [
        (ResourceRef("profile", project="default", name="default"), "--profile-map default=NEW"),
        (ResourceRef("network", project="default", name="br0"), "--network-map br0=NEW"),
        (ResourceRef("pool", name="fast"), "--pool-map fast=NEW"),
        (ResourceRef("project", name="default"), "--project-map default=NEW"),
    ],
    ids=str,
)
def test_what_a_restore_refers_to_must_be_there(missing: ResourceRef, other: str) -> None:
    with pytest.raises(Unplannable) as refusal:
        plan([restored()], world(surroundings=without(missing)))
    assert refusal.value.message == f"{WEB} needs {missing}: not on the server"
    assert refusal.value.hint == (f"create {missing}, or use another with {other} (in a policy: maps)")


@pytest.mark.parametrize(("project", "found"), [("plain", True), ("own", False)])
def test_a_project_without_profiles_of_its_own_has_those_of_default(project: str, found: bool) -> None:
    goal = restored(instance_ref(project, "web"))
    if found:
        assert len(plan([goal], world()).steps) == 1
        return
    with pytest.raises(Unplannable, match="needs profile/own/default: not on the server"):
        plan([goal], world())


def test_all_problems_are_told_at_once() -> None:
    goals: list[Goal] = [BackedUp(DB, None, ExportOptions()), restored(if_present=IfPresent.FAIL)]
    with pytest.raises(Unplannable) as refusal:
        plan(goals, world(resource(WEB)))
    assert [line.partition(" is ")[0] for line in refusal.value.message.splitlines()] == [str(DB), str(WEB)]


def test_a_storage_drivers_own_format_fits_only_that_driver() -> None:
    manifest = stored_manifest()
    optimized = evolve(manifest, manifest=evolve(manifest.manifest, options=ExportOptions(optimized=True)))
    there = world(manifests={STORED: optimized})
    assert len(plan([restored()], there).steps) == 1
    with pytest.raises(Unplannable, match="in dir's own format, pool big is btrfs"):
        plan([restored(pool="big")], there)


# -- space --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "pool", "options", "warned"),
    [
        (299, "dir", {}, True),
        (300, "dir", {}, False),
        (299, "btrfs", {}, False),
        (299, "dir", {"snapshot": False}, False),
    ],
)
def test_what_is_copied_to_be_exported_needs_room_on_its_pool(
    free: int, pool: str, options: dict[str, Any], warned: bool
) -> None:
    """As far as the last backup tells; copies on other pools share their data with the original."""
    last = stored_manifest()
    captured = evolve(last.manifest.captured, method=Method.TEMPORARY_COPY)
    last = evolve(last, manifest=evolve(last.manifest, captured=captured))
    surroundings = {**SURROUNDINGS, ResourceRef("pool", name="fast"): {"driver": pool}}
    there = world(
        resource(WEB), manifests={STORED: last}, surroundings=surroundings, free_bytes={"fast": free}
    )
    made = plan([BackedUp(WEB, None, ExportWishes(**options))], there)
    words = "pool fast has 299 B free; while it is in use it is exported from a copy there, which took 300 B"
    assert [words in warning for warning in made.warnings] == [True] * warned


@pytest.mark.parametrize(
    ("free", "verdict"),
    [({}, "fine"), ({"fast": 600}, "fine"), ({"fast": 599}, "tight"), ({"fast": 99}, "full")],
)
def test_restores_to_one_pool_must_fit_there_together(free: dict[str, int], verdict: str) -> None:
    """Each backup has 100 bytes, of which 300 become."""
    there = world(free_bytes=free)
    goals = [restored(), restored(COPY)]
    if verdict == "full":
        with pytest.raises(Unplannable, match=r"pool fast has 99 B free") as refusal:
            plan(goals, there)
        assert "--pool-map fast=NEW" in refusal.value.hint
        return
    warnings = plan(goals, there).warnings
    assert warnings == (
        ("pool fast may be too small: what is to be restored there unpacks to 600 B",)
        if verdict == "tight"
        else ()
    )


def test_space_counts_where_the_restore_goes() -> None:
    there = world(free_bytes={"fast": 0, "big": 1000})
    assert len(plan([restored(pool="big")], there).steps) == 1
    assert len(plan([restored(maps=Maps(pools={"fast": "big"}))], there).steps) == 1
    assert len(
        plan([BackedUp(WEB, None, ExportOptions())], world(resource(WEB), free_bytes={"fast": 0})).steps
    )


# -- the plan as a whole ------------------------------------------------------------------------------


def test_backups_come_before_restores_and_those_before_replaces() -> None:
    newer = BackupId(DB, format_timestamp(NOW - DAY))
    there = world(resource(WEB), resource(DB), backups=(STORED, newer))
    due = [BackedUp(ref, None, ExportOptions()) for ref in (WEB, DB)]
    made = plan([restored(), restored(COPY, newer), *due], there)
    assert shape(made) == [f"back-up:{DB}", f"back-up:{WEB}", f"restore:{COPY}", f"replace:{WEB}"]
    assert made.summary == Summary(backup=2, restore=1, replace=1)
    assert made.hazards == (Hazard.REPLACES_RESOURCE, Hazard.STOPS_INSTANCE)


def test_a_world_that_is_as_it_should_be_gives_no_steps() -> None:
    made = plan(
        [BackedUp(WEB, DAY, ExportOptions()), restored(if_present=IfPresent.SKIP)], world(resource(WEB))
    )
    assert (made.steps, made.warnings, made.summary) == ((), (), Summary())
