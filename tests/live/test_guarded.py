"""Projects that restrict or limit what is in them: what was there comes back, or nothing is touched."""

import base64
import json
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.dependent_scene import Dependent
from tests.live.guarded_scene import (
    LIMITED,
    PASSING,
    RESTRICTED,
    change,
    check_usable,
    configure,
    limit,
    look,
    make,
    network,
    news,
)
from tests.live.mortal import Moment, Mortal
from tests.live.portrait import differences, document_of
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.support.project import Project
from tests.live.test_incus_server import make_pair
from tests.live.thinning import some
from tests.live.tool import Tool
from tests.live.witness import things_on


@pytest.fixture
def bridge(project: Project) -> Iterator[str]:
    with network(project) as name:
        yield name


@pytest.mark.parametrize("kind", ["restricted", "limited"])
def test_an_instance_comes_back_into_such_a_project(
    project: Project, tool: Tool, bridge: str, kind: str
) -> None:
    if kind == "limited":
        limit(project)
    before = make(project, bridge)
    if kind == "restricted":
        configure(project, RESTRICTED)  # snapshots are forbidden as well
    on = ("--project", project.name)
    tool.do("backup", "instances", "c1", "--images", "none", *on)
    change(project)
    tool.do("restore", "instance", "c1", "--replace", "--yes", *on)
    check_usable(project, tool, before)

    tool.do("restore", "instance", "c1", "--target-name", "c2", *on)
    copy = look(project, "c2")
    assert copy.files == before.files
    assert copy.document["status"] == "Running"
    assert (
        copy.document["config"]["volatile.eth0.hwaddr"] != before.document["config"]["volatile.eth0.hwaddr"]
    )

    project.incus("delete", "--force", "c1", "c2")
    tool.do("restore", "instance", "c1", *on)
    assert news(project, before) == []
    assert tool.leftovers() == []


@pytest.mark.once
def test_room_for_one_more_is_enough(project: Project, tool: Tool, bridge: str) -> None:
    """7.0 counts an import twice, but not what is moved in."""
    limit(project, LIMITED | {"limits.instances": "2", "limits.memory": "256MiB"})
    before = make(project, bridge, start=False)
    on = ("--project", project.name)
    tool.do("backup", "instances", "c1", *on)
    tool.do("restore", "instance", "c1", "--replace", "--yes", *on)
    assert [each for each in news(project, before) if not each.startswith("created_at")] == []
    tool.do("restore", "instance", "c1", "--target-name", "c2", *on)
    assert look(project, "c2").files == before.files
    assert tool.leftovers() == []


REFUSED = [
    ({"limits.instances": "1"}, "limits.instances is 1, 1 are taken"),
    ({"limits.containers": "1"}, "limits.containers is 1, 1 are taken"),
    ({"limits.memory": "200MiB"}, "limits.memory is 200.0 MiB, 128.0 MiB are taken"),
    ({"limits.disk": "100MiB"}, "limits.disk is 100.0 MiB, 64.0 MiB are taken"),
    ({"restricted": "true", "restricted.devices.nic": "block"}, "device eth0 needs restricted.devices.nic"),
]


def test_what_a_project_will_refuse_is_told_while_planning(project: Project, tool: Tool, bridge: str) -> None:
    limit(project, {})
    make(project, bridge, start=False)
    project.incus("config", "set", "c1", "raw.idmap", "both 1000 1000")
    on = ("--project", project.name)
    tool.do("backup", "instances", "c1", "--images", "none", *on)
    project.incus("config", "unset", "c1", "raw.idmap")
    project.incus("config", "device", "remove", "c1", "eth0")
    project.incus("snapshot", "delete", "c1", "s1")
    before = look(project)
    for config, words in REFUSED:
        configure(project, config)
        for how in (("--replace", "--yes"), ("--replace", "--dry-run"), ("--target-name", "c2")):
            refused = tool.run("restore", "instance", "c1", *on, *how)
            assert (refused.code, words in refused.err) == (1, True), refused.err
    configure(project, RESTRICTED)  # what only the server can tell is asked before anything is uploaded
    refused = tool.run("restore", "instance", "c1", *on, "--replace", "--yes")
    assert (refused.code, "raw.idmap" in refused.err) == (1, True), refused.err
    assert "nothing was touched" in refused.err
    assert "uploading" not in refused.err
    assert look(project) == before
    assert tool.leftovers() == []


