"""The policy a user starts with: it covers all that is there, whatever that is, and says so."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from incusbak.cli.init_cmd import starter_policy
from incusbak.cli.options import Settings
from incusbak.policyfile import parse_policy
from tests.fake_incus import images
from tests.unit.test_render import check_golden
from tests.world.session import Estate, MemorySession

ROOT = {"type": "disk", "path": "/", "pool": "default"}


def furnished() -> Estate:
    """Two projects, three instances, one of two volumes attached, one image used and one not."""
    estate = Estate()
    world = estate.server.world
    estate.server.server = evolve(estate.server.server, name="host-1")
    world.add_pool("fast")
    world.add_project("shop")
    world.profiles["shop", "default"]["devices"]["root"] = ROOT
    world.add_project("incusbak-tmp-0123456789ab")
    world.add_volume("data", pool="fast")
    world.add_volume("spare", pool="fast", project="shop")
    used = images.add(world, b"used")
    images.add(world, b"idle")
    images.add(world, b"cached", cached=True)
    disk = {"data": {"type": "disk", "pool": "fast", "source": "data", "path": "/data"}}
    world.add_instance("web", devices=disk, config={"volatile.base_image": used})
    world.add_instance("scratch-1")
    world.add_instance("till", project="shop")
    return estate


def session_of(estate: Estate, settings: Settings) -> MemorySession:
    """A session that opens the repository which the settings name."""
    session = estate.session()
    session.settings = settings
    del session.__dict__["repository"]
    return session


def starter(estate: Estate, **settings: Any) -> str:
    return starter_policy(session_of(estate, Settings(**settings)))


def test_the_policy_of_an_estate_is_as_in_the_golden_file() -> None:
    check_golden("starter-policy.yaml", starter(furnished(), target="dir:/srv/backups"))


def test_the_policy_of_an_empty_server_is_as_in_the_golden_file() -> None:
    check_golden("starter-policy-empty.yaml", starter(Estate()))


@pytest.mark.parametrize("make", [furnished, Estate])
def test_a_plan_by_it_covers_everything_and_complains_of_nothing(make: Callable[[], Estate]) -> None:
    estate = make()
    plan = estate.plan(starter(estate)).plan
    assert (plan.drift.unprotected, plan.drift.unmatched, plan.warnings) == ((), (), ())
    assert "back-up:config" in {step.id for step in plan.steps}


def test_applied_it_leaves_nothing_to_do() -> None:
    estate = furnished()
    policy = starter(estate).replace("every: 24h", "every: 24h\n    snapshot: false")
    assert estate.apply(estate.plan(policy)) == 0
    assert estate.plan(policy).plan.steps == ()


def test_many_projects_get_a_line_each() -> None:
    estate = Estate()
    for number in range(20):
        estate.server.world.add_project(f"project-{number:02}")
    text = starter(estate)
    assert '      projects:\n        - "default"\n        - "project-00"\n' in text
    assert len(parse_policy(text, "p.yaml").protect[0].select.projects) == 21


any_name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8) | st.text(
    "!*?[]-${}:a\\\"'#\n\u2028 ", min_size=1
)
project_names = any_name.filter(lambda name: name != "*" and "/" not in name)


@given(st.sets(project_names, max_size=4), any_name, st.lists(st.integers(0, 4), max_size=6))
@example({"${HOME}", "!default", "[", "a\nb: c", "*-"}, "x\n- {", [0, 1, 2, 3, 4])
def test_whatever_is_there_the_policy_loads_and_covers_it(
    projects: set[str], server: str, things: list[int]
) -> None:
    estate = Estate()
    world = estate.server.world
    estate.server.server = evolve(estate.server.server, name=server)
    for project in projects - {"default"}:
        world.add_project(project)
        world.profiles[project, "default"]["devices"]["root"] = {
            "type": "disk",
            "path": "/",
            "pool": "default",
        }
    places = sorted(projects | {"default"})
    for number, thing in enumerate(things):
        project = places[number % len(places)]
        match thing:
            case 0 | 1:
                disk = {"type": "disk", "pool": "default", "source": f"v{number - 1}", "path": "/x"}
                world.add_instance(f"i{number}", project=project, devices={"d": disk})
            case 2:
                world.add_volume(f"v{number}", project=project)
            case _:
                images.add(world, b"%d" % number, project=project, cached=thing == 4)
    plan = estate.plan(starter(estate)).plan
    assert (plan.drift.unprotected, plan.drift.unmatched, plan.warnings) == ((), (), ())


@given(st.text("/.${}\"'#\\ \u2028x", min_size=1))
def test_a_target_is_read_as_it_was_meant(path: str) -> None:
    session = session_of(Estate(), Settings(target=f"dir:/{path}"))
    assert parse_policy(starter_policy(session), "p.yaml").target == session.repository.uri
