"""Status says of what is overdue that its backup was tried, when, and why it failed."""

from datetime import UTC, datetime, timedelta

from attrs import evolve

from incusbak.cli.status_cmd import survey
from incusbak.engine.reporting.attempts import failed_attempts
from incusbak.errors import ServerError
from incusbak.model.results import Outcome, Report, Status
from incusbak.model.standings import FailedAttempts, Overview, State
from incusbak.policyfile import parse_policy
from incusbak.render.standings import render_status
from tests.world.session import Estate

POLICY = "version: 1\nprotect: [{name: all, select: {kind: instance}, backup: {every: 24h, images: none}}]\n"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEB = "instance/default/web"


def report(hours_ago: int, status: Status, error: str = "") -> Report:
    at = NOW - hours_ago * HOUR
    return Report(at, at, "d" * 64, (Outcome(f"back-up:{WEB}", WEB, status, error=error, hint="look"),))


def test_what_failed_since_the_last_good_backup_is_counted_and_the_newest_is_told() -> None:
    runs = [
        report(1, Status.FAILED, "the disk\nis full"),
        report(2, Status.SKIPPED, "stopped before it began"),
        report(3, Status.FAILED, "the server is gone"),
        report(4, Status.DONE),
        report(5, Status.FAILED, "long ago"),
    ]
    found = failed_attempts({WEB: NOW - 100 * HOUR, "instance/default/db": NOW}, runs)
    assert found == {WEB: FailedAttempts(2, NOW - HOUR, "the disk is full", "look")}
    assert failed_attempts({WEB: NOW - 2 * HOUR}, runs) == {WEB: evolve(found[WEB], count=1)}
    assert failed_attempts({WEB: NOW}, runs) == failed_attempts({}, runs) == {}


def test_status_tells_it_and_no_longer_once_a_backup_succeeds() -> None:
    estate = Estate()
    estate.server.world.add_instance("web")
    plan = estate.plan(POLICY)
    estate.server.fail_on(lambda _, path: path.endswith("/backups"), ServerError("no room for that"))
    assert estate.apply(plan) == 1
    [web] = survey_of(estate).protected
    assert (web.state, web.failed and (web.failed.count, web.failed.error)) == (
        State.MISSING,
        (1, "no room for that"),
    )
    told = " ".join(render_status(survey_of(estate)).split())
    assert f"Backups that failed ! {WEB}: the last attempt failed, at 20" in told
    estate.server.forgive()
    assert estate.apply(estate.plan(POLICY)) == 0
    [web] = survey_of(estate).protected
    assert (web.state, web.failed) == (State.OK, None)


def survey_of(estate: Estate) -> Overview:
    return survey(estate.session(), parse_policy(POLICY, "p.yaml"), at=datetime.now(UTC), history=1)
