"""Plans that back up and bring back the same: what they lead to must not be undone by the next plan."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from incusbak.errors import Unplannable
from incusbak.model.backups import ExportOptions
from incusbak.model.goals import BackedUp, Restored
from incusbak.model.plans import Plan
from incusbak.model.policies import Exactly, IfPresent, Latest, Version
from incusbak.model.refs import CONFIG
from incusbak.model.results import RestoreFact
from tests.unit.test_configuring import configured, differing
from tests.unit.toys import NOW, resource
from tests.unit.worlds import COPY, STORED, WEB, plan, restored, world

HOUR = timedelta(hours=1)
OVERDUE = BackedUp(WEB, HOUR, ExportOptions())
NEWEST = Latest()


def shape(made: Plan) -> list[str]:
    return [step.id for step in made.steps]


def chosen(
    version: Version | None = NEWEST, if_present: IfPresent = IfPresent.REPLACE, **more: Any
) -> Restored:
    return evolve(restored(if_present=if_present, **more), version=version)


@pytest.mark.parametrize("version", [NEWEST, Latest(NOW + HOUR)])
def test_nothing_is_replaced_by_its_newest_backup_right_after_another_one(version: Version) -> None:
    with pytest.raises(Unplannable, match="web would be backed up, and then replaced by what is its newest"):
        plan([OVERDUE, chosen(version)], world(resource(WEB)))


@pytest.mark.parametrize("version", [Exactly(STORED.timestamp), Latest(NOW - HOUR), None])
def test_what_stays_the_source_may_replace_what_was_just_backed_up(version: Version | None) -> None:
    made = plan([OVERDUE, chosen(version)], world(resource(WEB)))
    assert shape(made) == [f"back-up:{WEB}", f"replace:{WEB}"]


def test_a_copy_may_be_made_beside_what_is_backed_up() -> None:
    assert shape(plan([OVERDUE, chosen(to=COPY)], world(resource(WEB)))) == [
        f"back-up:{WEB}",
        f"restore:{COPY}",
    ]


EARLIER = RestoreFact(WEB.address, f"{WEB}@20200101T000000Z", "u-web")
OF_ANOTHER = RestoreFact(WEB.address, f"{COPY}@20200101T000000Z", "u-web")


def test_what_came_from_an_earlier_backup_stays_where_it_must_not_be_replaced() -> None:
    there = world(resource(WEB), facts={WEB: EARLIER})
    assert shape(plan([chosen(if_present=IfPresent.FAIL)], there)) == []
    assert shape(plan([chosen(if_present=IfPresent.REPLACE)], there)) == [f"replace:{WEB}"]


@pytest.mark.parametrize(
    ("goal", "fact"),
    [
        (chosen(Exactly(STORED.timestamp), IfPresent.FAIL), EARLIER),
        (chosen(if_present=IfPresent.FAIL, insist=True), EARLIER),
        (chosen(if_present=IfPresent.FAIL), OF_ANOTHER),
        (chosen(if_present=IfPresent.FAIL), evolve(EARLIER, identity="u-other")),
    ],
    ids=["another version", "asked for", "of another", "another one"],
)
def test_anything_else_is_in_the_way(goal: Restored, fact: RestoreFact) -> None:
    with pytest.raises(Unplannable, match="is on the server already"):
        plan([goal], world(resource(WEB), facts={WEB: fact}))


def test_the_configuration_is_backed_up_once_it_is_as_it_shall_be() -> None:
    there = differing({"profile": {"a": {}}}, {"profile": {"b": {}}})
    made = plan(
        [BackedUp(CONFIG, timedelta(), ExportOptions()), configured(prune=True)],
        evolve(there, inventory=evolve(there.inventory, resources={CONFIG: resource(CONFIG)})),
    )
    changes = ["create:profile/default/a", "delete:profile/default/b"]
    assert shape(made) == [*changes, "back-up:config"]
    assert made.steps[-1].after == tuple(changes)
