"""Rehearsals, as plans and the status show them."""

from datetime import timedelta

from attrs import evolve

from incusbak.model.actions import Rehearse
from incusbak.model.backups import RepositoryIdentity
from incusbak.model.plans import Meta, Plan, PlanFile, ServerIdentity, Step, Summary
from incusbak.model.refs import BackupId, format_timestamp, instance_ref
from incusbak.model.standings import LastRehearsal, Overview, Standing, State
from incusbak.render import render_plan
from incusbak.render.standings import render_status, status_summary
from tests.samples import MOMENT

WEB, DB = (instance_ref("default", name) for name in ("web", "db"))
PROBE = (("test", "-e", "/etc/hostname"), ("sh", "-c", "systemctl is-system-running"))


def shown(probe: tuple[tuple[str, ...], ...], form: str = "text") -> str:
    backup = BackupId(WEB, format_timestamp(MOMENT))
    step = Step(f"rehearse:{WEB}", WEB.address, Rehearse(WEB, backup, probe, 300), "not rehearsed for 30d")
    plan = Plan(
        ServerIdentity("f", "host", ""),
        RepositoryIdentity("r", "dir:/x"),
        steps=(step,),
        summary=Summary(rehearse=1),
    )
    return render_plan(PlanFile(Meta("2026-03-01T12:30:00Z", "1"), "d" * 64, plan), form=form)


def test_a_plan_says_what_is_rehearsed_and_how_that_is_probed() -> None:
    text = shown(PROBE)
    assert f" <= {WEB}" in text
    assert "rehearse 20260301T123000Z: bring it up aside, probe it, remove it" in text
    probes = "within 5m it must pass test -e /etc/hostname, sh -c 'systemctl is-system-running'"
    assert probes in " ".join(text.split())
    assert "1 to rehearse" in text
    assert "it must start and go on running" in shown(())
    assert "1 to rehearse" in shown(PROBE, "markdown")


def standing(last: LastRehearsal | None, state: State = State.OK, reason: str = "") -> Standing:
    ref = WEB if last is None else last.backup.ref
    return Standing(ref.address, ref.kind, ref.project, "all", state, 3600, None, reason, rehearsal=last)


def test_the_status_tells_how_the_last_rehearsals_went() -> None:
    backup = BackupId(WEB, format_timestamp(MOMENT))
    good = LastRehearsal(backup, MOMENT + timedelta(hours=1), "", 75.0, 3.25)
    bad = LastRehearsal(BackupId(DB, backup.timestamp), MOMENT, "it does not start")
    failed = "its last rehearsal, of 20260301T123000Z, failed"
    overview = Overview("host", "dir:/x", MOMENT, (standing(bad, State.UNREHEARSED, failed), standing(good)))
    assert overview.broken_promises == 1
    lines = render_status(overview).splitlines()
    assert f"  ! {DB}: {failed}" in lines
    assert lines[lines.index("Last rehearsals") + 1 :][:2] == [
        f"  {DB}   2026-03-01 12:30 UTC  it does not start",
        f"  {WEB}  2026-03-01 13:30 UTC  restored in 1 min 15 s, up in 3.2 s",
    ]
    assert status_summary(overview) == (
        "Status: 2 protected, 0 overdue, 0 without a backup, 1 not rehearsed, 0 unprotected."
    )


def test_where_nothing_is_rehearsed_the_status_does_not_speak_of_it() -> None:
    overview = evolve(Overview("host", "dir:/x", MOMENT), protected=(standing(None),))
    assert "rehears" not in render_status(overview)
