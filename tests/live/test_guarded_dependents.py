"""Disks that depend on an instance (Incus 7.0) in projects that restrict or limit what is in them."""

import signal

import pytest

from tests.live.crash_scene import said
from tests.live.dependent_scene import PASSING, Dependent
from tests.live.guarded_scene import FORCED, LIMITED, RESTRICTED, configure, limit
from tests.live.mortal import Moment, Mortal
from tests.live.portrait import differences
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.thinning import some
from tests.live.tool import Tool
from tests.live.witness import things_on

pytestmark = pytest.mark.once
BUT_FOR = [*(f"*document.{glob}" for glob in (*PASSING, *FORCED, "created_at")), "volumes.*.created_at"]
"""What a project with restrictions gives anew, and what is made anew where it is moved or copied in."""
SIZE = 20
TAKES = 64 + 2 * SIZE
"""MiB: what the instance takes in a limited project, each of its volumes ``SIZE``."""


@pytest.fixture
def web(project: Project, tool: Tool) -> Dependent:
    if project.server.version == "6.0":
        pytest.skip("Incus 6.0 has no such disks")
    return Dependent(project, tool, "default")


def replace(web: Dependent) -> tuple[str, ...]:
    return ("restore", "instance", "web", "--project", web.project.name, "--replace", "--yes")


def check_all_ways_back(web: Dependent) -> None:
    """In place of what has moved on, beside it, and where nothing is left."""
    before = web.look()
    web.back_up("--images", "none")
    web.write("since then")
    web.tool.do(*replace(web))
    assert differences(before, web.look(), but_for=BUT_FOR) == []
    web.write("since then")
    web.restore("--target-name", "copy")
    assert (web.texts(), web.texts("copy")) == ({"since then"}, {"as backed up"})
    web.project.incus("delete", "--force", "copy")
    web.remove()
    web.restore()
    assert differences(before, web.look(), but_for=BUT_FOR) == []
    web.project.incus("snapshot", "restore", "web", "s0")
    assert web.texts() == {"old 0"}
    assert web.tool.leftovers() == []


def test_they_come_back_into_a_restricted_project(web: Dependent) -> None:
    web.make(start=True)
    configure(web.project, RESTRICTED)
    check_all_ways_back(web)


def test_they_count_against_the_limits_of_a_project(web: Dependent) -> None:
    """In place of another one it comes in straight, and counts twice for a while; the plan knows it."""
    limit(web.project)
    web.make(start=True, size=f"{SIZE}MiB")
    configure(web.project, LIMITED | {"limits.disk": f"{3 * TAKES}MiB", "limits.instances": "3"})
    check_all_ways_back(web)
    before = web.look()
    configure(web.project, {"limits.disk": f"{3 * TAKES - 1}MiB"})
    refused = web.tool.run(*replace(web))
    assert refused.code == 1
    assert f"it takes {2 * TAKES}.0 MiB more" in refused.err
    for pool, taken in (("default", TAKES - SIZE), ("bt", SIZE)):
        configure(web.project, {f"limits.disk.pool.{pool}": f"{3 * taken - 1}MiB"})
        refused = web.tool.run(*replace(web))
        assert refused.code == 1
        assert f"limits.disk.pool.{pool} is {3 * taken - 1}.0 MiB, {taken}.0 MiB are taken" in refused.err
        assert "uploading" not in refused.err
    assert differences(before, web.look()) == []
    configure(web.project, {f"limits.disk.pool.{pool}": f"{3 * taken}MiB"})
    web.tool.do(*replace(web))


def test_they_are_moved_in_where_there_is_room_for_one_more(web: Dependent) -> None:
    """However that is cut short, nothing of it stays."""
    limit(web.project)
    web.make(size=f"{SIZE}MiB")
    web.back_up()
    configure(web.project, LIMITED | {"limits.disk": f"{2 * TAKES}MiB", "limits.instances": "2"})
    things, original = things_on(web.project.server), web.look()
    beside = ("restore", "instance", "web", "--project", web.project.name, "--target-name", "copy")
    with FaultProxy(web.tool.socket, listen=web.project.server.pod.state / "mortal.sock") as proxy:
        mortal = Mortal(web.tool, proxy)
        writes = mortal.writes_of(*beside)
        assert (web.texts("copy"), differences(original, web.look())) == ({"as backed up"}, [])
        web.project.incus("snapshot", "restore", "copy", "s0")
        assert web.texts("copy") == {"old 0"}
        web.project.incus("delete", "--force", "copy")
        moments = [Moment(n, direction=way) for n in range(1, len(writes) + 1) for way in ("up", "down")]
        for moment in some(moments, 6):
            with said(moment):
                assert mortal.kill_at(moment, *beside)
                web.back_up()  # cleans up first
                found = {each["name"] for each in web.project.api("GET", "/1.0/instances?recursion=1")}
                if found == {"web", "copy"}:
                    assert web.texts("copy") == {"as backed up"}
                    web.project.incus("delete", "--force", "copy")
                assert (things_on(web.project.server), web.tool.leftovers()) == (things, [])


def test_volumes_without_a_size_are_refused_where_that_is_limited(web: Dependent) -> None:
    web.make()
    web.back_up()
    web.remove()
    limit(web.project, {"limits.disk": "1GiB"})
    refused = web.tool.run("restore", "instance", "web", "--project", web.project.name)
    assert refused.code == 1
    assert "it has no size of the volume under dv, which the project demands" in refused.err
    assert web.names() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_replacement_that_is_cut_short_loses_nothing(web: Dependent, number: signal.Signals) -> None:
    """Undone at once, or by the next run."""
    web.make(start=True)
    configure(web.project, RESTRICTED | {"restricted.snapshots": "allow"})
    web.back_up("--images", "none")
    first = min(path.parent.name for path in web.tool.repository.rglob("manifest.json"))
    things, arguments = things_on(web.project.server), (*replace(web), "--version", first)
    with FaultProxy(web.tool.socket, listen=web.project.server.pod.state / "mortal.sock") as proxy:
        mortal = Mortal(web.tool, proxy)
        writes = mortal.writes_of(*arguments)
        moments = [Moment(n, direction=way) for n in range(1, len(writes) + 1) for way in ("up", "down")]
        for moment in some(moments, 40):
            with said(moment):
                web.write("since then")
                before = web.look()
                mortal.signal_at(moment, number, *arguments)
                web.back_up("--images", "none")  # cleans up first
                texts = web.texts()
                assert texts in ({"since then"}, {"as backed up"})
                contents = ["contents*", "files*"] if texts == {"as backed up"} else []
                assert differences(before, web.look(), but_for=[*BUT_FOR, *contents]) == []
                assert web.project.api("GET", "/1.0/instances/web")["status"] == "Running"
                assert things_on(web.project.server) == things
                assert web.tool.leftovers() == []
