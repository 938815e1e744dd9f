"""What ``explain`` finds out of a server and a repository."""

from datetime import timedelta

import pytest
from attrs import evolve

from incusbak.cli.explain_cmd import explain_by
from incusbak.model.backups import Compression
from incusbak.model.explanations import (
    AttachedTo,
    BuiltIn,
    Coverage,
    DueAt,
    DueNow,
    ExcludedName,
    ImageOf,
    ImageOfProject,
    NotBroughtAlong,
    NotDue,
    OnlyCached,
    OptedIn,
    OptedOut,
    OtherConfig,
    OtherKind,
    OtherName,
    OtherProject,
    OwnKey,
    Ruling,
    Selected,
    Setting,
    Written,
)
from incusbak.model.policies import IfPresent, Place
from incusbak.model.records import Phase, Restoration
from incusbak.model.refs import CONFIG, instance_ref, volume_ref
from incusbak.policyfile import parse_policy
from tests.world.explain_scene import (
    AFTER,
    BEFORE,
    CACHED,
    DATA,
    DB,
    IDLE,
    PROTECT,
    SHOP,
    SPARE,
    USED,
    WEB,
    explain,
    make_estate,
    rule,
    verdicts,
)
from tests.world.session import Estate


@pytest.fixture
def estate() -> Estate:
    return make_estate()


# -- rules --------------------------------------------------------------------------------------------


def test_each_rule_says_why_it_does_not_cover_until_one_does(estate: Estate) -> None:
    told = explain(
        estate,
        WEB,
        rule(["volume", "config"]),
        rule(projects=["shop"]),
        rule(names=["db"]),
        rule(names=["*", "!w*"]),
        rule(where={"user.tier": "silver"}),
        rule(where={"user.site": "*"}),
        rule(),
        rule(names=["web"]),
    )
    assert told.coverage is Coverage.PROTECTED
    assert verdicts(told) == [
        OtherKind(("volume", "config")),
        OtherProject(("default",), ("shop",)),
        OtherName(("db",)),
        ExcludedName("web", "w*"),
        OtherConfig("user.tier", "silver", "gold"),
        OtherConfig("user.site", "*", None),
        Selected(),
    ]


def test_a_value_that_may_be_a_secret_is_not_shown(estate: Estate) -> None:
    told = explain(estate, WEB, rule(where={"user.token": "x*"}))
    assert verdicts(told) == [OtherConfig("user.token", "x*", "(sensitive value)")]
    named = explain(estate, WEB, rule(where={"user.tier": "x*"}), sensitive=["user.tier"])
    assert verdicts(named) == [OtherConfig("user.tier", "x*", "(sensitive value)")]


def test_an_instance_that_opts_out_of_some_rules_belongs_to_the_next(estate: Estate) -> None:
    polite, strict = rule(projects=["*"], instances_may=["opt-out"]), rule(projects=["*"])
    assert explain(estate, SHOP, polite).coverage is Coverage.OPTED_OUT
    both = explain(estate, SHOP, polite, strict)
    assert (both.coverage, verdicts(both)) == (Coverage.PROTECTED, [OptedOut(PROTECT), Selected()])


def test_an_instance_that_opts_in_says_so(estate: Estate) -> None:
    told = explain(estate, DB, rule(names=["web"]), rule(names=["web"], instances_may=["opt-in"]))
    assert (told.coverage, verdicts(told)) == (
        Coverage.PROTECTED,
        [OtherName(("web",)), OptedIn(PROTECT)],
    )


def test_what_comes_along_says_with_whom(estate: Estate) -> None:
    assert verdicts(explain(estate, DATA, rule())) == [AttachedTo((WEB,))]
    assert verdicts(explain(estate, USED, rule())) == [ImageOf((WEB,))]
    assert verdicts(explain(estate, IDLE, rule(backup={"images": "all"}))) == [ImageOfProject()]


def test_what_could_come_along_says_what_keeps_it_from_that(estate: Estate) -> None:
    bare = rule(backup={"images": "none", "attached_volumes": False})
    for ref, setting in ((DATA, "attached_volumes"), (USED, "images")):
        told = explain(estate, ref, bare)
        assert told.coverage is Coverage.UNPROTECTED
        assert verdicts(told) == [NotBroughtAlong((WEB,), setting)]


