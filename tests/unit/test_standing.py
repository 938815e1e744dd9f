"""A promise is broken exactly when a plan for the same world would mend it, or can't."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from incusbak.engine.planning.planner import make_plan
from incusbak.engine.planning.world import World
from incusbak.engine.reporting.status import take_stock
from incusbak.engine.selection.policy import select_goals
from incusbak.engine.selection.protection import protect
from incusbak.model.actions import BackUp, Verify
from incusbak.model.backups import ExportOptions, StoredManifest, catalog_of
from incusbak.model.inventory import Resource
from incusbak.model.notes import BackupHealth
from incusbak.model.plans import Plan
from incusbak.model.policies import Permission, Policy, ProtectRule, RestoreRule, Select
from incusbak.model.records import Phase, Quarantined, Restoration
from incusbak.model.refs import CONFIG, BackupId, ResourceRef, format_timestamp, instance_ref
from incusbak.model.standings import (
    Leftover,
    NewestBackup,
    Overview,
    Standing,
    State,
    VanishedRule,
    Verification,
)
from tests.unit.test_configuring import SOURCE as CONFIG_BACKUP
from tests.unit.test_configuring import differing
from tests.unit.test_selecting import PLACE
from tests.unit.toys import NOW, ToyKind, resource
from tests.unit.worlds import DB, ORIGIN, STORED, WEB, stored_manifest, world

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHOP = instance_ref("shop", "web")
IMAGE = ResourceRef("image", name="f" * 64)
KINDS = {"instance": ToyKind(), "image": ToyKind(name="image", rank=20, is_immutable=True)}
OPTS_OUT: dict[str, Any] = {"user.incus-backup.protect": "false"}


def rule(name: str = "all", *, kinds: tuple[str, ...] = ("instance",), **more: Any) -> ProtectRule:
    select = Select(kinds, more.pop("projects", ("default",)), more.pop("names", ("*",)))
    return ProtectRule(name, select, ExportOptions(), PLACE, **more)


def made(ref: ResourceRef, age: timedelta) -> BackupId:
    return BackupId(ref, format_timestamp(NOW - age))


def seen(
    *living: Resource,
    backups: Iterable[BackupId] = (),
    manifests: Any = None,
    leftovers: tuple[Any, ...] = (),
) -> World:
    backups = tuple(backups)
    known = {backup: stored_manifest(backup) for backup in backups} if manifests is None else manifests
    there = world(*living, backups=backups, manifests=known, leftovers=leftovers)
    return evolve(there, kinds=KINDS)


def taken(policy: Policy, there: World) -> Overview:
    documents = {
        backup: stored.manifest.captured.resource for backup, stored in there.evidence.manifests.items()
    }
    protection = protect(policy, there.inventory, there.kinds)
    return take_stock(policy, protection, there, repository="dir:/x", documents=documents)


def stock(there: World, *rules: ProtectRule) -> Overview:
    return taken(Policy(protect=rules or (rule(),)), there)


def test_a_newest_backup_of_next_to_nothing_breaks_the_promise_until_somebody_agrees() -> None:
    older, newer = made(WEB, DAY), made(WEB, HOUR)
    there = seen(resource(WEB), backups=(older, newer))
    for healths, state in (({newer: BackupHealth(shrunk=True)}, State.SHRUNK), ({}, State.OK)):
        told = stock(evolve(there, catalog=catalog_of("r", (older, newer), healths=healths)))
        [web] = told.protected
        assert web.state is state
        assert told.broken_promises == (state is State.SHRUNK)
        assert (f"incus-backup accept {newer}" in web.reason) == (state is State.SHRUNK)
        assert told.warnings == ()


def states(overview: Overview) -> dict[str, State]:
    return {standing.address: standing.state for standing in overview.protected}


# -- one resource -------------------------------------------------------------------------------------


def test_a_standing_tells_what_was_promised_and_what_there_is() -> None:
    overview = stock(seen(resource(WEB), backups=[made(WEB, 2 * DAY), STORED]), rule(every=DAY))
    newest = NewestBackup(STORED, NOW - 10 * HOUR, age_seconds=36000, size_bytes=100)
    read = Verification(last=NOW - 2 * DAY)
    standing = Standing(WEB.address, "instance", "default", "all", State.OK, 86400, newest, "", read)
    assert overview == Overview("host", "dir:/x", NOW, protected=(standing,))
    assert overview.broken_promises == 0


@pytest.mark.parametrize(
    ("every", "age", "state"),
    [
        (DAY, DAY, State.OK),
        (DAY, DAY + timedelta(seconds=1), State.OVERDUE),
        (None, 9999 * DAY, State.OK),
        (DAY, -DAY, State.MISSING),
    ],
)
def test_a_backup_may_be_as_old_as_the_rule_says(
    every: timedelta | None, age: timedelta, state: State
) -> None:
    overview = stock(seen(resource(WEB), backups=[made(WEB, age)]), rule(every=every))
    assert states(overview) == {WEB.address: state}
    assert overview.broken_promises == (state is not State.OK)


def test_a_broken_promise_says_why() -> None:
    living = (resource(WEB), resource(DB), resource(SHOP, obstacle="it is made of glass"))
    there = seen(*living, backups=[STORED, made(SHOP, HOUR)])
    overview = stock(there, rule(every=HOUR, projects=("*",)))
    assert {standing.address: standing.reason for standing in overview.protected} == {
        WEB.address: f"the newest backup, {STORED.timestamp}, is older than 1h",
        DB.address: "no backup exists",
        SHOP.address: "can't be backed up: it is made of glass",
    }
    assert states(overview) == {
        WEB.address: State.OVERDUE,
        DB.address: State.MISSING,
        SHOP.address: State.IMPOSSIBLE,
    }
    assert (overview.broken_promises, overview.warnings) == (3, ())


def test_a_resource_stands_under_the_first_rule_that_means_it() -> None:
    there = seen(resource(WEB), resource(DB), backups=[STORED, made(DB, 10 * HOUR)])
    overview = stock(there, rule("web", names=("web",), every=HOUR), rule("rest"))
    assert [(each.rule, each.address, each.state) for each in overview.protected] == [
        ("rest", DB.address, State.OK),
        ("web", WEB.address, State.OVERDUE),
    ]


def test_what_can_not_change_is_not_overdue_unless_its_definition_did() -> None:
    backup = made(IMAGE, 9 * DAY)
    for color, state in (("red", State.OK), ("blue", State.OVERDUE)):
        manifests = {backup: stored_manifest(backup, color="red")}
        there = seen(resource(IMAGE, color=color), backups=[backup], manifests=manifests)
        assert states(stock(there, rule(kinds=("image",), every=DAY))) == {IMAGE.address: state}


# -- what was read again ------------------------------------------------------------------------------

NEW, MIDDLE, OLD = (made(WEB, age) for age in (HOUR, DAY, 9 * DAY))


def noted(healths: Mapping[BackupId, BackupHealth], *backups: BackupId) -> World:
    there = seen(resource(WEB), backups=backups)
    return evolve(there, catalog=catalog_of("r", backups, healths=healths))


@pytest.mark.parametrize(
    ("age", "state"), [(7 * DAY, State.OK), (7 * DAY + timedelta(seconds=1), State.UNVERIFIED)]
)
def test_each_backup_must_have_been_read_in_time(age: timedelta, state: State) -> None:
    there = noted({OLD: BackupHealth(inspected=NOW - age)}, OLD, MIDDLE, NEW)
    overview = stock(there, rule(verify_every=7 * DAY))
    [standing] = overview.protected
    assert (standing.state, overview.broken_promises) == (state, state is not State.OK)
    assert standing.verification == Verification(7 * 86400, NOW - age)
    assert standing.reason == ("" if state is State.OK else "1 backup was not read again for 7d")


def test_a_backup_that_was_made_in_time_needs_not_have_been_read() -> None:
    assert states(stock(noted({}, MIDDLE, NEW), rule(verify_every=7 * DAY))) == {WEB.address: State.OK}


def test_without_a_promise_to_read_them_none_is_broken() -> None:
    assert states(stock(noted({}, OLD, NEW))) == {WEB.address: State.OK}


def test_a_damaged_backup_breaks_the_promise_only_as_the_newest() -> None:
    damaged = BackupHealth(inspected=NOW, damaged=True)
    older, newest = noted({MIDDLE: damaged}, MIDDLE, NEW), noted({NEW: damaged}, MIDDLE, NEW)
    [kept] = stock(older, rule(every=2 * DAY)).protected
    assert (kept.state, kept.verification.damaged) == (State.OK, (MIDDLE,))
    [broken] = stock(newest, rule(every=2 * DAY)).protected
    assert (broken.state, broken.newest and broken.newest.backup) == (State.DAMAGED, MIDDLE)
    assert broken.reason == f"the newest backup, {NEW.timestamp}, is damaged"


def test_where_every_backup_is_damaged_there_is_none() -> None:
    [standing] = stock(noted({NEW: BackupHealth(damaged=True)}, NEW)).protected
    assert (standing.state, standing.newest) == (State.DAMAGED, None)
    assert standing.reason.endswith("; every backup is damaged")


@pytest.mark.parametrize(
    ("healths", "damaged"),
    [
        ({}, ()),
        ({MIDDLE: BackupHealth(damaged=True)}, ()),
        ({NEW: BackupHealth(damaged=True)}, (WEB.address,)),
    ],
)
def test_a_plan_tells_of_a_damaged_newest_backup(
    healths: Mapping[BackupId, BackupHealth], damaged: tuple[str, ...]
) -> None:
    plan = planned(Policy(protect=(rule(every=2 * DAY),)), noted(healths, MIDDLE, NEW))
    assert (plan.drift.damaged, plan.steps) == (damaged, ())


# -- the whole ----------------------------------------------------------------------------------------


def test_what_no_rule_covers_is_listed_and_breaks_nothing() -> None:
    there = seen(resource(WEB), resource(DB, **OPTS_OUT), resource(SHOP), backups=[STORED])
    overview = stock(there, rule(instances_may=(Permission.OPT_OUT,)))
    assert (overview.unprotected, overview.opted_out) == ((SHOP.address,), (DB.address,))
    assert (states(overview), overview.broken_promises) == ({WEB.address: State.OK}, 0)


def test_without_protect_rules_everything_is_unprotected() -> None:
    policy = Policy(restore=(RestoreRule("back", Select(), PLACE),))
    overview = taken(policy, seen(resource(WEB), resource(DB)))
    assert (overview.unprotected, overview.broken_promises) == ((DB.address, WEB.address), 0)


def test_a_rule_that_meant_something_once_is_a_broken_promise() -> None:
    overview = stock(seen(resource(WEB), backups=[STORED, made(DB, HOUR)]), rule("db", names=("db",)))
    text = (
        "protect rule db (p.yaml:3:5) matches nothing on the server, but the repository has backups of "
        f"{DB}; correct the rule, or remove it if they are gone for good"
    )
    assert overview.vanished == (VanishedRule("db", text),)
    assert (overview.broken_promises, overview.warnings) == (1, ())


def test_a_rule_that_names_something_and_means_nothing_is_not_as_expected() -> None:
    overview = stock(seen(resource(WEB), backups=[STORED]), rule(), rule("old", names=("old-*",)))
    assert (overview.vanished, overview.broken_promises, overview.warnings) == ((), 1, ())
    assert overview.unmet == ("protect rule old (p.yaml:3:5) matches nothing on the server",)


def test_a_repository_that_is_not_there_yet_is_an_empty_one() -> None:
    there = evolve(seen(resource(WEB)), catalog=catalog_of("", ()))
    overview = stock(there)
    assert states(overview) == {WEB.address: State.MISSING}
    assert overview.warnings == ("the repository is not there yet: the first backup makes it",)


def test_what_can_not_be_cleaned_up_is_told_with_what_to_do() -> None:
    unfinished = Restoration("r", SHOP, "temporary", "aside", Phase.SWAPPING, start=True)
    held = Quarantined(unfinished, "read-only file system", "delete it by hand", NOW - DAY, "there")
    there = seen(resource(WEB))
    overview = stock(evolve(there, inventory=evolve(there.inventory, quarantined=(held,))))
    what = "a restore that was interrupted half-way (temporary, aside)"
    assert overview.quarantined == (Leftover(SHOP.address, what, held.why, held.hint, NOW - DAY),)
    assert "quarantine" not in " ".join(overview.warnings)


def test_what_makes_the_overview_less_than_certain_is_a_warning() -> None:
    unfinished = Restoration("r", SHOP, "temporary", "aside", Phase.IMPORTING, start=True)
    new = made(WEB, HOUR)
    overview = stock(seen(resource(WEB), backups=[new], manifests={}, leftovers=(unfinished,)))
    assert overview.warnings == (
        f"{new} can't be read; `incus-backup list` says why",
        f"{SHOP}: a restore was interrupted; the next backup, restore or apply finishes or undoes it",
    )
    assert (overview.broken_promises, overview.protected[0].newest) == (
        0,
        NewestBackup(new, NOW - HOUR, age_seconds=3600, size_bytes=None),
    )


@pytest.mark.parametrize(
    ("ages", "state", "reason"),
    [
        ([-HOUR], State.MISSING, "no backup exists but 20260310T010000Z, of the future"),
        ([2 * DAY, -HOUR], State.OVERDUE, "the newest backup, 20260308T000000Z, is older than 1d"),
        (
            [HOUR, -HOUR],
            State.FUTURE,
            "dated in the future, so a clock was wrong, here or there: 20260310T010000Z",
        ),
        ([HOUR, timedelta(minutes=-4)], State.OK, ""),
    ],
)
def test_a_backup_of_the_future_keeps_no_promise_and_breaks_it(
    ages: list[timedelta], state: State, reason: str
) -> None:
    overview = stock(seen(resource(WEB), backups=[made(WEB, age) for age in ages]), rule(every=DAY))
    [web] = overview.protected
    assert (web.state, web.reason, overview.broken_promises) == (state, reason, int(state is not State.OK))
    told = f"{WEB}: 20260310T010000Z is dated in the future: check the clocks; it counts for nothing"
    assert [text for text in overview.warnings if "future" in text] == [told] * (state is not State.OK)


@pytest.mark.parametrize(("kinds", "found"), [(("config",), ("profile/default/web",)), (("instance",), ())])
def test_configuration_that_differs_is_told_where_a_rule_covers_it(
    kinds: tuple[str, ...], found: tuple[str, ...]
) -> None:
    state = {"profile": {"web": {"cpu": "2"}, "db": {}}}
    there = differing(state, {"profile": {"web": {"cpu": "4"}, "db": {}}})
    inventory = evolve(there.inventory, resources={CONFIG: Resource(CONFIG, {"config": {}})})
    there = evolve(there, inventory=inventory, catalog=catalog_of("r", [CONFIG_BACKUP]))
    overview = stock(there, rule(kinds=kinds, every=DAY))
    assert overview.reconfigured == found
    assert {each.address for each in overview.protected} <= {"config"}
    assert all(each.state is State.OK for each in overview.protected)


# -- any world ----------------------------------------------------------------------------------------

EVERYTHING = (WEB, DB, SHOP, instance_ref("shop", "db"), IMAGE)
configs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "obstacle": st.just("it is made of glass"),
        "color": st.sampled_from(["red", "blue"]),
        "user.incus-backup.protect": st.sampled_from(["true", "false"]),
    },
)
ages = st.integers(min_value=-1, max_value=72).map(lambda hours: timedelta(hours=hours))
rules = st.builds(
    rule,
    kinds=st.sampled_from([("instance",), ("image",), ("instance", "image")]),
    projects=st.sampled_from([("default",), ("*",)]),
    names=st.sampled_from([("*",), ("web",), ("db", "nobody"), ("f*",)]),
    every=st.none() | st.sampled_from([HOUR, DAY]),
    verify_every=st.none() | st.sampled_from([HOUR, DAY]),
    instances_may=st.sampled_from([(), (Permission.OPT_OUT,), (Permission.OPT_IN, Permission.OPT_OUT)]),
)
health_of = st.builds(
    BackupHealth,
    inspected=st.none() | ages.map(lambda age: NOW - abs(age)),
    damaged=st.booleans(),
)
policies = st.lists(rules, max_size=3).map(
    lambda made: Policy(protect=tuple(evolve(each, name=f"rule-{n}") for n, each in enumerate(made)))
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    living = [resource(ref, **draw(configs)) for ref in EVERYTHING if draw(st.booleans())]
    backups = {made(ref, age) for ref in EVERYTHING for age in draw(st.lists(ages, max_size=2))}
    manifests: Mapping[BackupId, StoredManifest] = {
        backup: stored_manifest(backup, **draw(configs)) for backup in sorted(backups) if draw(st.booleans())
    }
    return seen(*living, backups=backups, manifests=manifests)


def planned(policy: Policy, there: World) -> Plan:
    documents = {
        backup: stored.manifest.captured.resource for backup, stored in there.evidence.manifests.items()
    }
    selection = select_goals(policy, there.inventory, there.catalog, kinds=KINDS, documents=documents)
    said = evolve(ORIGIN, drift=selection.drift, blocks=selection.blocks, unmet=selection.unmet)
    return make_plan(selection.goals, there, said)


def backed_up(plan: Plan) -> set[ResourceRef]:
    return {step.action.ref for step in plan.steps if isinstance(step.action, BackUp)}


@given(policies, worlds())
def test_a_promise_is_broken_exactly_when_a_plan_mends_it_or_can_not(policy: Policy, there: World) -> None:
    overview, plan = taken(policy, there), planned(policy, there)
    found = states(overview)
    due = {address for address, state in found.items() if state in (State.OVERDUE, State.MISSING)}
    overdue = {address for address, state in found.items() if state is State.OVERDUE}
    impossible = {address for address, state in found.items() if state is State.IMPOSSIBLE}
    obstacles = protect(policy, there.inventory, KINDS).obstacles
    assert due == {ref.address for ref in backed_up(plan)}
    assert overdue == set(plan.drift.overdue)
    assert impossible == {text.partition(" ")[0] for text in obstacles}
    assert tuple(gone.reason for gone in overview.vanished) == plan.blocks
    unread = {address for address, state in found.items() if state is State.UNVERIFIED}
    assert unread <= {step.address for step in plan.steps if isinstance(step.action, Verify)}
    assert bool(overview.broken_promises) == bool(
        due or obstacles or plan.blocks or unread or plan.unmet or overview.count(State.FUTURE)
    )


@given(policies, worlds(), st.data())
def test_what_is_not_in_order_is_exactly_what_a_plan_has_steps_for(
    policy: Policy, there: World, data: st.DataObject
) -> None:
    """Whatever is known of the backups; a newest one that is damaged may have to wait for its next turn."""
    backups = sorted(backup for known in there.catalog.backups.values() for backup in known)
    healths = {backup: data.draw(health_of) for backup in backups}
    there = evolve(there, catalog=evolve(there.catalog, healths=healths))
    found, plan = states(taken(policy, there)), planned(policy, there)
    busy = {step.address for step in plan.steps if isinstance(step.action, BackUp | Verify)}
    uneasy = {address for address, state in found.items() if state is not State.OK}
    waiting = set(plan.drift.damaged)
    impossible = {address for address, state in found.items() if state is State.IMPOSSIBLE}
    assert busy & found.keys() <= uneasy
    assert uneasy - impossible - busy <= waiting


@given(policies, worlds())
def test_once_a_plan_is_carried_out_only_what_is_impossible_is_broken(policy: Policy, there: World) -> None:
    plan = planned(policy, there)
    new = {BackupId(ref, format_timestamp(NOW)) for ref in backed_up(plan)}
    read = [step.action.backups for step in plan.steps if isinstance(step.action, Verify)]
    healths = {backup: BackupHealth(inspected=NOW) for backups in read for backup in backups}
    old = {backup for backups in there.catalog.backups.values() for backup in backups}
    after = taken(policy, evolve(there, catalog=catalog_of("r", old | new, healths=healths)))
    impossible = after.count(State.IMPOSSIBLE)
    assert after.broken_promises == impossible + len(after.vanished) + len(after.unmet)


@given(policies, worlds(), st.randoms())
def test_the_same_world_gives_the_same_overview(policy: Policy, there: World, random: Any) -> None:
    resources = list(there.inventory.resources.items())
    random.shuffle(resources)
    shuffled = evolve(there, inventory=evolve(there.inventory, resources=dict(resources)))
    assert taken(policy, shuffled) == taken(policy, there)
