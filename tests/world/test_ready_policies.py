"""What the ready policies in ``policies/`` back up again, and when."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from incusbak.cli.session import now
from tests.world.session import Estate
from tests.world.several import Several, steps

FOLDER = Path(__file__).parents[2] / "policies"
SOON, HOURS, DAYS = timedelta(minutes=30), timedelta(hours=2), timedelta(days=2)


def due(policy: str, estate: Estate) -> list[set[str]]:
    """Back up by a policy; return what would be backed up again soon, hours and days later."""
    text = (FOLDER / f"{policy}.yaml").read_text()
    assert estate.apply(estate.plan(text)) == 0
    found, begun = [], now()
    for later in (SOON, HOURS, DAYS):
        moment: datetime = begun + later
        estate.clock = partial(datetime.astimezone, moment, UTC)
        found.append({step.address for step in estate.plan(text).plan.steps})
    return found


def test_important_instances_are_due_every_hour_the_others_daily() -> None:
    estate = Estate()
    estate.server.world.add_instance("till", config={"user.backup": "hourly"})
    estate.server.world.add_instance("web")
    estate.server.world.add_instance("scratch-1", config={"user.backup": "no"})
    estate.server.world.add_volume("data")
    till = "instance/default/till"
    everything = {till, "instance/default/web", "volume/default/default/data", "config"}
    assert due("single-host", estate) == [set(), {till}, everything]


def test_the_database_is_due_every_hour_the_web_servers_daily() -> None:
    estate = Estate()
    estate.server.world.add_project("shop", {"features.profiles": "false"})
    for name in ("db-1", "web-1"):
        estate.server.world.add_instance(name, project="shop")
    database = "instance/shop/db-1"
    assert due("web-and-database", estate) == [
        set(),
        {database},
        {database, "instance/shop/web-1", "config"},
    ]


def test_what_is_at_hand_is_due_every_hour_what_is_off_site_daily() -> None:
    several = Several({"local": Estate()})
    several.estates["local"].server.world.add_instance("web")
    text = (FOLDER / "two-targets.yaml").read_text()
    assert several.apply(several.plan(text)) == {"local": 0, "offsite": 0}
    everything, begun = ["back-up:config", "back-up:instance/default/web"], now()
    for later, local, offsite in ((SOON, [], []), (HOURS, everything, []), (DAYS, everything, everything)):
        moment: datetime = begun + later
        for estate in several.estates.values():
            estate.clock = partial(datetime.astimezone, moment, UTC)
        assert steps(several.plan(text)) == {"local": local, "offsite": offsite}