def test_what_no_rule_covers_is_unprotected_unless_nobody_expects_one(estate: Estate) -> None:
    assert explain(estate, SPARE, rule()).coverage is Coverage.UNPROTECTED
    assert explain(estate, CONFIG, rule()).coverage is Coverage.NOT_EXPECTED
    cached = explain(estate, CACHED, rule("image"), rule("image", names=["*", "!x"]))
    assert (cached.coverage, verdicts(cached)) == (Coverage.NOT_EXPECTED, [OnlyCached(), OnlyCached()])
    assert explain(estate, WEB).rulings == ()


def test_the_reason_has_its_place_in_the_policy(estate: Estate) -> None:
    text = "version: 1\nprotect:\n  - name: a\n    select:\n      kind: instance\n      names: [db]\n"
    policy = parse_policy(text + "  - {name: b, select: {kind: volume}}\n", "d/p.yaml")
    assert explain_by(policy, estate.session(), SHOP).rulings == (
        Ruling("a", Place("d/p.yaml", 3, 5), OtherProject(("shop",), ("default",))),
        Ruling("b", Place("d/p.yaml", 7, 5), OtherKind(("volume",)), Place("d/p.yaml", 7, 24)),
    )


def test_what_cannot_be_backed_up_or_understood_is_told(estate: Estate) -> None:
    estate.server.world.add_volume("iso", pool="fast", content_type="iso")
    estate.server.server = evolve(estate.server.server, extensions=frozenset())
    iso = explain(estate, volume_ref("default", "fast", "iso"), rule("volume"))
    assert (iso.coverage, iso.stored.due) == (Coverage.PROTECTED, NotDue("it can't be backed up"))
    assert "can't back up ISO volumes" in iso.obstacle
    [problem] = explain(estate, SHOP, rule(projects=["*"], instances_may=["hooks"])).problems
    assert problem.startswith(f"{BEFORE} is not a JSON list of commands")


# -- settings -----------------------------------------------------------------------------------------

SETTINGS = """\
version: 1
defaults:
  backup:
    every: 36h
    timeout: 90s
protect:
  - name: a
    select: {kind: [instance, volume, image]}
    backup:
      compression: none
      before: [[flush, all]]
      after:
        - [thaw]
    instances_may: [opt-in, hooks]
    keep: {last: 3, within: 48h}
"""


EXPECTATIONS = (
    Setting("expect.unprotected", "warn", BuiltIn()),
    Setting("expect.unmatched", "fail", BuiltIn()),
)


def test_each_setting_says_where_it_comes_from(estate: Estate) -> None:
    def at(line: int, column: int) -> Written:
        return Written(Place("p.yaml", line, column))

    policy = parse_policy(SETTINGS, "p.yaml")
    assert explain_by(policy, estate.session(), DB).settings == (
        Setting("every", "1d12h", at(4, 5)),
        Setting("snapshot", True, BuiltIn()),
        Setting("optimized", False, BuiltIn()),
        Setting("compression", "none", at(10, 7)),
        Setting("images", "referenced", BuiltIn()),
        Setting("attached_volumes", True, BuiltIn()),
        Setting("before", [["flush", "all"]], at(11, 7)),
        Setting("before", [["sync"]], OwnKey(BEFORE)),
        Setting("after", [["resume", "now"]], OwnKey(AFTER)),
        Setting("after", [["thaw"]], at(12, 7)),
        Setting("timeout", "1m30s", at(5, 5)),
        Setting("instances_may", ["hooks", "opt-in"], at(14, 20)),
        Setting("keep", {"last": 3, "within": "2d"}, at(15, 12)),
        *EXPECTATIONS,
    )
    unsaid = parse_policy(SETTINGS.replace("      compression: none\n", ""), "p.yaml")
    for usual in (Compression.ZSTD, Compression.NONE):
        estate.disk.usual_compression = usual
        settings = explain_by(unsaid, estate.session(), DB).settings
        assert Setting("compression", usual.value, BuiltIn()) in settings
    volume = explain_by(policy, estate.session(), SPARE).settings
    expect = [each.name for each in EXPECTATIONS]
    assert [each.name for each in volume] == [
        "every",
        "snapshot",
        "optimized",
        "compression",
        "keep",
        *expect,
    ]
    image = explain_by(policy, estate.session(), IDLE).settings
    assert [each.name for each in image] == ["every", "keep", *expect]


