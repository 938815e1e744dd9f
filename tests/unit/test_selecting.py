"""Which rule means which resource, and what goals come of it."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from attrs import evolve

from incusbak.engine.selection.matching import matches_any
from incusbak.engine.selection.policy import Selection, select_goals
from incusbak.errors import Unplannable
from incusbak.model.backups import Catalog, ExportOptions, catalog_of
from incusbak.model.documents import Json
from incusbak.model.goals import BackedUp, Restored, RestoreOptions
from incusbak.model.inventory import Inventory, Resource, ServerInfo
from incusbak.model.plans import Drift, Missed
from incusbak.model.policies import (
    Destination,
    Exactly,
    Identity,
    IfPresent,
    Latest,
    Maps,
    Place,
    Policy,
    ProtectRule,
    RestoreRule,
    Select,
)
from incusbak.model.refs import BackupId, ResourceRef, instance_ref
from incusbak.ports import DriverOf, Kind


class FlatKind:
    """As much of a kind as selecting asks for; documents hold only their configuration in effect."""

    def effective_config(self, document: Json) -> Mapping[str, str]:
        config: Mapping[str, str] = document["config"]
        return config

    def relocated(self, ref: ResourceRef, maps: Maps, to: Destination) -> ResourceRef:
        project = to.project or maps.projects.get(ref.project, ref.project)
        return evolve(ref, project=project, name=to.name or ref.name)

    def labels(self, resource: Resource) -> frozenset[str]:
        return frozenset({resource.ref.name, *resource.document.get("labels", ())})

    def companions(self, document: Json) -> frozenset[ResourceRef]:
        return frozenset(document.get("companions", ()))

    def obstacle(
        self, resource: Resource, options: ExportOptions, server: ServerInfo, *, driver_of: DriverOf
    ) -> str:
        return str(resource.document.get("obstacle", ""))


NOW = datetime(2026, 3, 10, tzinfo=UTC)
KINDS: Mapping[str, Kind] = {"instance": cast(Kind, FlatKind())}
WEB, WEB2, DB = (instance_ref("default", name) for name in ("web-1", "web-2", "db"))
SHOP = instance_ref("shop-eu", "web-1")
OLD, MID, NEW = "20260301T000000Z", "20260302T000000Z", "20260303T000000Z"
PLACE = Place("p.yaml", 3, 5)
TARGETS = RestoreOptions()


def seen(*refs: ResourceRef, config: Mapping[ResourceRef, Any] | None = None) -> Inventory:
    """An inventory in an order that means nothing."""
    shuffled = random.Random(1).sample(refs, len(refs))
    resources = {ref: Resource(ref, {"config": (config or {}).get(ref, {})}) for ref in shuffled}
    projects: dict[ResourceRef, Json] = {
        ResourceRef("project", name=name): {} for name in ("default", "shop-eu", "shop-us")
    }
    return Inventory(ServerInfo("f", "server", "6.0"), resources, projects)


def stored(*pairs: tuple[ResourceRef, str]) -> Catalog:
    return catalog_of("repo", (BackupId(ref, stamp) for ref, stamp in pairs), at=NOW)


def protect(name: str, select: Select | None = None, **more: Any) -> ProtectRule:
    return ProtectRule(name, select or Select(), ExportOptions(), PLACE, **more)


def bring_back(name: str, select: Select | None = None, **more: Any) -> RestoreRule:
    return RestoreRule(name, select or Select(), PLACE, **more)


def select_from(
    policy: Policy, inventory: Inventory | None = None, catalog: Catalog | None = None
) -> Selection:
    return select_goals(policy, inventory or seen(), catalog or Catalog(), kinds=KINDS)


@pytest.mark.parametrize(
    ("name", "globs", "matches"),
    [
        ("web-1", ["*"], True),
        ("web-1", ["web-?"], True),
        ("Web-1", ["web-*"], False),
        ("web-1", ["web-*", "!web-1"], False),
        ("web-1", ["!web-1", "web-*"], False),
        ("db", ["!web-*"], True),
        ("db", ["web-*"], False),
        ("db", [], True),
    ],
)
def test_globs_select_and_exclude(name: str, globs: list[str], matches: bool) -> None:
    assert matches_any(name, globs) is matches


def test_a_resource_belongs_to_the_first_rule_that_selects_it() -> None:
    policy = Policy(
        protect=(
            protect("web", Select(names=("web-*",)), every=timedelta(hours=1)),
            protect("all", Select(projects=("*",))),
        )
    )
    assert select_from(policy, seen(WEB, DB, SHOP)) == Selection(
        goals=(
            BackedUp(DB, timedelta.max, ExportOptions()),
            BackedUp(WEB, timedelta(hours=1), ExportOptions()),
            BackedUp(SHOP, timedelta.max, ExportOptions()),
        ),
        addresses=(DB.address, WEB.address, SHOP.address),
    )


def test_rules_select_the_default_project_unless_told_otherwise() -> None:
    selection = select_from(Policy(protect=(protect("r"),)), seen(WEB, SHOP))
    assert [goal.ref for goal in selection.goals] == [WEB]
    assert selection.drift == Drift(unprotected=("instance/shop-eu/web-1",))


def test_where_matches_effective_configuration() -> None:
    rule = protect("gold", Select(where={"user.tier": "g*", "user.site": "*"}))
    config = {
        WEB: {"user.tier": "gold", "user.site": "a"},
        WEB2: {"user.tier": "gold"},
        DB: {"user.tier": "x"},
    }
    selection = select_from(Policy(protect=(rule,)), seen(WEB, WEB2, DB, config=config))
    assert [goal.ref for goal in selection.goals] == [WEB]


def test_a_rule_that_names_something_and_matches_nothing_is_not_as_expected() -> None:
    policy = Policy(
        protect=(protect("all"), protect("old", Select(names=("old-*",)))),
        restore=(bring_back("lost", Select(names=("lost",))),),
    )
    selection = select_from(policy, seen(WEB), stored((WEB, OLD)))
    assert selection.drift == Drift(unmatched=("lost", "old"))
    assert (selection.warnings, selection.unmet) == (
        (),
        (
            "protect rule old (p.yaml:3:5) matches nothing on the server",
            "restore rule lost (p.yaml:3:5) matches nothing in the repository",
        ),
    )


def test_a_rule_behind_others_that_cover_all_of_it_is_a_warning_only() -> None:
    selection = select_from(Policy(protect=(protect("all"), protect("web"))), seen(WEB))
    assert selection.drift == Drift()
    assert selection.warnings == ("protect rule web (p.yaml:3:5) matches only what earlier rules cover",)


def test_without_protect_rules_nothing_is_unprotected() -> None:
    assert select_from(Policy(restore=(bring_back("r"),)), seen(DB), stored((WEB, OLD))).drift == Drift()


def test_a_backup_from_the_future_is_a_warning() -> None:
    catalog = stored((WEB, "20260310T000400Z"), (DB, "20260310T000600Z"))
    selection = select_from(Policy(protect=(protect("all"),)), seen(WEB, DB), catalog)
    assert selection.warnings == (
        f"{DB}: 20260310T000600Z is dated in the future: check the clocks; it counts for nothing",
    )


@pytest.mark.parametrize(
    ("version", "stamp"),
    [
        (Latest(), NEW),
        (Latest(datetime(2026, 3, 2, tzinfo=UTC)), MID),
        (Latest(datetime(2026, 3, 2, 23, tzinfo=UTC)), MID),
        (Exactly(OLD), OLD),
    ],
)
def test_a_restore_rule_takes_its_version(version: Latest | Exactly, stamp: str) -> None:
    catalog = stored((WEB, OLD), (WEB, MID), (WEB, NEW))
    selection = select_from(Policy(restore=(bring_back("r", version=version),)), catalog=catalog)
    assert selection.goals == (Restored(WEB, BackupId(WEB, stamp), IfPresent.FAIL, TARGETS, version=version),)


def test_maps_move_a_restore_and_its_destination_has_the_last_word() -> None:
    maps = Maps(projects={"default": "mapped"})
    to = Destination(name="copy", pool="fast")
    policy = Policy(
        restore=(
            bring_back("a", Select(names=("web-1",))),
            bring_back("b", Select(names=("web-1",)), to=to, identity=Identity.REGENERATE),
            bring_back("c", Select(names=("db",)), to=Destination(project="x"), if_present=IfPresent.SKIP),
        ),
        maps=maps,
    )
    source, db = BackupId(WEB, OLD), BackupId(DB, OLD)
    assert select_from(policy, catalog=stored((WEB, OLD), (DB, OLD))).goals == (
        Restored(
            instance_ref("mapped", "copy"),
            source,
            IfPresent.FAIL,
            RestoreOptions("fast", maps, Identity.REGENERATE),
            version=Latest(),
        ),
        Restored(
            instance_ref("mapped", "web-1"),
            source,
            IfPresent.FAIL,
            RestoreOptions(maps=maps),
            version=Latest(),
        ),
        Restored(instance_ref("x", "db"), db, IfPresent.SKIP, RestoreOptions(maps=maps), version=Latest()),
    )


def refused(policy: Policy, catalog: Catalog) -> list[str]:
    with pytest.raises(Unplannable) as caught:
        select_from(policy, catalog=catalog)
    return caught.value.message.splitlines()


def test_all_that_is_wrong_with_restore_rules_is_told_at_once() -> None:
    policy = Policy(
        restore=(
            bring_back("wide", Select(names=("web-*",)), to=Destination(name="copy")),
            bring_back("one", Select(names=("web-1",)), to=Destination(name="x")),
            bring_back("two", Select(names=("web-2",)), to=Destination(name="x")),
        )
    )
    assert refused(policy, stored((WEB, OLD), (WEB2, OLD))) == [
        "restore rule wide (p.yaml:3:5): `to.name` is one name, but the rule matches 2 resources: "
        f"{WEB}, {WEB2}",
        f"instance/default/x would be restored twice: from {WEB}@{OLD} (rule one) "
        f"and from {WEB2}@{OLD} (rule two)",
    ]


def test_a_rule_that_finds_no_such_backup_keeps_no_other_from_being_followed() -> None:
    policy = Policy(
        restore=(
            bring_back("gone", Select(names=("db",)), version=Exactly("20260302T120000Z")),
            bring_back("early", Select(names=("web-2",)), version=Latest(datetime(2026, 2, 1, tzinfo=UTC))),
            bring_back("one", Select(names=("web-1",))),
        )
    )
    catalog = stored((DB, OLD), (DB, MID), (DB, NEW), (WEB, OLD), (WEB2, OLD))
    selection = select_from(policy, catalog=catalog)
    assert [goal.ref for goal in selection.goals] == [WEB]
    assert selection.missed == (
        Missed(
            DB.address,
            f"no backup with the timestamp 20260302T120000Z; the nearest: {OLD}, {MID}, {NEW}",
            "see `version` of the restore rule gone (p.yaml:3:5)",
        ),
        Missed(
            WEB2.address,
            f"no backup from 20260201T000000Z or earlier; the nearest: {OLD}",
            "see `version` of the restore rule early (p.yaml:3:5)",
        ),
    )


def test_the_nearest_versions_are_those_around_the_wanted_one() -> None:
    catalog = stored(*((WEB, f"202603{day:02}T000000Z") for day in range(1, 21)))
    policy = Policy(restore=(bring_back("r", version=Exactly("20260310T120000Z")),))
    days = ", ".join(f"202603{day:02}T000000Z" for day in (8, 9, 10, 11, 12))
    [missed] = select_from(policy, catalog=catalog).missed
    assert missed.reason.endswith(f"the nearest: {days}")


def test_what_did_not_exist_yet_is_left_out_of_a_restore_with_a_warning() -> None:
    rule = bring_back("r", version=Latest(datetime(2026, 3, 1, tzinfo=UTC)))
    selection = select_from(Policy(restore=(rule,)), catalog=stored((WEB, OLD), (DB, NEW)))
    assert [goal.ref for goal in selection.goals] == [WEB]
    assert selection.warnings == (
        f"{DB}: no backup from {OLD} or earlier; the nearest: {NEW}; restore rule r leaves it out",
    )


def test_one_exact_version_missing_among_several_is_left_undone_and_named() -> None:
    policy = Policy(restore=(bring_back("r", version=Exactly(OLD)),))
    selection = select_from(policy, catalog=stored((WEB, OLD), (DB, NEW)))
    assert [goal.ref for goal in selection.goals] == [WEB]
    assert [missed.address for missed in selection.missed] == [DB.address]
