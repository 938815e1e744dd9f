"""Killed half-way through everything there is: the same command finishes it, and does nothing twice."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live import estate
from tests.live.mortal import Moment, Mortal
from tests.live.portrait import differences
from tests.live.support import servers
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.test_estate import DIFFERS
from tests.live.test_round_trip import MOVES
from tests.live.tool import NewTool, Tool

pytestmark = pytest.mark.once


@pytest.fixture
def living(_installed: None) -> Iterator[Daemon]:
    with servers.server(servers.VERSIONS[-1]) as server:
        estate.build(server)
        yield server


@pytest.fixture
def empty(living: Daemon) -> Iterator[Daemon]:
    with servers.empty_server(living.version) as server:
        yield server


def stored(tool: Tool) -> Counter[Path]:
    """How many backups there are of each resource."""
    return Counter(path.parent.parent for path in tool.repository.rglob("manifest.json"))


@contextmanager
def mortal(tool: Tool, server: Daemon) -> Iterator[Mortal]:
    with FaultProxy(server.socket, listen=server.pod.state / "mortal.sock") as proxy:
        yield Mortal(tool, proxy)


def test_everything_is_backed_up_once_and_brought_back_once(
    living: Daemon, empty: Daemon, workdir: Path, new_tool: NewTool
) -> None:
    tool = new_tool(living.socket, workdir)
    with mortal(tool, living) as dying:
        assert dying.kill_at(Moment(9), "backup", "all")
    half = sum(stored(tool).values())
    told = tool.do("backup", "all").err
    assert re.search(
        r"`backup all` of .* UTC was interrupted, with \d+ of \d+ steps done; what it finished", told
    )
    assert {*stored(tool).values()} == {1}
    assert 2 < half < sum(stored(tool).values())
    looks, files = estate.portrait(living), estate.contents(living, without=MOVES)
    living.kill9()

    tool = new_tool(empty.socket, workdir)
    with mortal(tool, empty) as dying:
        assert dying.kill_at(Moment(50), "restore", "all")
        assert tool.leftovers() != []
        writes = dying.writes_of("restore", "all")
    imports = [path for method, path in writes if method == "POST" and path.startswith("/1.0/instances?")]
    assert 0 < len(imports) < len(estate.INSTANCES)
    found = differences(looks, estate.portrait(empty), but_for=DIFFERS)
    assert found == [], "\n".join(found)
    assert estate.contents(empty, without=MOVES) == files
    assert tool.leftovers() == []
    assert "No changes" in tool.do("restore", "all", "--skip-existing").err
