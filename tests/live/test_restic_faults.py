"""restic repositories when the tool is killed or the connection breaks: no half backup is ever seen."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve

from tests.live.mortal import Moment, Mortal, Touch
from tests.live.restic_tool import ResticTool
from tests.live.support import remotes
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.support.restic import DEBIANS, NEWER, Restic
from tests.live.thinning import THOROUGH, some
from tests.live.tool import Tool

MIB = 1 << 20
RESTIC = {"6.0": DEBIANS, "7.0": NEWER}
CALLS = ("subprocess.Popen",)


@pytest.fixture
def restic_tool(tool: Tool, project: Project, restic_template: Callable[[str], Restic]) -> ResticTool:
    version = RESTIC[project.server.version]
    shutil.copytree(restic_template(version).folder, tool.repository)
    project.launch("web", start=False)
    project.put_file("web", "/root/bulk", os.urandom(24 * MIB))
    return ResticTool(tool.socket, tool.folder, version=version)


def backup_of(project: Project) -> tuple[str, ...]:
    return "backup", "instances", "web", "--images", "none", "--project", project.name


def whole(tool: ResticTool) -> list[str]:
    """Which snapshots there are, but those that grow in number with every run."""
    return [kind for kind in tool.types() if kind != "run"]


def of_backups(count: int) -> list[str]:
    return [*["file"] * count, *["manifest"] * count, "metadata"]


def wait_for_restic(tool: ResticTool) -> None:
    """Those the kernel did not kill with the tool have ended when nobody names this repository."""
    while any(str(tool.repository) in environ for environ in _environments()):
        time.sleep(0.05)


def _environments() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if path.with_name("comm").read_text().strip() == "restic":
                yield path.read_text(errors="replace")
        except OSError:
            continue


@pytest.mark.once
def test_a_killed_backup_is_not_there_and_the_next_run_cleans_up(
    restic_tool: ResticTool, project: Project, fault_proxy: FaultProxy
) -> None:
    tool, mortal = restic_tool, Mortal(restic_tool, fault_proxy)
    tool.do(*backup_of(project))
    good = 1
    direct = project.server.version == "7.0"
    inside = [Moment(int(direct), "" if direct else "/export", "down", at) for at in (1, 12 * MIB, 23 * MIB)]
    # the calls of a run: how it lists before it locks and after it, the archive, the manifest, the report
    calls = [Touch(number, CALLS) for number in (3, 5, 6, 7)]
    moments: list[Moment | Touch] = [*inside, *calls]
    for moment in some(moments, 2):
        killed = mortal.kill_at(moment, *backup_of(project))
        wait_for_restic(tool)
        manifests = tool.types().count("manifest")
        assert manifests == good or (manifests == good + 1 and isinstance(moment, Touch))
        good = manifests
        assert len(tool.backups(project.name)) == good
        tool.do(*backup_of(project))
        good += 1
        assert killed, moment
        assert whole(tool) == of_backups(good)
    tool.do("verify", "instances", "--project", project.name)


@pytest.mark.once
def test_a_killed_removal_for_good_keeps_what_stays_and_is_finished_by_the_next(
    restic_tool: ResticTool, project: Project, fault_proxy: FaultProxy
) -> None:
    """Killed before one of its calls of restic after the other."""
    tool, mortal = restic_tool, Mortal(restic_tool, fault_proxy)
    for _ in range(3):
        tool.do(*backup_of(project))
    addresses = [each["address"] for each in tool.backups(project.name)]
    untouched = tool.folder / "untouched"
    shutil.copytree(tool.repository, untouched)
    prune = ("prune", "--keep", "1", "--purge-now", "--yes", "--project", project.name)
    number, step = 1, 1 if THOROUGH else 7
    while mortal.kill_at(Touch(number, CALLS), *prune):
        wait_for_restic(tool)
        left = [each["address"] for each in tool.backups(project.name)]
        assert left[-1] == addresses[-1], number
        tool.do("verify", "instances", "--project", project.name)  # what is seen is whole
        tool.do(*prune)
        assert [each["address"] for each in tool.backups(project.name)] == addresses[-1:], number
        assert [kind for kind in whole(tool) if kind != "note"] == of_backups(1), number
        shutil.rmtree(tool.repository)
        shutil.copytree(untouched, tool.repository)
        number += step
    assert number > 6


def test_an_interrupted_backup_leaves_nothing_behind_not_even_a_lock(
    restic_tool: ResticTool, project: Project, fault_proxy: FaultProxy
) -> None:
    tool, mortal = restic_tool, Mortal(restic_tool, fault_proxy)
    tool.do(*backup_of(project))
    direct = project.server.version == "7.0"
    middle = Moment(int(direct), "" if direct else "/export", "down", 12 * MIB)
    stopped = mortal.signal_at(middle, signal.SIGINT, *backup_of(project))
    assert stopped.code == 130, stopped.err
    assert list((tool.repository / "locks").iterdir()) == []
    assert whole(tool) == of_backups(1)


@pytest.mark.once
def test_a_connection_cut_in_mid_backup_leaves_no_backup(restic_tool: ResticTool, project: Project) -> None:
    with remotes.rest(restic_tool.repository) as port, FaultProxy(("127.0.0.1", port)) as proxy:
        tool = evolve(restic_tool, place=f"rest:http://127.0.0.1:{proxy.port}/")
        tool.do(*backup_of(project))
        before = proxy.passed["up"]
        project.put_file("web", "/root/bulk", os.urandom(24 * MIB))
        proxy.on_passing = lambda _: proxy.passed["up"] > before + 8 * MIB
        cut = tool.run(*backup_of(project), "--stall-timeout", "4")
        assert cut.code == 75, cut.err
        assert "127.0.0.1" in cut.err
        assert "Hint: check that the place of the repository can be reached" in cut.err

        proxy.on_passing = lambda _: False
        assert len(tool.backups(project.name)) == 1
        assert restic_tool.types().count("manifest") == 1
        tool.do(*backup_of(project))
        assert len(tool.backups(project.name)) == 2
        assert whole(restic_tool) == of_backups(2)
        tool.do("verify", "instances", "--project", project.name)


def test_a_repository_that_nobody_serves_is_a_temporary_failure(restic_tool: ResticTool) -> None:
    away = evolve(restic_tool, place="rest:http://127.0.0.1:9/")
    refused = away.run("list", "instances", "--stall-timeout", "2")
    assert (refused.code, "connection refused" in refused.err) == (75, True), refused.err


def test_a_repository_that_was_unmounted_is_not_made_again(restic_tool: ResticTool, project: Project) -> None:
    tool = restic_tool
    (tool.folder / "disk").mkdir()
    here = evolve(tool, place=f"{tool.folder}/disk/repository")
    here.do(*backup_of(project))
    shutil.move(tool.folder / "disk", tool.folder / "away")
    assert here.run(*backup_of(project)).code == 10
