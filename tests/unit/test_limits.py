"""Guards: what no plan may do unless it is overruled."""

from datetime import timedelta

import pytest
from attrs import evolve

from incusbak.engine.execution.approval import Agreed, AgreedTo, approve
from incusbak.engine.planning.planner import make_plan
from incusbak.errors import Blocked
from incusbak.model.backups import ExportOptions
from incusbak.model.goals import BackedUp
from incusbak.model.plans import Drift, Meta, PlanFile
from incusbak.model.policies import Guards
from incusbak.model.refs import BackupId, format_timestamp
from tests.unit.toys import NOW, resource
from tests.unit.worlds import COPY, DB, ORIGIN, STORED, WEB, plan, restored, world

LIVING = (resource(WEB), resource(DB), resource(COPY))


@pytest.mark.parametrize(
    ("percent", "blocks"),
    [
        (None, ()),
        (34, ()),
        (33, ("guard max_replace: 1 of 3 living resources would be replaced (33%), more than 33%",)),
        (0, ("guard max_replace: 1 of 3 living resources would be replaced (33%), more than 0%",)),
    ],
)
def test_only_so_many_may_be_replaced(percent: int | None, blocks: tuple[str, ...]) -> None:
    origin = evolve(ORIGIN, guards=Guards(percent))
    assert plan([restored(insist=True)], world(*LIVING), origin).blocks == blocks


def test_a_plan_that_replaces_nothing_is_never_blocked() -> None:
    assert plan([], world(*LIVING), evolve(ORIGIN, guards=Guards(0))).blocks == ()


@pytest.mark.parametrize("consent", [None, Agreed(), AgreedTo(("0" * 8,))])
def test_a_blocked_plan_needs_more_than_consent(consent: Agreed | AgreedTo | None) -> None:
    blocked = evolve(plan([], world(*LIVING)), blocks=("no",))
    file = PlanFile(Meta("", ""), "0" * 64, blocked)
    with pytest.raises(Blocked, match="no"):
        approve(file, consent)
    assert approve(file, consent, overrule=True).plan_file == file


def test_what_is_older_than_promised_is_drift_and_what_has_no_backup_is_not() -> None:
    goals = [BackedUp(ref, timedelta(hours=1), ExportOptions()) for ref in (WEB, DB)]
    made = make_plan(goals, world(*LIVING), ORIGIN)
    assert made.drift == Drift(overdue=(WEB.address,))
    fresh = BackupId(WEB, format_timestamp(NOW - timedelta(minutes=59)))
    assert make_plan(goals, world(*LIVING, backups=(STORED, fresh)), ORIGIN).drift == Drift()
