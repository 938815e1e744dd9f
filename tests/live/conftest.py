"""Fixtures over real Incus servers.  They run only with INCUS_TESTS=1 and as root.

Each pytest process has a server of each version to itself, which takes half
a second, so nothing has to be shared between the workers of pytest-xdist.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests import memory
from tests.live.support import claims, pod, servers
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.support.restic import Restic
from tests.live.thinning import THOROUGH
from tests.live.tool import NewTool, Tool

HERE = Path(__file__).parent
WORKDIRS = memory.folder_for("incusbak-tests", on_disk=HERE.parent / "fixtures/.tmp")
os.environ.setdefault("INCUSBAK_PODS", str(memory.folder_for("incusbak-pods", on_disk=pod.base_folder())))


def _versions() -> list[str]:
    wanted = os.environ.get("INCUS_VERSIONS", ",".join(servers.VERSIONS)).split(",")
    if unknown := set(wanted) - set(servers.VERSIONS):
        raise pytest.UsageError(f"INCUS_VERSIONS: unknown version {', '.join(sorted(unknown))}")
    return wanted


VERSIONS = _versions()
CROSSED_OUT = ({"6.0", "default"}, {"7.0", "bt"}, {"6.0", "SIGTERM"}, {"7.0", "SIGKILL"})
"""What tests marked ``crosswise`` leave out."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; skip them where they cannot or should not run, and repetitions."""
    repeated = [item for item in items if _is_repeated(item)]
    config.hook.pytest_deselected(items=repeated)
    items[:] = [item for item in items if item not in repeated]
    reason = None
    if os.environ.get("INCUS_TESTS") != "1":
        reason = "needs real Incus servers: run `make test-integration`"
    elif os.geteuid() != 0:
        reason = "needs root to run real Incus servers: run `make test-integration` as root"
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.incus)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


def _is_repeated(item: pytest.Item) -> bool:
    """Whether a test shows again what another one does; in a thorough run none.

    Those marked ``once`` are shown on the newest version, those marked ``one_pool`` on the pool ``default``,
    those marked ``crosswise`` on one pool, or with one signal, on each version, those marked ``thorough``
    not at all.
    """
    if THOROUGH or not isinstance(item, pytest.Function):
        return False
    left_out = set(VERSIONS[:-1]) if item.get_closest_marker("once") else set()
    left_out |= {"bt"} if item.get_closest_marker("one_pool") else set()
    values = {value.name if isinstance(value, signal.Signals) else str(value) for value in _parameters(item)}
    is_crossed = item.get_closest_marker("crosswise") and any(pair <= values for pair in CROSSED_OUT)
    is_extra = item.get_closest_marker("thorough")
    return bool(is_crossed or is_extra) or not left_out.isdisjoint(values)


def _parameters(item: pytest.Function) -> Iterable[object]:
    return item.callspec.params.values() if hasattr(item, "callspec") else ()


@pytest.fixture(scope="session")
def _installed() -> None:
    """Locks keep several workers that do this at once out of each other's way."""
    pod.reap()
    servers.install()


@pytest.fixture(scope="session", params=VERSIONS)
def incus_server(request: pytest.FixtureRequest, _installed: None) -> Iterator[Daemon]:
    """A seeded server for all tests that leave it as it is; see `project`."""
    with servers.server(request.param) as server:
        yield server


@pytest.fixture(params=VERSIONS)
def fresh_incus(request: pytest.FixtureRequest, _installed: None) -> Iterator[Daemon]:
    """A server of its own, for a test that kills, fills or reconfigures it."""
    with servers.server(request.param) as server:
        yield server


@pytest.fixture
def project(incus_server: Daemon) -> Iterator[Project]:
    """A project of its own on the shared server, removed with its contents afterwards."""
    new = Project(incus_server)
    yield new
    new.remove()


@pytest.fixture
def fault_proxy(incus_server: Daemon) -> Iterator[FaultProxy]:
    """A proxy before the shared server: point a client at INCUS_SOCKET=fault_proxy.path."""
    with FaultProxy(incus_server.socket, listen=incus_server.pod.state / "proxy.sock") as proxy:
        yield proxy


@pytest.fixture(scope="session")
def _workdirs() -> Path:
    """The base of all work folders; what killed runs left in it is removed."""
    claims.reap(WORKDIRS, shutil.rmtree)
    return WORKDIRS


@pytest.fixture
def workdir(_workdirs: Path) -> Iterator[Path]:
    """An empty folder, removed afterwards."""
    claim = claims.Claim(_workdirs)
    (_workdirs / ".gitignore").write_text("*\n")
    yield claim.path
    shutil.rmtree(claim.path)
    claim.release()


@pytest.fixture(scope="session")
def restic_template(_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Restic]:
    """Repositories of restic that hold nothing yet, one of each version: making one costs seconds."""
    made: dict[str, Restic] = {}

    def find(version: str) -> Restic:
        if version not in made:
            made[version] = Restic(tmp_path_factory.mktemp(f"restic-{version}") / "repository", version)
            made[version].init()
            made[version].cheapen()
        return made[version]

    return find


@pytest.fixture(scope="session")
def new_tool() -> NewTool:
    """What makes a tool of a server's socket and a folder; a module may have others made."""
    return Tool


@pytest.fixture
def tool(incus_server: Daemon, workdir: Path, new_tool: NewTool) -> Tool:
    """The tool against the shared server, with a repository and a state folder of its own."""
    return new_tool(incus_server.socket, workdir)


@pytest.fixture
def fresh_tool(fresh_incus: Daemon, workdir: Path, new_tool: NewTool) -> Tool:
    """The tool against the test's own server."""
    return new_tool(fresh_incus.socket, workdir)


@pytest.fixture
def watched_tool(fault_proxy: FaultProxy, workdir: Path, new_tool: NewTool) -> Tool:
    """The tool behind the fault proxy: see its requests, cut its connections."""
    return new_tool(fault_proxy.path, workdir)
