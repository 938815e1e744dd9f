"""When disk, network or server give out: a clear error, the table's exit code, and nothing left behind."""

import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.forking import Forked
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import Action, FaultProxy
from tests.live.support.kernel import wait_until
from tests.live.support.project import Project
from tests.live.tool import Result, Tool
from tests.live.witness import files_below, instance_state, rootfs, things_on

BULK = 4 << 20
HALF = BULK // 2


ALONE = ("--images", "none")
"""Without the image, so that what fails is all there is to do."""


def launch_bulky(project: Project, name: str = "web", *, start: bool = False) -> None:
    """Make an instance whose archive can't be compressed below a few MiB."""
    project.launch(name, start=False)
    (rootfs(project, name) / "root/bulk").write_bytes(secrets.token_bytes(BULK))
    if start:
        project.incus("start", name)


def backup(tool: Tool, project: Project, *more: str) -> Result:
    return tool.run("backup", "instances", "web", *ALONE, "--project", project.name, *more)


# -- the repository's disk ----------------------------------------------------------------------------


@pytest.fixture
def disk(workdir: Path) -> Iterator[Path]:
    """A small file system where the tool's repository will be."""
    folder = workdir / "repository"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


@pytest.mark.once
def test_a_full_target_disk(project: Project, tool: Tool, disk: Path) -> None:
    launch_bulky(project)
    before = things_on(project.server)
    result = backup(tool, project)
    assert result.code == 1
    assert f"no space left on {disk}" in result.err
    assert "make room there" in result.err
    assert tool.backups() == []
    assert things_on(project.server) == before
    assert tool.leftovers() == []
    remount(disk, "size=64m")
    assert backup(tool, project).code == 0
    assert len(tool.backups()) == 1


@pytest.mark.once
def test_a_target_that_can_only_be_read(project: Project, tool: Tool, disk: Path) -> None:
    """Nothing can be backed up, but restored."""
    project.launch("web", start=False)
    assert backup(tool, project).code == 0
    remount(disk, "ro")
    before = things_on(project.server), files_below(disk)
    result = backup(tool, project)
    assert result.code == 1
    assert "is read-only" in result.err
    assert (things_on(project.server), files_below(disk)) == before
    project.incus("delete", "web")
    restored = tool.do("restore", "instance", "web", "--project", project.name)
    assert "Warning: this run is not recorded in the repository" in restored.err
    assert project.api("GET", "/1.0/instances/web")["status"] == "Stopped"
    assert tool.leftovers() == []


@pytest.mark.once
def test_a_repository_that_another_run_holds(
    project: Project, watched_tool: Tool, fault_proxy: FaultProxy
) -> None:
    """It says which, and since when; or waits for it."""
    launch_bulky(project)
    tool = watched_tool
    first = tool.start("backup", "instances", "web", *ALONE, "--project", project.name)
    wait_until(lambda: bool(fault_proxy.writes()), 60, "a backup")
    fault_proxy.rule(rate=100_000)
    refused = backup(tool, project)
    fault_proxy.rule(rate=1_000_000)
    waiting = tool.start("backup", "instances", "web", *ALONE, "--project", project.name, "--lock-wait", "60")
    fault_proxy.clear()
    assert first.wait(60) == 0
    assert refused.code == 11, refused.err
    holder = f"`incus-backup backup instances web --images none --project {project.name}` (pid {first.pid} "
    assert holder in refused.err
    assert "holds it since 20" in refused.err
    assert waiting.wait(60) == 0
    assert len(tool.backups()) == 2


# -- the connection to the server ---------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("action", ["rst", "fin", "stall"])
def test_a_connection_that_breaks_in_mid_export(
    project: Project, watched_tool: Tool, fault_proxy: FaultProxy, action: Action
) -> None:
    launch_bulky(project)
    before = things_on(project.server)
    fault_proxy.rule(action, down=HALF, times=1)
    result = backup(watched_tool, project, "--stall-timeout", "2")
    assert (result.code, fault_proxy.fired) == (75, 1), result.err
    assert watched_tool.backups() == []
    assert things_on(project.server) == before
    assert watched_tool.leftovers() == []
    assert backup(watched_tool, project).code == 0


@pytest.mark.once
@pytest.mark.parametrize("action", ["rst", "fin", "stall"])
def test_a_connection_that_breaks_in_mid_import(
    project: Project, watched_tool: Tool, fault_proxy: FaultProxy, action: Action
) -> None:
    launch_bulky(project, start=True)
    assert backup(watched_tool, project).code == 0
    before = things_on(project.server), instance_state(project, "web")
    fault_proxy.rule(action, up=HALF, times=1)
    restore = ("restore", "instance", "web", "--replace", "--yes", "--project", project.name)
    result = watched_tool.run(*restore, "--stall-timeout", "2")
    assert (result.code, fault_proxy.fired) == (75, 1), result.err
    assert (things_on(project.server), instance_state(project, "web")) == before
    assert watched_tool.leftovers() == []


# -- the server itself --------------------------------------------------------------------------------


def slowly_until(tool: Tool, proxy: FaultProxy, arguments: tuple[str, ...], method: str, part: str) -> Forked:
    """Start a command and have it in mid-transfer, slowed down, of the request meant."""
    proxy.rule(rate=500_000)
    process = tool.start(*arguments)
    wait_until(lambda: any(m == method and part in path for m, path in proxy.requests), 60, part)
    passed = sum(proxy.passed.values())
    wait_until(lambda: sum(proxy.passed.values()) > passed + 200_000, 60, "a transfer")
    return process


