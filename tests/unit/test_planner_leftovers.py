"""What earlier runs left comes first; and the same world gives the same bytes, without a secret in them."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from incusbak import codec
from incusbak.engine.planning.cleanup import stray_warnings, why_recover
from incusbak.model.actions import Discard, Recover
from incusbak.model.backups import ExportOptions
from incusbak.model.documents import Json
from incusbak.model.goals import BackedUp, Goal
from incusbak.model.plans import Exists, HasRecord, Summary
from incusbak.model.records import Phase, Quarantined, Restoration, ScratchInstance
from incusbak.model.refs import BackupId, format_timestamp, instance_ref, volume_ref
from tests.samples import export_record
from tests.unit.toys import NOW, resource
from tests.unit.worlds import COPY, DB, STORED, WEB, plan, restored, stored_manifest, world

TEMPORARY, ASIDE = instance_ref("default", "incusbak-1"), instance_ref("default", "incusbak-1-old")
RESTORATION = Restoration("r2", DB, TEMPORARY.name, ASIDE.name, Phase.SWAPPING, start=True)
PAST, FUTURE = (NOW + timedelta(hours=sign) for sign in (-1, 1))


def test_records_are_recovered_first() -> None:
    copy = ScratchInstance("r3", instance_ref("incusbak-tmp", "incusbak-3"), WEB)
    there = world(resource(WEB), leftovers=(export_record("r1"), RESTORATION, copy))
    made = plan([BackedUp(WEB, None, ExportOptions())], there)
    assert [step.id for step in made.steps] == ["recover:r1", "recover:r2", "recover:r3", f"back-up:{WEB}"]
    assert [step.address for step in made.steps] == [str(WEB), str(DB), str(WEB), str(WEB)]
    assert made.steps[1].action == Recover("r2", DB)
    assert made.steps[1].expects == (HasRecord("r2"),)
    assert made.steps[1].reason.startswith("a restore was interrupted before it was complete")
    assert made.steps[3].after == ("recover:r1", "recover:r3")
    assert (made.hazards, made.summary) == ((), Summary(backup=1, clean_up=3))


@pytest.mark.parametrize("goal", [BackedUp(DB, None, ExportOptions()), restored(DB)])
def test_what_a_restore_left_unsettled_is_not_planned_on(goal: Goal) -> None:
    made = plan([goal], world(leftovers=(RESTORATION,)))
    assert [step.id for step in made.steps] == ["recover:r2"]
    assert made.warnings == (f"{DB}: an interrupted restore is cleaned up first; plan again after that",)


def test_an_original_that_is_there_is_backed_up_though_its_replacement_was_interrupted() -> None:
    there = world(resource(DB), leftovers=(RESTORATION,))
    made = plan([BackedUp(DB, None, ExportOptions()), restored(DB)], there)
    assert [step.id for step in made.steps] == ["recover:r2", f"back-up:{DB}"]
    assert made.steps[1].after == ("recover:r2",)
    assert made.warnings == (f"{DB}: an interrupted restore is cleaned up first; plan again after that",)


def test_what_is_in_quarantine_is_in_nobodys_way() -> None:
    """It is said in a line; it is neither tried again, nor taken for a stray, nor waited for."""
    strays = tuple(resource(ref, temporary="yes", expires=PAST.isoformat()) for ref in (TEMPORARY, ASIDE))
    held = Quarantined(RESTORATION, "the server refuses", "", NOW, "there")
    there = world(resource(DB), quarantined=(held,), strays=strays)
    made = plan([BackedUp(DB, None, ExportOptions())], there)
    assert [step.id for step in made.steps] == [f"back-up:{DB}"]
    assert made.warnings == (
        "1 leftover of an earlier run can't be cleaned up: "
        "`incus-backup status` tells what, why, and what to do",
    )


@pytest.mark.parametrize(
    ("expires", "discarded", "warned"),
    [(PAST.isoformat(), True, False), (FUTURE.isoformat(), False, False), ("", False, True)],
)
def test_strays_go_when_their_time_is_up(expires: str, discarded: bool, warned: bool) -> None:
    stray = resource(TEMPORARY, temporary="yes", expires=expires)
    made = plan([], world(strays=(stray,)))
    if discarded:
        [step] = made.steps
        assert (step.action, step.expects) == (Discard(TEMPORARY), (Exists(TEMPORARY, "u-incusbak-1"),))
        assert "expired 2026-03-09 23:00 UTC" in step.reason
    assert bool(made.steps) == discarded
    assert [TEMPORARY.address in warning for warning in made.warnings] == [True] * warned


def test_what_another_machine_left_is_named_with_the_command_that_shows_it() -> None:
    """It may be at work on it just now."""
    volume = volume_ref("shop", "fast", "incusbak-2")
    strays = tuple(resource(ref, temporary="yes", expires="") for ref in (TEMPORARY, volume))
    there = world(strays=strays)
    told = tuple(stray_warnings(evolve(there, kinds={**there.kinds, "volume": there.kinds["instance"]})))
    assert all("was interrupted or still goes on" in warning for warning in told)
    assert [warning.rpartition(" with ")[2] for warning in told] == [
        f"`incus config show --project default {TEMPORARY.name}`",
        "`incus storage volume show --project shop fast incusbak-2`",
    ]


def test_what_is_on_its_way_through_a_scratch_project_is_explained() -> None:
    """The instance, and volumes under the names that they will have."""
    volume = volume_ref("default", "fast", "dv")
    record = evolve(RESTORATION, scratch="incusbak-tmp-r2", volumes=(volume,))
    refs = (TEMPORARY, evolve(TEMPORARY, project=record.scratch), evolve(volume, project=record.scratch))
    strays = tuple(resource(ref, temporary="yes") for ref in refs)
    assert plan([], world(leftovers=(record,), strays=strays)).warnings == ()


def test_strays_that_a_record_explains_are_left_to_it() -> None:
    strays = tuple(resource(ref, temporary="yes", expires=PAST.isoformat()) for ref in (TEMPORARY, ASIDE))
    made = plan([], world(leftovers=(RESTORATION,), strays=strays))
    assert [step.id for step in made.steps] == ["recover:r2"]
    assert made.warnings == ()


# -- the same bytes -----------------------------------------------------------------------------------


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_things_were_seen_does_not_show(shuffled: random.Random) -> None:
    refs = [instance_ref("default", f"i{number}") for number in range(6)]
    backups = [BackupId(ref, format_timestamp(NOW - timedelta(days=age))) for ref in refs for age in (1, 2)]
    strays = [
        resource(instance_ref("default", f"t{n}"), temporary="y", expires=PAST.isoformat()) for n in range(3)
    ]
    goals: list[Goal] = [
        *(BackedUp(ref, None, ExportOptions()) for ref in refs),
        *(restored(instance_ref("default", f"{backup.ref.name}-copy"), backup) for backup in backups[::2]),
        *(restored(backup.ref, backup) for backup in backups[1::2]),
    ]

    def made() -> str:
        living = [resource(ref, a="1", b="2", c="3") for ref in refs]
        for things in (living, backups, strays, goals):
            shuffled.shuffle(things)
        there = world(*living, backups=backups, strays=tuple(strays), free_bytes={"fast": 1300})
        return codec.dump(plan(goals, there))

    assert made() == made()


def test_a_plan_reads_back_as_it_was() -> None:
    there = world(
        resource(WEB, color="blue"), leftovers=(RESTORATION,), manifests={STORED: stored_manifest()}
    )
    made = plan([restored(), BackedUp(WEB, None, ExportOptions())], there)
    assert codec.load(codec.dump(made), type(made)) == made


SENSITIVE = ("cloud-init.user-data", "user.user-data", "environment.DB", "user.db-Password", "user.my.token")


@given(st.lists(st.sampled_from(SENSITIVE), min_size=1, unique=True), st.booleans())
def test_no_secret_is_in_the_bytes_of_a_plan(keys: list[str], replaces: bool) -> None:
    ours: dict[str, Any] = {key: f"hunter2-{number}\n" for number, key in enumerate(keys)}
    theirs: dict[str, Any] = {key: f"hunter3-{number}\n" for number, key in enumerate(keys)}
    living = [resource(WEB, **theirs)] if replaces else []
    there = world(*living, manifests={STORED: stored_manifest(**ours)})
    text = codec.dump(plan([restored(), restored(COPY)], there))
    assert "hunter" not in text
    shown = {change["path"] for step in json.loads(text)["steps"] for change in step["changes"]}
    assert {f"config.{key}" for key in keys} <= shown


def test_hashes_of_secrets_depend_on_the_repositorys_key() -> None:
    config: dict[str, Any] = {"user.token": "x"}
    there = world(manifests={STORED: stored_manifest(**config)})
    other = evolve(there, evidence=evolve(there.evidence, secret=b"another"))
    assert codec.dump(plan([restored()], there)) != codec.dump(plan([restored()], other))


@pytest.mark.parametrize("victim", [None, {}])
@pytest.mark.parametrize("phase", Phase)
def test_what_an_interrupted_restore_means_is_said_plainly(phase: Phase, victim: Json | None) -> None:
    """What is known is told, and what will be done; no phase by the name that only the code knows."""
    words = why_recover(evolve(RESTORATION, phase=phase, victim=victim))
    assert words.startswith("a restore ")
    assert (f"while {phase}" in words, "if complete" in words) == (False, False)
    is_about_original = phase is not Phase.IMPORTING and victim is not None
    assert any(word in words for word in ("put back", "replaced")) == is_about_original


def test_what_a_complete_restore_left_keeps_nobody_waiting() -> None:
    """The restored one is whole in its place, and was seen to be."""
    record = evolve(RESTORATION, phase=Phase.RETIRING)
    there = world(resource(DB), leftovers=(record,))
    assert there.inventory.unsettled == frozenset()