@pytest.mark.once
def test_a_volume_in_use_comes_back_into_a_restricted_project(project: Project, tool: Tool) -> None:
    volumes = "/1.0/storage-pools/default/volumes/custom"
    project.api("POST", volumes, {"name": "v1", "config": {"size": "20MiB"}})
    disk = {"type": "disk", "pool": "default", "source": "v1", "path": "/srv"}
    project.launch("c1", devices={"data": disk})
    configure(project, RESTRICTED)
    on = ("--project", project.name)
    project.exec("c1", ["sh", "-c", "echo old > /srv/f"])
    before = document_of(project, "c1")
    tool.do("backup", "volumes", "default/v1", *on)
    project.exec("c1", ["sh", "-c", "echo new > /srv/f"])
    tool.do("restore", "volume", "default/v1", "--replace", "--force", *on)
    assert project.exec("c1", ["cat", "/srv/f"]) == "old\n"
    assert differences(before, document_of(project, "c1"), but_for=PASSING) == []
    assert tool.leftovers() == []
    project.incus("profile", "device", "set", "default", "root", "size=10MiB")
    configure(project, {"limits.disk": "40MiB"})
    refused = tool.run("restore", "volume", "default/v1", "--target-name", "v2", *on)
    words = "limits.disk is 40.0 MiB, 30.0 MiB are taken, it takes 20.0 MiB more"
    assert (refused.code, words in refused.err) == (1, True), refused.err


POLICY = """
version: 1
protect:
  - {{name: all, select: {{kind: [instance, volume], projects: [{project}]}}, backup: {{images: none}}}}
"""


@pytest.mark.once
def test_a_project_that_allows_no_backups_is_left_out_with_a_word(project: Project, tool: Tool) -> None:
    project.launch("c1", start=False)
    project.api("POST", "/1.0/storage-pools/default/volumes/custom", {"name": "v1", "config": {}})
    configure(project, {"restricted": "true"})
    on = ("--project", project.name)
    said = f"project {project.name} allows no backups"
    named = tool.run("backup", "instances", "c1", *on)
    assert (named.code, said in named.err) == (1, True), named.err
    named = tool.run("backup", "volumes", "default/v1", *on)
    assert (named.code, said in named.err) == (1, True), named.err
    everything = tool.run("backup", "all", *on)
    assert everything.code == 3, everything
    assert everything.err.count(f"can't be backed up: {said}") == 2, everything.err
    (tool.folder / "policy.yaml").write_text(POLICY.format(project=project.name))
    planned = tool.do("plan", "-f", "policy.yaml", "--no-out")
    assert " ".join(planned.out.split()).count(f"can't be backed up: {said}") == 2, planned.out
    status = tool.run("status", "-f", "policy.yaml", "--output", "json")
    assert (status.code, status.out.count(f"can't be backed up: {said}")) == (7, 2), status.out


# -- what is cut short -------------------------------------------------------------------------------


@pytest.mark.crosswise
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_replacement_leaves_an_original_that_can_be_used(
    project: Project, tool: Tool, bridge: str, number: signal.Signals
) -> None:
    """Undone at once, or by the next run: it runs as it ran, unmarked, and can be backed up and replaced."""
    if project.server.version == "6.0":
        limit(project)
    else:
        configure(project, RESTRICTED | {"restricted.snapshots": "allow"})
    before = make(project, bridge)
    on = ("--project", project.name)
    replace = ("restore", "instance", "c1", "--replace", "--yes", *on)
    tool.do("backup", "instances", "c1", "--images", "none", *on)
    there = things_on(project.server)
    with FaultProxy(tool.socket, listen=project.server.pod.state / "guarded.sock") as proxy:
        mortal = Mortal(tool, proxy)
        writes = mortal.writes_of(*replace)
        first = str(min(path.parent.name for path in tool.repository.rglob("manifest.json")))
        every = 12 if number == signal.SIGKILL else 20
        for moment in some(
            [Moment(n, direction=("up", "down")[n % 2]) for n in range(2, len(writes))], every
        ):
            change(project)
            since = look(project)
            mortal.signal_at(moment, number, *replace, "--version", first)
            tool.run("backup", "instances", "c1", "--images", "none", *on)  # the next run puts it in order
            check_usable(project, tool, before, since)
            assert things_on(project.server) == there


# -- a certificate that is restricted to the project -------------------------------------------------


@pytest.fixture
def guest(fresh_incus: Daemon, workdir: Path) -> tuple[Project, Tool, tuple[str, ...]]:
    """A restricted project, and how one who may see nothing else reaches it; 6.0 shows such a one no pool."""
    project, tool = Project(fresh_incus), Tool(fresh_incus.socket, workdir)
    configure(project, RESTRICTED | {"restricted.snapshots": "allow"})
    conf = workdir / "incus-client"
    (conf / "servercerts").mkdir(parents=True)
    url = fresh_incus.https()
    (conf / "config.yml").write_text(json.dumps({"remotes": {"box": {"addr": url, "protocol": "incus"}}}))
    (conf / "servercerts/box.crt").write_text(fresh_incus.api("GET", "/1.0")["environment"]["certificate"])
    make_pair(conf / "client.crt", conf / "client.key")
    der = base64.b64encode(ssl.PEM_cert_to_DER_cert((conf / "client.crt").read_text())).decode()
    trusted = {"type": "client", "name": "guest", "restricted": True, "projects": [project.name]}
    fresh_incus.api("POST", "/1.0/certificates", {**trusted, "certificate": der})
    return project, tool, ("--remote", "box", "--project", project.name)


