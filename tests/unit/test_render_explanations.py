"""How an explanation reads: golden files, and the words for each verdict."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from incusbak import codec
from incusbak.model.explanations import (
    AttachedTo,
    BuiltIn,
    Coverage,
    DueAt,
    DueNow,
    ExcludedName,
    Explanation,
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
    Return,
    Ruling,
    Selected,
    Setting,
    Stored,
    Verdict,
    Written,
)
from incusbak.model.policies import Identity, IfPresent, Place, Volumes
from incusbak.model.refs import CONFIG, BackupId, ResourceRef, instance_ref
from incusbak.render.explanations import render_explanation, tabulate_explanation
from incusbak.render.wording import cells
from tests.samples import MOMENT
from tests.unit.test_render import HOSTILE, check_golden

WEB, COPY = instance_ref("default", "web"), instance_ref("shop", "web-2")
NEWEST = BackupId(WEB, "20260301T020000Z")


def at(line: int) -> Place:
    return Place("policies/web.yaml", line, 5)


FULL = Explanation(
    address=WEB,
    is_present=True,
    coverage=Coverage.PROTECTED,
    rulings=(
        Ruling("databases", at(8), OtherKind(("volume", "image")), at(10)),
        Ruling("gold", at(12), OtherConfig("user.tier", "gold", None), at(15)),
        Ruling("web", at(20), Selected()),
    ),
    settings=(
        Setting("every", "1d", Written(at(4))),
        Setting("snapshot", True, BuiltIn()),
        Setting("before", [["sync"], ["sh", "-c", "dump > /var/backups/all-of-it.sql"]], Written(at(24))),
        Setting("before", [["flush"]], OwnKey("user.incus-backup.before")),
        Setting("after", [], BuiltIn()),
        Setting("instances_may", ["hooks", "opt-in"], Written(at(26))),
    ),
    stored=Stored(3, NEWEST, DueAt(NEWEST.created + timedelta(days=1))),
    returns=(
        Return("copy", at(30), NEWEST, COPY, False, IfPresent.FAIL, Identity.REGENERATE),
        Return("over", at(34), NEWEST, WEB, True, IfPresent.REPLACE, Identity.AUTO),
        Return(
            "early",
            at(38),
            None,
            WEB,
            True,
            IfPresent.FAIL,
            Identity.AUTO,
            "no backup from then",
            Volumes.ALL,
        ),
    ),
    problems=("user.incus-backup.after is not a JSON list of commands",),
)


def shown(explanation: Explanation, *, colour: bool = False) -> str:
    return render_explanation(explanation, now=MOMENT, colour=colour)


def test_an_explanation_as_text() -> None:
    check_golden("explanation.txt", shown(FULL))
    check_golden("explanation-colour.txt", shown(FULL, colour=True))


def test_an_explanation_as_a_table() -> None:
    check_golden("explanation-table.txt", tabulate_explanation(FULL, now=MOMENT))


def test_an_explanation_fits_a_terminal_of_80_columns() -> None:
    assert max(map(cells, shown(FULL).splitlines())) <= 80


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"coverage": Coverage.UNPROTECTED}, "Unprotected: no rule covers it."),
        (
            {"coverage": Coverage.OPTED_OUT},
            "Opted out: it asks to be left out, as the rules",
        ),
        ({"is_present": False}, "Not on the server; as it is in its newest backup, rule web"),
        (
            {"is_present": False, "coverage": Coverage.UNPROTECTED},
            "Not on the server; as it is in its newest",
        ),
        ({"rulings": ()}, "The policy has no protect rules."),
        (
            {"coverage": Coverage.NOT_EXPECTED, "address": CONFIG},
            "No rule covers it, so it is not backed up.",
        ),
        (
            {"coverage": Coverage.NOT_EXPECTED, "address": ResourceRef("image", name="ab")},
            "No rule covers it, and none has to: the server can download it again.",
        ),
    ],
)
def test_the_second_line_says_how_it_stands(changes: dict[str, Any], verdict: str) -> None:
    assert shown(evolve(FULL, **changes)).splitlines()[1].strip().startswith(verdict)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (OtherProject(("shop",), ("default", "!x")), "project shop is not among its projects: default, !x"),
        (OtherName(("db", "api-*")), "its names do not match: db, api-*"),
        (ExcludedName("web", "w*"), "excludes web by !w*"),
        (OtherConfig("user.a", "b", ""), "wants user.a to be b; it is empty"),
        (OtherConfig("user.a", "b", "c"), "wants user.a to be b; it is c"),
        (OnlyCached(), "does not name it; the server only downloaded it for itself"),
        (OptedOut("user.x"), "means it, but user.x is false"),
        (OptedIn("user.x"), "lets it opt in; user.x is true"),
        (NotBroughtAlong((WEB,), "images"), "covers instance/default/web without it: images is none"),
        (AttachedTo((WEB, COPY)), "attached to instance/default/web, instance/shop/web-2"),
        (ImageOf((WEB,)), "covers it as the image of instance/default/web"),
        (ImageOfProject(), "covers it with all images of its projects"),
    ],
)
def test_a_verdict_is_a_sentence_about_the_rule(verdict: Verdict, words: str) -> None:
    told = " ".join(shown(evolve(FULL, rulings=(Ruling("r", at(1), verdict, at(2)),))).split())
    assert f"{words} (policies/web.yaml:2)" in told


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (Stored(0, None, DueNow("no backup exists")), "newest none next due now: no backup exists"),
        (Stored(1, NEWEST, NotDue("that is it")), "10 h 30 min ago; 1 in all next not due: that is it"),
        (
            Stored(1, None, DueNow("x"), (BackupId(WEB, "20990101T000000Z"),)),
            "newest none future 20990101T000000Z: dated in the future, so counted for nothing",
        ),
        (FULL.stored, "due at 2026-03-02 02:00:00 UTC, in 13 h 30 min"),
    ],
)
def test_the_next_backup_is_told(stored: Stored, words: str) -> None:
    assert words in " ".join(shown(evolve(FULL, stored=stored)).split())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"if_present": IfPresent.FAIL}, "there now, so the plan is refused (if_present: fail)"),
        ({"if_present": IfPresent.SKIP}, "there now, so it is left alone (if_present: skip)"),
        ({"to": CONFIG}, "brings it back entity by entity; what differs: replace"),
    ],
)
def test_a_restore_rule_says_what_it_does_now(change: dict[str, Any], words: str) -> None:
    returned = evolve(FULL.returns[1], **change)
    assert words in " ".join(shown(evolve(FULL, returns=(returned,))).split())


def test_an_explanation_comes_back_from_json() -> None:
    assert codec.load(codec.dump(FULL), Explanation) == FULL


def test_nothing_in_an_explanation_controls_the_terminal() -> None:
    hostile = evolve(
        FULL,
        address=instance_ref("default", HOSTILE),
        rulings=(Ruling(HOSTILE, Place(HOSTILE, 1), OtherConfig(HOSTILE, HOSTILE, HOSTILE)),),
        settings=(Setting("before", [[HOSTILE]], OwnKey(HOSTILE)),),
        returns=(evolve(FULL.returns[0], rule=HOSTILE, problem=HOSTILE),),
        obstacle=HOSTILE,
        problems=(HOSTILE,),
    )
    for text in (shown(hostile), tabulate_explanation(hostile, now=MOMENT)):
        assert [line for line in text.splitlines() if not line.isprintable()] == []