def test_how_a_policy_takes_it_that_no_rule_covers_something_is_told_where_none_does(estate: Estate) -> None:
    uncovered = parse_policy(
        "version: 1\nexpect:\n  unprotected: fail\nprotect: [{name: v, select: {kind: volume}}]\n", "p.yaml"
    )
    wanted = (Setting("expect.unprotected", "fail", Written(Place("p.yaml", 3, 16))), EXPECTATIONS[1])
    assert explain_by(uncovered, estate.session(), DB).settings == wanted


def test_without_a_word_in_the_policy_everything_is_built_in(estate: Estate) -> None:
    settings = explain(estate, WEB, rule()).settings
    assert {type(each.origin) for each in settings} == {BuiltIn}
    assert [each.value for each in settings] == [
        None,
        True,
        False,
        "zstd",
        "referenced",
        True,
        [],
        [],
        "5m",
        [],
        {"all": True},
        "warn",
        "fail",
    ]


# -- backups and restores -----------------------------------------------------------------------------


def test_the_next_backup_is_due_by_the_newest_one(estate: Estate) -> None:
    daily, once = rule(backup={"every": "24h"}), rule()
    assert explain(estate, WEB, daily).stored.due == DueNow("no backup exists")
    estate.back_up("web")
    told = explain(estate, WEB, daily).stored
    assert told.newest is not None
    assert (told.count, told.due) == (1, DueAt(told.newest.created + timedelta(hours=24)))
    assert explain(estate, WEB, once).stored.due == NotDue("there is a backup, and the rule gives no `every`")


def test_an_image_that_is_stored_is_never_due_until_its_definition_changes(estate: Estate) -> None:
    estate.back_up(USED.name, kind="image")
    daily = rule("image", backup={"every": "24h"})
    assert isinstance(explain(estate, USED, daily).stored.due, NotDue)
    estate.server.world.images["default", USED.name].document["properties"] = {"os": "other"}
    assert isinstance(explain(estate, USED, daily).stored.due, DueAt)


def test_what_an_interrupted_restore_was_to_bring_waits_for_the_clean_up(estate: Estate) -> None:
    session = estate.session()
    session.journal.write(Restoration("r1", WEB, "temporary", "aside", Phase.IMPORTING, start=False))
    session.journal.close()
    due = explain(estate, WEB, rule()).stored.due
    assert due == NotDue("an interrupted restore of it is cleaned up first")


def test_what_is_gone_is_explained_by_its_newest_backup(estate: Estate) -> None:
    estate.back_up("web")
    del estate.server.world.instances["default", "web"]
    told = explain(estate, WEB, rule(where={"user.tier": "silver"}), rule(where={"user.tier": "gold"}))
    assert (told.is_present, told.coverage) == (False, Coverage.PROTECTED)
    assert verdicts(told) == [OtherConfig("user.tier", "silver", "gold"), Selected()]
    assert told.stored.due == NotDue("it is not on the server")


def test_what_is_gone_with_its_manifest_can_still_be_asked_for(estate: Estate) -> None:
    estate.back_up("web")
    del estate.server.world.instances["default", "web"]
    for files in estate.disk.backups.values():
        files["manifest.json"] += b" "
    told = explain(estate, WEB, rule(), restore=[{**rule(where={"a": "b"}), "name": "back"}])
    assert (told.coverage, told.returns) == (Coverage.PROTECTED, ())


def test_restore_rules_that_mean_it_say_what_they_would_do(estate: Estate) -> None:
    estate.back_up("web", "db")
    rules = [
        {**rule(names=["web"]), "name": "copy", "to": {"name": "web-2"}},
        {**rule(), "name": "over", "if_present": "replace"},
        {**rule(names=["db"]), "name": "other"},
        {**rule(), "name": "wide", "to": {"name": "x"}},
        {**rule(), "name": "early", "version": {"before": "2020-01-01T00:00:00Z"}},
    ]
    copy, over, wide, early = explain(estate, WEB, restore=rules).returns
    assert (copy.rule, copy.to, copy.is_present) == ("copy", instance_ref("default", "web-2"), False)
    assert (over.rule, over.to, over.is_present) == ("over", WEB, True)
    assert (over.if_present, copy.if_present) == (IfPresent.REPLACE, IfPresent.FAIL)
    assert copy.source == over.source is not None
    assert (copy.problem, over.problem) == ("", "")
    assert wide.problem.startswith("`to.name` is one name, but the rule matches 2 resources")
    assert (early.source, early.problem.partition(";")[0]) == (
        None,
        f"{WEB}: no backup from 20200101T000000Z or earlier",
    )