@pytest.mark.once
def test_who_may_see_no_other_project_backs_up_and_restores(
    guest: tuple[Project, Tool, tuple[str, ...]],
) -> None:
    project, tool, on = guest
    with network(project) as bridge:
        before = make(project, bridge)
        tool.do("backup", "instances", "c1", "--images", "none", *on)
        assert news(project, before) == []
        change(project)
        tool.do("restore", "instance", "c1", "--replace", "--yes", *on)
        check_usable(project, tool, before)
        tool.do("restore", "instance", "c1", "--target-name", "c2", *on)
        assert look(project, "c2").files == before.files
        project.incus("delete", "--force", "c1", "c2")
        tool.do("restore", "instance", "c1", *on)
        assert news(project, before) == []
        tool.do("backup", "instances", "c1", "--images", "none", *on)
        assert tool.leftovers() == []


def test_what_such_a_client_may_not_do_is_said_and_stands_in_nobodys_way(
    guest: tuple[Project, Tool, tuple[str, ...]],
) -> None:
    """It may make no scratch project, nor look for one; 6.0 shows it no storage pool.

    It sees the image that its project shares with another one, but not that project.
    """
    project, tool, on = guest
    project.launch("c1", start=False)
    backup = ("backup", "instances", "c1", *on)
    done = tool.run(*backup)
    if project.server.version == "6.0":
        assert (done.code, "certificate is good for some projects only" in done.err) == (1, True), done.err
        return
    assert (done.code, "  image/" in done.err) == (0, True), done.err
    rehearsed = tool.run("rehearse", "instance", "c1", *on)
    assert (rehearsed.code, "certificate is not restricted" in rehearsed.err) == (1, True), rehearsed.err
    assert tool.leftovers() == []
    assert "clean" not in tool.do(*backup).err


@pytest.mark.once
def test_a_project_that_may_not_be_seen_is_named_as_an_error(
    guest: tuple[Project, Tool, tuple[str, ...]],
) -> None:
    """The server answers as if there were no such project, and lists nothing of it."""
    project, tool, on = guest
    remote, why = on[:2], "project default can't be seen on the server"
    for projects in ("[default]", f"[default, {project.name}]"):
        rule = f"{{name: web, select: {{kind: instance, projects: {projects}}}}}"
        (tool.folder / "policy.yaml").write_text(f"version: 1\nprotect: [{rule}]\n")
        for command in (("plan", "--no-out"), ("status",)):
            told = tool.run(*command, "-f", "policy.yaml", *remote)
            assert (told.code, why in " ".join(told.out.split())) == (7, True), told.out + told.err
            assert "a certificate can be restricted" in " ".join(told.out.split())
    told = tool.run("backup", "instances", *remote)
    assert (told.code, why in told.err) == (1, True), told.err


@pytest.mark.once
def test_so_does_a_volume_in_use(guest: tuple[Project, Tool, tuple[str, ...]]) -> None:
    project, tool, on = guest
    project.api("POST", "/1.0/storage-pools/default/volumes/custom", {"name": "v1", "config": {}})
    disk = {"type": "disk", "pool": "default", "source": "v1", "path": "/srv"}
    project.launch("c1", devices={"data": disk})
    project.exec("c1", ["sh", "-c", "echo old > /srv/f"])
    there = things_on(project.server)
    tool.do("backup", "volumes", "default/v1", *on)
    assert things_on(project.server) == there
    project.exec("c1", ["sh", "-c", "echo new > /srv/f"])
    tool.do("restore", "volume", "default/v1", "--replace", "--force", *on)
    assert project.exec("c1", ["cat", "/srv/f"]) == "old\n"
    assert tool.leftovers() == []


@pytest.mark.once
def test_so_does_an_instance_with_disks_that_depend_on_it(
    guest: tuple[Project, Tool, tuple[str, ...]],
) -> None:
    """Its copy stands beside it for the while, with volumes of its own."""
    project, tool, on = guest
    if project.server.version == "6.0":
        pytest.skip("Incus 6.0 has no such disks")
    web = Dependent(project, tool, "default").make(start=True)
    there = things_on(project.server)
    tool.do("backup", "instances", "web", "--images", "none", *on)
    assert things_on(project.server) == there
    web.write("since then")
    tool.do("restore", "instance", "web", "--replace", "--yes", *on)
    assert (web.texts(), things_on(project.server)) == ({"as backed up"}, there)
    assert tool.leftovers() == []
