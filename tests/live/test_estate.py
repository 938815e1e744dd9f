"""A whole server, lost and brought back on an empty one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import estate
from tests.live.conftest import VERSIONS
from tests.live.portrait import differences
from tests.live.support import servers
from tests.live.support.daemon import Daemon
from tests.live.test_round_trip import DIFFERS as INSTANCE_DIFFERS
from tests.live.test_round_trip import MOVES
from tests.live.tool import Tool

DIFFERS = {
    **{f"instances/*.{path}": reason for path, reason in INSTANCE_DIFFERS.items()},
    "storage-pools/*.config.source": "where this host keeps the pool",
    "storage-pools/*.config.volatile.initial_source": "as above",
    "projects/*.config.features.networks*": "off, whether that is said or not",
    "networks/*.config.volatile.*": "made up by the host",
    "images/*.created_at": "kept in whole seconds inside of the image",
    "images/*.uploaded_at": "it was uploaded again",
    "images/*.last_used_at": "it was not used yet",
    "images/*.cached": "it was not downloaded",
}
"""Paths in the API's documents that can't come back, each with the reason."""


@pytest.fixture(params=VERSIONS)
def lost_server(request: pytest.FixtureRequest, _installed: None) -> Iterator[Daemon]:
    """A server with an estate on it."""
    with servers.server(request.param) as server:
        estate.build(server)
        yield server


@pytest.fixture
def empty_server(lost_server: Daemon) -> Iterator[Daemon]:
    """A server of the same version with nothing at all."""
    with servers.empty_server(lost_server.version) as server:
        yield server


def test_an_estate_comes_back_on_an_empty_server(
    lost_server: Daemon, empty_server: Daemon, workdir: Path
) -> None:
    before = Tool(lost_server.socket, workdir)
    before.do("backup", "all")
    looks, files = estate.portrait(lost_server), estate.contents(lost_server, without=MOVES)
    lost_server.kill9()

    tool = Tool(empty_server.socket, workdir)
    tool.do("restore", "all")
    found = differences(looks, estate.portrait(empty_server), but_for=DIFFERS)
    assert found == [], "\n".join(found)
    assert estate.contents(empty_server, without=MOVES) == files
    again = tool.do("restore", "all", "--skip-existing")
    assert "No changes" in again.err
    policy = workdir / "all.yaml"
    policy.write_text(POLICY)
    assert "No changes" in tool.do("plan", "-f", str(policy), "--no-out", "--detailed-exitcode").out
    assert tool.leftovers() == []


POLICY = """
version: 1
protect:
  - name: everything
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    backup: {every: 7d}
restore:
  - name: everything-back
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    if_present: skip
"""