@pytest.fixture
def crashing(fresh_incus: Daemon) -> Iterator[FaultProxy]:
    with FaultProxy(fresh_incus.socket, listen=fresh_incus.pod.state / "proxy.sock") as proxy:
        yield proxy


def test_a_server_that_dies_in_mid_export(fresh_incus: Daemon, crashing: FaultProxy, workdir: Path) -> None:
    """What it left is removed by the next run once it is back."""
    project, tool = Project(fresh_incus), Tool(crashing.path, workdir)
    launch_bulky(project)
    things = things_on(fresh_incus)
    arguments = ("backup", "instances", "web", *ALONE, "--project", project.name)
    direct = "direct_backup" in fresh_incus.api("GET", "/1.0")["api_extensions"]
    process = slowly_until(tool, crashing, arguments, "POST" if direct else "GET", "/backups")
    fresh_incus.kill9()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert "most likely the server or the member that has it went away" in err
    assert tool.backups() == []
    crashing.clear()
    fresh_incus.start()
    assert backup(tool, project).code == 0
    assert things_on(fresh_incus) == things
    assert tool.leftovers() == []
    assert len(tool.backups()) == 1


def test_a_server_that_restarts_in_mid_import(
    fresh_incus: Daemon, crashing: FaultProxy, workdir: Path
) -> None:
    """The run itself undoes what it began."""
    project, tool = Project(fresh_incus), Tool(crashing.path, workdir)
    launch_bulky(project, start=True)
    assert backup(tool, project).code == 0
    before, things = instance_state(project, "web"), things_on(fresh_incus)
    arguments = ("restore", "instance", "web", "--replace", "--yes", "--project", project.name)
    process = slowly_until(tool, crashing, arguments, "POST", "/1.0/instances")
    fresh_incus.kill9()
    crashing.clear()
    fresh_incus.start()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert tool.leftovers() == []
    assert things_on(fresh_incus) == things
    assert instance_state(project, "web")["pid"] == before["pid"]


def test_a_server_that_restarts_during_its_operation(
    fresh_incus: Daemon, crashing: FaultProxy, workdir: Path
) -> None:
    """It forgets the operation; the temporary copy goes, with or without another run."""
    project, tool = Project(fresh_incus), Tool(crashing.path, workdir)
    launch_bulky(project, start=True)
    things = things_on(fresh_incus)
    process = tool.start("backup", "instances", "web", *ALONE, "--project", project.name)
    wait_until(lambda: any("project=incusbak-tmp" in path for _, path in crashing.writes()), 60, "a copy")
    fresh_incus.kill9()
    fresh_incus.start()
    _, err = process.communicate(timeout=120)
    assert process.returncode in (1, 75), err
    assert tool.backups() == []
    assert backup(tool, project).code == 0
    assert things_on(fresh_incus) == things
    project.wait_status("web", "Running")
    assert tool.leftovers() == []


def test_a_full_staging_area_is_noticed_though_the_server_hangs(fresh_incus: Daemon, workdir: Path) -> None:
    """6.0 stages exports, and its operation then hangs for ever; 7.0 needs no staging for them."""
    project, tool = Project(fresh_incus), Tool(fresh_incus.socket, workdir)
    launch_bulky(project)
    fresh_incus.limit_staging("1m")
    started = time.monotonic()
    result = backup(tool, project, "--stall-timeout", "3")
    if fresh_incus.version == "7.0":
        assert result.code == 0
        return
    assert time.monotonic() - started < 60
    assert result.code == 1, result.err
    assert "no progress for 3 s" in result.err
    assert "check the free space of the server's backups folder" in result.err
    assert tool.backups() == []
    fresh_incus.kill9()
    fresh_incus.start()
    fresh_incus.pod.run("umount", str(fresh_incus.dir / "backups"))
    assert backup(tool, project).code == 0
    assert project.api("GET", "/1.0/instances/web/backups") == []
    assert tool.leftovers() == []


def test_a_certificate_the_server_does_not_trust(fresh_incus: Daemon, workdir: Path) -> None:
    url, tool = fresh_incus.https(), Tool(workdir / "nothing", workdir)
    client = workdir / "incus-client"
    (client / "servercerts").mkdir(parents=True)
    (client / "config.yml").write_text(f"remotes:\n  far: {{addr: '{url}', protocol: incus}}\n")
    make_key_pair(client)
    pin = client / "servercerts/far.crt"
    pin.write_bytes((fresh_incus.dir / "server.crt").read_bytes())
    result = tool.run("backup", "instances", "--remote", "far")
    assert result.code == 1
    assert "does not trust this client's certificate" in result.err
    assert "Hint: add the client certificate on the server with `incus config trust add`" in result.err
    pin.write_bytes((client / "client.crt").read_bytes())
    result = tool.run("backup", "instances", "--remote", "far")
    assert result.code == 1
    assert "the server's certificate is not the one its remote pins" in result.err
    assert not tool.repository.exists()


def make_key_pair(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"]
    files = ["-keyout", str(folder / "client.key"), "-out", str(folder / "client.crt")]
    options = ["-nodes", "-subj", "/CN=test", "-days", "2"]
    subprocess.run([*command, *files, *options], check=True, capture_output=True)
