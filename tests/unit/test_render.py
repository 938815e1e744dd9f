"""What people are shown: golden files (UPDATE_GOLDEN=1 writes them anew) and the rules behind them."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from incusbak import codec
from incusbak.model.actions import BackUp, Discard, Prune, Recover, Replace, Restore
from incusbak.model.backups import Compression, ExportOptions, RepositoryIdentity
from incusbak.model.goals import RestoreOptions
from incusbak.model.plans import Change, Drift, Hazard, Meta, Plan, PlanFile, ServerIdentity, Step, Summary
from incusbak.model.policies import Identity, Maps, PolicyFile
from incusbak.model.refs import BackupId, instance_ref
from incusbak.model.results import Outcome, Report, Status, StepResult
from incusbak.render import (
    humanize_bytes,
    humanize_duration,
    printable,
    render_plan,
    render_report,
    render_table,
)
from incusbak.render.wording import cells, cut
from tests.samples import MOMENT

GOLDEN = Path(__file__).parent.parent / "golden"
WEB, DB, COPY = (instance_ref("default", name) for name in ("web", "db", "web-copy"))
STAMP = "20260301T020000Z"
HAZARDS = (Hazard.REPLACES_RESOURCE, Hazard.STOPS_INSTANCE)
REPLACE = Step(
    id=f"replace:{DB}",
    address=DB.address,
    action=Replace(BackupId(DB, STAMP), DB, RestoreOptions()),
    reason=f"to be as in {DB}@{STAMP}",
    hazards=HAZARDS,
    after=("recover:r1",),
    changes=(
        Change(
            "config.environment.TOKEN", "(sensitive value) 0123456789ab", "(sensitive value) ba9876543210"
        ),
        Change("config.limits.cpu", "2", "4"),
        Change("config.user.note", None, "a very long note " * 8),
        Change("devices.eth1.network", "lan", None),
        Change("profiles", ["default", "old"], ["default"]),
    ),
    estimated_bytes=1288490189,
)
STEPS = (
    Step(
        "recover:r1", DB.address, Recover("r1", DB), "a restore was interrupted while importing; it is undone"
    ),
    Step(
        "discard:x",
        "instance/incus-backup/tmp-1",
        Discard(COPY),
        "temporary, made by an earlier run, expired",
    ),
    Step(
        id=f"back-up:{WEB}",
        address=WEB.address,
        action=BackUp(WEB, ExportOptions(snapshot=False, compression=Compression.GZIP)),
        reason="the newest backup, 20260201T020000Z, is older than 1d",
        estimated_bytes=52428800,
    ),
    Step(
        id=f"restore:{COPY}",
        address=COPY.address,
        action=Restore(
            BackupId(WEB, STAMP),
            COPY,
            RestoreOptions("fast", Maps(pools={"old": "new"}), Identity.REGENERATE, start=False),
        ),
        reason=f"not on the server; from {WEB}@{STAMP}",
    ),
    REPLACE,
)
PLAN = Plan(
    server=ServerIdentity("f" * 64, "host-1", "local"),
    repository=RepositoryIdentity("4c1f", "dir:/srv/incus-backups"),
    policies=(PolicyFile("policies/web.yaml", "0" * 64), PolicyFile("policies/restore.yaml", "1" * 64)),
    steps=STEPS,
    drift=Drift(unprotected=("instance/default/scratch",), unmatched=("old-shop",)),
    warnings=("protect rule old-shop (policies/web.yaml:9:5) matches nothing on the server",),
    summary=Summary(backup=1, restore=1, replace=1, clean_up=2),
)


def plan_file(plan: Plan = PLAN) -> PlanFile:
    return PlanFile(Meta("2026-03-01T12:30:00Z", "0.1.0"), "1a2b3c4d" + "0" * 56, plan)


def check_golden(name: str, actual: str) -> None:
    golden = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(actual)
    assert actual == golden.read_text()


def many() -> Plan:
    """Make a plan for enough instances that a list of them gets in the way."""
    refs = [instance_ref("default", f"web-{number:02}") for number in range(12)]
    steps = tuple(Step(f"back-up:{r}", r.address, BackUp(r, ExportOptions()), "no backup yet") for r in refs)
    drift = Drift(unprotected=tuple(f"instance/shop/till-{number:02}" for number in range(12)))
    return evolve(PLAN, steps=steps, drift=drift, warnings=(), summary=Summary(backup=12))


@pytest.mark.parametrize(("form", "suffix"), [("text", "txt"), ("markdown", "md"), ("json", "json")])
def test_a_plan_is_shown_as_in_the_golden_file(form: str, suffix: str) -> None:
    check_golden(f"plan.{suffix}", render_plan(plan_file(), form=form, path="plan.json"))


@pytest.mark.parametrize(("form", "suffix"), [("text", "txt"), ("markdown", "md")])
def test_an_empty_plan_says_that_all_is_well(form: str, suffix: str) -> None:
    empty = Plan(server=PLAN.server, repository=PLAN.repository, policies=PLAN.policies, covered=1)
    check_golden(f"plan-empty.{suffix}", render_plan(plan_file(empty), form=form))


def test_what_happens_to_others_is_told_apart_from_what_it_waits_for() -> None:
    web, more, database = (instance_ref("default", name) for name in ("web", "more", "db"))
    first = Step("back-up:web", web.address, BackUp(web, ExportOptions()), "no backup yet")
    for holds, words in (((web,), f"{web} may pause"), ((web, more), f"{web}, {more} may pause")):
        step = Step("x", database.address, first.action, "none", after=(first.id,), holds=holds)
        shown = render_plan(plan_file(evolve(PLAN, steps=(first, step))), form="text")
        assert f"after {web}; {words} for a moment" in " ".join(shown.split())
    replace = next(step for step in PLAN.steps if isinstance(step.action, Replace))
    for holds, words in (
        ((web,), f"{web} is stopped if it runs"),
        ((web, more), f"{more} are stopped if they"),
    ):
        shown = render_plan(plan_file(evolve(PLAN, steps=(evolve(replace, holds=holds),))), form="text")
        assert words in " ".join(shown.split())


def test_long_lists_are_folded_in_markdown() -> None:
    check_golden("plan-many.md", render_plan(plan_file(many()), form="markdown", path="plan.json"))


def harmful() -> Plan:
    """Make a plan that removes many backups and, last of all, replaces an instance."""
    refs = [instance_ref("default", f"web-{number:02}") for number in range(25)]
    prunes = tuple(
        Step(f"prune:{r}", r.address, Prune(r, (), ()), "by rule", hazards=(Hazard.DELETES_BACKUP,))
        for r in refs
    )
    replacing = next(step for step in PLAN.steps if Hazard.REPLACES_RESOURCE in step.hazards)
    return evolve(PLAN, steps=(*prunes, evolve(replacing, after=())), summary=Summary(prune=25, replace=1))


def test_what_replaces_the_living_is_not_lost_among_many_removals() -> None:
    text = render_plan(plan_file(harmful()), form="text")
    hazards = [line for line in text.splitlines() if line.startswith("  ! ")]
    assert "replaces the living resource" in hazards[0]
    assert hazards[1:21] == [
        f"  ! instance/default/web-{number:02}: deletes a backup" for number in range(20)
    ]
    assert hazards[21:] == ["  ! … and 5 more: deletes a backup"]

    page = render_plan(plan_file(harmful()), form="markdown").partition("Hazards")[2]
    assert page.index("**replaces the living resource") < page.index("<b>deletes a backup</b>: 25")


def test_colour_changes_nothing_but_colour() -> None:
    coloured = render_plan(plan_file(), form="text", colour=True, path="plan.json")
    check_golden("plan-colour.txt", coloured)
    plain = coloured
    for code in ("0", "1", "2", "31", "32", "33"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == render_plan(plan_file(), form="text", path="plan.json")


def test_json_is_the_plan_file_itself() -> None:
    assert codec.load(render_plan(plan_file(), form="json"), PlanFile) == plan_file()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_text_keeps_to_the_width(width: int) -> None:
    lines = render_plan(plan_file(), form="text", width=width).splitlines()
    too_long = [line for line in lines if cells(line) > width and " " in line.strip() and "apply" not in line]
    assert [line for line in too_long if "instance/" not in line] == []


def test_a_secret_and_its_hash_are_not_shown() -> None:
    for form in ("text", "markdown"):
        shown = render_plan(plan_file(), form=form)
        assert "(sensitive value)" in shown
        assert "0123456789ab" not in shown


def test_the_command_names_the_plan_where_it_is() -> None:
    shown = render_plan(plan_file(), form="text", path="my plans/a.json")
    assert "incus-backup apply 'my plans/a.json' --approve 1a2b3c4d" in shown


HOSTILE = "\x1b[2J\x9b\u202egood`</details><script>@admin [x](https://evil) ```\n# h"


def hostile_plan() -> Plan:
    change = Change(f"config.{HOSTILE}", HOSTILE, [HOSTILE])
    step = evolve(REPLACE, address=HOSTILE, reason=HOSTILE, basis=HOSTILE, changes=(change,), after=())
    return evolve(
        PLAN,
        server=ServerIdentity(HOSTILE, HOSTILE, HOSTILE),
        steps=(step,),
        drift=Drift((HOSTILE,), (HOSTILE,)),
        warnings=(HOSTILE,),
    )


def test_text_from_outside_cannot_control_the_terminal() -> None:
    for form in ("text", "markdown"):
        shown = render_plan(plan_file(hostile_plan()), form=form, path="plan.json")
        assert [line for line in shown.splitlines() if not line.isprintable()] == []


def test_text_from_outside_cannot_break_out_of_markdown() -> None:
    check_golden("plan-hostile.md", render_plan(plan_file(hostile_plan()), form="markdown", path="plan.json"))


def test_a_report_tells_what_was_done_and_what_was_not() -> None:
    outcomes = (
        Outcome(
            f"back-up:{WEB}",
            str(WEB),
            Status.DONE,
            StepResult(f"{WEB}@{STAMP}", "", 1288490189),
            seconds=3.42,
        ),
        Outcome(f"restore:{COPY}", str(COPY), Status.DONE, StepResult(f"{WEB}@{STAMP}", "uuid"), seconds=75),
        Outcome(
            "recover:r1", str(DB), Status.DONE, StepResult(note="undone: removed the new one"), seconds=1
        ),
        Outcome(f"back-up:{DB}", str(DB), Status.FAILED, error="no \x1b[31mspace\nleft", hint="make room"),
        Outcome(f"replace:{DB}", str(DB), Status.SKIPPED, error="recover:r1 failed"),
    )
    report = Report(MOMENT, MOMENT + timedelta(seconds=83), "1a2b", outcomes)
    check_golden("report.txt", render_report(report))
    whole = render_report(evolve(report, outcomes=outcomes[:1]))
    assert whole.splitlines()[-1] == "Complete: 1 done in 1 min 23 s."
    told = render_report(report)
    assert render_report(report, quiet=True) == told[told.index("Failed:") :]
    assert render_report(evolve(report, outcomes=outcomes[:1]), quiet=True) == ""


def test_what_helps_several_is_said_once() -> None:
    failed = [
        Outcome(f"restore:{ref}", str(ref), Status.FAILED, error="full", hint=hint)
        for ref, hint in ((WEB, "make room"), (DB, "wait"), (COPY, "make room"))
    ]
    told = render_report(Report(MOMENT, MOMENT, "1a2b", tuple(failed)))
    assert told.splitlines()[1:6] == [
        f"  {WEB}: full",
        f"  {COPY}: full",
        "    hint for these 2: make room",
        f"  {DB}: full",
        "    hint: wait",
    ]


def test_a_table_is_aligned_and_cut_to_the_width() -> None:
    rows = [("default", "web", STAMP, "1.2 GiB"), ("日本", "a-very-long-name-" * 4, STAMP, "3 B")]
    check_golden("table.txt", render_table(("PROJECT", "NAME", "TIMESTAMP", "SIZE"), rows, width=60))
    assert render_table(("A", "B"), []) == "A  B\n"
    assert render_table(("A",), [("x\x1b[2Jy",)]) == "A\nx\\x1b[2Jy\n"


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1048575, "1.0 MiB"),
        (1288490189, "1.2 GiB"),
        (2**70, "1048576.0 PiB"),
    ],
)
def test_sizes_read_well(size_bytes: int, text: str) -> None:
    assert humanize_bytes(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (3.42, "3.4 s"),
        (59.96, "1 min"),
        (63, "1 min 3 s"),
        (3600, "1 h"),
        (7505, "2 h 5 min"),
        (90061, "1 d 1 h"),
    ],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert humanize_duration(seconds) == text


def test_a_text_is_cut_by_columns_not_by_characters() -> None:
    assert cut("日本語です", 5) == "日本…"
    assert cut("short", 5) == "short"


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert printable("a\x1b\n\x9b\u202e\ud800ä") == "a\\x1b\\n\\x9b\\u202e\\ud800ä"


def test_an_unknown_form_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown form"):
        render_plan(plan_file(), form="pdf")
