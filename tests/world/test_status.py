"""Every kind of resource under one promise: kept by an apply, broken again with time or by a change."""

from datetime import UTC, datetime, timedelta

import pytest

from incusbak.cli.status_cmd import survey
from incusbak.model.standings import Overview, State
from incusbak.policyfile import parse_policy
from tests.fake_incus import images
from tests.image_samples import unified_of
from tests.world.session import Estate

POLICY = """
version: 1
protect:
  - name: everything
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    backup: {every: 24h}
"""
ISO = "volume/default/default/installer"


@pytest.fixture
def estate() -> Estate:
    """One of everything, on a server that can't export the ISO volume."""
    estate = Estate()
    world = estate.server.world
    world.add_instance("web", status="Running")
    world.add_volume("data")
    world.add_volume("installer", content_type="iso")
    images.add(world, unified_of("image"), aliases=[{"name": "small", "description": ""}])
    return estate


def survey_of(estate: Estate, *, after: timedelta = timedelta(0)) -> Overview:
    at = datetime.now(UTC) + after
    return survey(estate.session(), parse_policy(POLICY, "policy.yaml"), at=at, history=2)


def by_state(overview: Overview) -> dict[State, list[str]]:
    """The kinds of the resources in each state."""
    return {
        state: [each.kind for each in overview.protected if each.state is state]
        for state in State
        if overview.count(state)
    }


def test_an_apply_keeps_every_promise_that_can_be_kept(estate: Estate) -> None:
    everything = ["config", "image", "instance", "volume"]
    assert by_state(survey_of(estate)) == {State.MISSING: everything, State.IMPOSSIBLE: ["volume"]}
    assert estate.apply(estate.plan(POLICY)) == 0
    overview = survey_of(estate)
    assert by_state(overview) == {State.OK: everything, State.IMPOSSIBLE: ["volume"]}
    [iso] = [each for each in overview.protected if each.state is State.IMPOSSIBLE]
    assert (iso.address, iso.newest) == (ISO, None)
    assert all(each.newest and each.newest.size_bytes for each in overview.protected if each is not iso)


def test_the_sizes_of_the_last_backups_are_told_oldest_first(estate: Estate) -> None:
    for _ in range(3):
        assert estate.back_up("web") == 0
    made = sorted(backup for backup in estate.disk.backups if backup.ref.kind == "instance")
    [web] = [each for each in survey_of(estate).protected if each.kind == "instance"]
    assert [each.created for each in web.sizes] == [backup.created for backup in made[-2:]]
    assert {each.size_bytes for each in web.sizes} == {web.newest and web.newest.size_bytes}


def test_with_time_all_is_overdue_but_what_can_not_change(estate: Estate) -> None:
    estate.apply(estate.plan(POLICY))
    later = by_state(survey_of(estate, after=timedelta(days=2)))
    assert later == {
        State.OK: ["image"],
        State.OVERDUE: ["config", "instance", "volume"],
        State.IMPOSSIBLE: ["volume"],
    }


def test_configuration_that_was_changed_is_told_and_breaks_no_promise(estate: Estate) -> None:
    del estate.server.world.volumes["default", "default", "installer"]
    estate.apply(estate.plan(POLICY))
    estate.server.world.add_profile("gold")
    overview = survey_of(estate)
    assert (overview.reconfigured, overview.broken_promises) == (("profile/default/gold",), 0)
