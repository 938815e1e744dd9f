"""Plan files that were edited, cut or never were one are refused with 64; hazards need consent."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from incusbak import codec
from incusbak.model.actions import Action, Create, Delete, Discard, Kept, Prune, Replace, Update, Verify
from incusbak.model.backups import RepositoryIdentity
from incusbak.model.goals import RestoreOptions
from incusbak.model.plans import (
    Change,
    Hazard,
    Meta,
    Plan,
    PlanFile,
    ServerIdentity,
    Step,
    Summary,
    Unchanged,
)
from incusbak.model.refs import CONFIG, BackupId, ResourceRef
from tests.cli.command import Shell
from tests.samples import WEB

PLAN = Plan(
    server=ServerIdentity("f" * 64, "host", "local"),
    repository=RepositoryIdentity("1" * 32, "dir:/srv/backups"),
    steps=(
        Step(
            id=f"replace:{WEB}",
            address=WEB.address,
            action=Replace(BackupId(WEB, "20260301T123000Z"), WEB, RestoreOptions()),
            reason="to be as it was",
            hazards=(Hazard.REPLACES_RESOURCE,),
        ),
    ),
    summary=Summary(replace=1),
)
DIGEST = codec.digest(PLAN)
TEXT = codec.dump(PlanFile(Meta("2026-03-01T12:30:00Z", "0.1.0"), DIGEST, PLAN))


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    data = json.loads(TEXT)
    change(data)
    return json.dumps(data)


def resealed(*steps: Step) -> str:
    """A plan with other steps whose digest is right."""
    plan = evolve(PLAN, steps=steps)
    return codec.dump(PlanFile(Meta("2026-03-01T12:30:00Z", "0.1.0"), codec.digest(plan), plan))


[STEP] = PLAN.steps
OF_WEB = BackupId(WEB, "20260301T123000Z")
OF_CONFIG = BackupId(CONFIG, "20260301T123000Z")
OTHER = ResourceRef("instance", project="default", name="other")
PROFILE = ResourceRef("profile", project="default", name="web")


def doing(action: Action, *hazards: Hazard, address: str = WEB.address) -> str:
    return resealed(evolve(STEP, action=action, hazards=hazards, address=address))


def update_of(ref: ResourceRef, changes: tuple[Change, ...], expects: tuple[Unchanged, ...]) -> str:
    action = Update(OF_CONFIG, ref, RestoreOptions())
    step = evolve(STEP, action=action, address=ref.address, hazards=(), changes=changes, expects=expects)
    return resealed(step)


def miscounted() -> str:
    plan = evolve(PLAN, summary=Summary(replace=1, prune=1))
    return codec.dump(PlanFile(Meta("2026-03-01T12:30:00Z", "0.1.0"), codec.digest(plan), plan))


CHANGED = (Change("description", "a", "b"),)
UNCHANGED = (Unchanged(PROFILE, "", "", "etag", ()),)
BAD = [
    (resealed(evolve(STEP, hazards=())), "$.plan.steps.0.hazards: what is done hurts, replaces-resource"),
    (doing(Prune(WEB, (OF_WEB,), ())), "$.plan.steps.0.hazards: what is done hurts, deletes-backup"),
    (doing(Delete(PROFILE), address=PROFILE.address), "$.plan.steps.0.hazards: what is done hurts, deletes-"),
    (
        update_of(PROFILE, CHANGED, UNCHANGED),
        "$.plan.steps.0.hazards: what is done hurts, replaces-resource",
    ),
    (update_of(PROFILE, (), UNCHANGED), "$.plan.steps.0.action: it changes nothing"),
    (update_of(PROFILE, CHANGED, ()), "$.plan.steps.0.action: it does not say which profile/default/web it"),
    (
        resealed(evolve(STEP, hazards=(*STEP.hazards, Hazard.CHANGES_POOL))),
        "$.plan.steps.0.hazards: what is done has no part in changes-pool",
    ),
    (
        doing(Verify(WEB, (OF_WEB,)), Hazard.DELETES_BACKUP),
        "$.plan.steps.0.hazards: what is done has no part in deletes-backup",
    ),
    (miscounted(), "$.plan.summary: does not count the steps that the plan has"),
    (doing(Discard(OTHER)), "$.plan.steps.0.action: it is about instance/default/other, the step's address"),
    (doing(Verify(WEB, (BackupId(OTHER, "20260301T123000Z"),))), "is of another resource"),
    (
        doing(Prune(WEB, (OF_WEB,), (Kept(OF_WEB, ("last",)),)), Hazard.DELETES_BACKUP),
        "$.plan.steps.0.action: what is kept is removed as well",
    ),
    (
        doing(Create(OF_WEB, PROFILE, RestoreOptions()), address=PROFILE.address),
        "$.plan.steps.0.action: instance/default/web@20260301T123000Z is of another kind",
    ),
    (doing(Delete(WEB), Hazard.DELETES_RESOURCE), "$.plan.steps.0.action: that can't be done with instance"),
    (resealed(STEP, STEP), "stands there twice or too early"),
    (resealed(evolve(STEP, after=(STEP.id,))), "stands there twice or too early"),
    (resealed(evolve(STEP, after=("x",)), evolve(STEP, id="x")), "stands there twice or too early"),
    (changed(lambda d: d["plan"]["steps"].clear()), "was edited after it was written: its digest does not"),
    (changed(lambda d: d["plan"]["steps"][0].update(hazards=[])), "was edited after it was written"),
    (changed(lambda d: d["plan"]["server"].update(fingerprint="0")), "was edited after it was written"),
    (changed(lambda d: d.update(digest="0" * 64)), "was edited after it was written"),
    (changed(lambda d: d.update(format_version=2, future=1)), "plan format 2, this version reads 1"),
    (changed(lambda d: d.pop("format_version")), "plan format None, this version reads 1"),
    (changed(lambda d: d.update(format_version=True, digest=1)), "$.digest: expected str, got int"),
    (changed(lambda d: d["plan"]["steps"][0].update(run="rm")), "$.plan.steps.0: "),
    (changed(lambda d: d["plan"]["steps"][0].pop("reason")), "$.plan.steps.0.reason"),
    (changed(lambda d: d["plan"]["steps"][0]["action"].update(type="explode")), "$.plan.steps.0.action"),
    (
        changed(lambda d: d["plan"]["steps"][0]["action"].update(to="instance/../x")),
        "$.plan.steps.0.action.to",
    ),
    (changed(lambda d: d["plan"].pop("server")), "$.plan.server"),
    (TEXT[: len(TEXT) // 2], "not valid JSON: "),
    (TEXT.replace('"digest"', '"format_version": 1, "digest"', 1), "duplicate key 'format_version'"),
    (TEXT.replace("null", "NaN", 1), "NaN is not JSON"),
    ("", "not valid JSON: "),
    ("[]", "plan.json: "),
    ("[" * 100_000, "not valid JSON"),
    ("version: 1\n", "not valid JSON: Expecting value: line 1 column 1"),
]


@pytest.mark.parametrize(("text", "complaint"), BAD, ids=[complaint for _, complaint in BAD])
def test_what_is_no_sound_plan_is_refused(shell: Shell, text: str, complaint: str) -> None:
    for command in (["apply", "--yes"], ["show"]):
        told = shell.fails(*command, shell.file("plan.json", text))
        assert told.startswith(str(shell.home / "plan.json"))
        assert complaint in told
        assert "Hint: make a new plan with `incus-backup plan -f POLICY`" in told


def test_bytes_that_are_no_text_are_refused(shell: Shell) -> None:
    (shell.home / "plan.json").write_bytes(b'\xff\xfe{"plan": 1}')
    assert "not valid JSON" in shell.fails("apply", "plan.json")


def test_hazards_need_consent(shell: Shell) -> None:
    plan = shell.file("plan.json", TEXT)
    complaint = shell.fails("apply", plan, code=5)
    assert "the plan has hazards: replaces-resource" in complaint
    assert "Hint: review the plan, then add --yes, or --approve DIGEST" in complaint


def test_an_approval_is_for_one_plan(shell: Shell) -> None:
    plan = shell.file("plan.json", TEXT)
    other = "0123abcd"
    for more in ([], ["--yes"], ["--force"]):
        complaint = shell.fails("apply", plan, "--approve", other, *more, code=5)
        assert f"the approval is for {other}, this plan is {DIGEST[:8]}" in complaint


@pytest.mark.parametrize("digits", [DIGEST[:7], "xyz", DIGEST + "0", "*", "yes"])
def test_an_approval_is_at_least_8_hex_digits(shell: Shell, digits: str) -> None:
    complaint = shell.fails("apply", shell.file("plan.json", TEXT), f"--approve={digits}")
    assert "--approve takes at least 8 hex digits of the plan's digest" in complaint


@pytest.mark.parametrize(
    "consent", ["--yes", "--force", f"--approve={DIGEST[:8]}", f"--approve={DIGEST.upper()}"]
)
def test_with_consent_only_the_server_is_missing(shell: Shell, consent: str) -> None:
    assert "remote local" in shell.fails("apply", shell.file("plan.json", TEXT), consent, code=75)


@pytest.mark.parametrize(
    ("flag", "complaint"),
    [
        ("--target=dir:/other", "--target is dir:/other, the plan is for dir:/srv/backups"),
        ("--remote=far", "--remote is far, the plan is for local"),
    ],
)
def test_flags_that_contradict_the_plan_are_refused(shell: Shell, flag: str, complaint: str) -> None:
    assert complaint in shell.fails("apply", shell.file("plan.json", TEXT), "--yes", flag)


def test_flags_that_repeat_the_plan_are_fine(shell: Shell) -> None:
    flags = ("--target=/srv/../srv/backups/", "--remote=local", "--yes")
    shell.fails("apply", shell.file("plan.json", TEXT), *flags, code=75)


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_a_plan_is_shown_without_a_server(shell: Shell, form: str) -> None:
    result = shell("show", shell.file("plan.json", TEXT), "--format", form)
    assert (result.code, result.err) == (0, "")
    assert "instance/default/web" in result.out
    assert DIGEST[:8] in result.out


def test_a_dry_run_of_apply_only_shows(shell: Shell) -> None:
    plan = shell.file("plan.json", TEXT)
    result = shell("apply", plan, "--dry-run")
    assert (result.code, result.err) == (0, "")
    assert DIGEST[:8] in result.out


def test_a_plan_is_read_from_stdin(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    result = shell("show", "-")
    assert (result.code, result.err) == (0, "")
    assert DIGEST[:8] in result.out
