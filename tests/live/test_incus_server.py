"""The Incus adapter against real servers that restart, die, hang or do not trust it."""

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from incusbak.errors import NotAuthorized, OperationLost, ServerError, ServerUnavailable, UsageError
from incusbak.incus import IncusServer, connect
from incusbak.incus.connecting import connect_to
from incusbak.incus.remotes import Endpoint
from incusbak.incus.retries import Limits
from incusbak.model.documents import Json
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project

MEBIBYTE = 1 << 20
STAGED: Json = {"name": "b1", "compression_algorithm": "none"}
DIRECT: Json = {"compression_algorithm": "none"}
PATIENT = Limits(stalled=120)


def server_at(daemon: Daemon, limits: Limits = PATIENT) -> IncusServer:
    url = f"http+unix://{quote(str(daemon.socket), safe='')}"
    return connect_to(Endpoint("local", url), limits=limits)


def fill(daemon: Daemon, megabytes: int, source: str = "/dev/urandom") -> Project:
    """Make a project with a stopped container ``c1`` that has so much in it."""
    project = Project(daemon)
    project.launch("c1")
    project.exec("c1", ["dd", f"if={source}", "of=/root/bulk", "bs=1M", f"count={megabytes}"])
    project.stop("c1", force=True)
    return project


# -- HTTPS ------------------------------------------------------------------------------------------


def make_pair(certificate: Path, key: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"]
    names = ["-nodes", "-subj", "/CN=test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, capture_output=True)


@pytest.fixture
def url(fresh_incus: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server on the network, known to the client's configuration as ``box``, which it trusts."""
    conf = tmp_path / "conf"
    (conf / "servercerts").mkdir(parents=True)
    monkeypatch.setenv("INCUS_CONF", str(conf))
    monkeypatch.setenv("INCUS_GLOBAL_CONF", str(tmp_path / "none"))
    url = fresh_incus.https()
    (conf / "config.yml").write_text(json.dumps({"remotes": {"box": {"addr": url, "protocol": "incus"}}}))
    pin = fresh_incus.api("GET", "/1.0")["environment"]["certificate"]
    (conf / "servercerts/box.crt").write_text(pin)
    make_pair(conf / "client.crt", conf / "client.key")
    der = ssl.PEM_cert_to_DER_cert((conf / "client.crt").read_text())
    trusted = {"type": "client", "name": "test", "certificate": base64.b64encode(der).decode()}
    fresh_incus.api("POST", "/1.0/certificates", trusted)
    return url


def test_a_remote_is_reached_by_its_name_and_by_its_url(url: str, fresh_incus: Daemon) -> None:
    fingerprint = fresh_incus.api("GET", "/1.0")["environment"]["certificate_fingerprint"]
    for remote in ("box", url):
        server = connect(remote)
        assert (server.info().fingerprint, server.remote_name) == (fingerprint, "box")


def test_backups_travel_over_https(url: str, fresh_incus: Daemon) -> None:
    project = fill(fresh_incus, 8).name
    server = connect(url)
    server.create("instances/c1/backups", STAGED, project=project)
    with server.download("instances/c1/backups/b1/export", project=project) as chunks:
        server.upload("instances", chunks, headers={"X-Incus-name": "c2"}, project=project)
    assert len(server.list("instances", project=project)) == 2


def test_the_environment_can_not_replace_the_pin(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert connect(url).info().version


def test_a_server_with_another_certificate_is_refused(url: str, tmp_path: Path) -> None:
    make_pair(tmp_path / "conf/servercerts/box.crt", tmp_path / "other.key")
    with pytest.raises(ServerError, match="not the one its remote pins") as caught:
        connect(url)
    assert "incus remote add" in caught.value.hint
    assert not isinstance(caught.value, ServerUnavailable)


def test_a_server_without_a_pin_needs_an_authority(url: str, tmp_path: Path) -> None:
    (tmp_path / "conf/servercerts/box.crt").unlink()
    with pytest.raises(ServerError, match="can't be verified"):
        connect(url)


def test_a_client_that_the_server_does_not_know_is_not_authorized(url: str, tmp_path: Path) -> None:
    make_pair(tmp_path / "conf/client.crt", tmp_path / "conf/client.key")
    with pytest.raises(NotAuthorized, match="does not trust") as caught:
        connect(url)
    assert "incus config trust add" in caught.value.hint


def test_a_client_without_a_certificate_is_told_what_to_do(url: str, tmp_path: Path) -> None:
    (tmp_path / "conf/client.crt").unlink()
    with pytest.raises(UsageError):
        connect(url)


# -- servers that go away ---------------------------------------------------------------------------


def test_a_restart_in_the_middle_of_an_operation_loses_it(fresh_incus: Daemon) -> None:
    project = fill(fresh_incus, 200).name
    restarts: list[str] = []

    def restart(words: str) -> None:
        if not restarts:
            restarts.append(words)
            fresh_incus.kill9()
            fresh_incus.start()

    slow = {"name": "b1", "compression_algorithm": "gzip"}
    with pytest.raises(OperationLost):
        server_at(fresh_incus).create("instances/c1/backups", slow, project=project, watch=restart)
    assert len(restarts) == 1


def test_reads_wait_for_a_restart(fresh_incus: Daemon) -> None:
    server = server_at(fresh_incus)
    fresh_incus.kill9()
    with subprocess.Popen(["sleep", "0.5"]) as pause:
        pause.wait()
    fresh_incus.start()
    assert server.info().name


def test_a_server_that_is_gone_is_unavailable(fresh_incus: Daemon) -> None:
    server = server_at(fresh_incus, Limits(retry_reads=0.5, retry_writes=0.5))
    fresh_incus.kill9()
    with pytest.raises(ServerUnavailable):
        server.list("instances")
    with pytest.raises(ServerUnavailable):
        server.delete("instances/c1")


@pytest.mark.parametrize("how", ["staged", "direct"])
@pytest.mark.parametrize("fault", ["killed", "hung"])
def test_a_download_from_a_server_that_fails_is_unavailable(
    fresh_incus: Daemon, how: str, fault: str
) -> None:
    project = fill(fresh_incus, 64).name
    server = server_at(fresh_incus, Limits(stalled=2))
    if how == "direct" and not server.info().has("direct_backup"):
        pytest.skip("this server has no direct_backup")
    path, body = "instances/c1/backups", DIRECT
    if how == "staged":
        server.create(path, STAGED, project=project)
    received = 0

    def read() -> None:
        nonlocal received
        asked = (f"{path}/b1/export", None) if how == "staged" else (path, body)
        with server.download(asked[0], project=project, body=asked[1]) as chunks:
            for chunk in chunks:
                if not received:
                    break_down(fresh_incus, fault)
                received += len(chunk)

    with pytest.raises(ServerUnavailable):
        read()
    assert 0 < received < 64 * MEBIBYTE
    if fault == "hung":
        os.kill(fresh_incus.pid, signal.SIGCONT)


@pytest.mark.parametrize("fault", ["killed", "hung"])
def test_an_upload_to_a_server_that_fails_is_unavailable(fresh_incus: Daemon, fault: str) -> None:
    server = server_at(fresh_incus, Limits(stalled=2))

    def chunks() -> Iterator[bytes]:
        yield bytes(MEBIBYTE)
        break_down(fresh_incus, fault)
        for _ in range(64):
            yield bytes(MEBIBYTE)

    with pytest.raises(ServerUnavailable):
        server.upload("instances", chunks(), headers={"X-Incus-name": "c2"})
    if fault == "hung":
        os.kill(fresh_incus.pid, signal.SIGCONT)


def break_down(daemon: Daemon, fault: str) -> None:
    if fault == "killed":
        daemon.kill9()
    else:
        daemon.hang()


# -- memory -----------------------------------------------------------------------------------------

PASS_ON = """
import resource, sys
from incusbak.incus import connect

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

project, direct = sys.argv[1], sys.argv[2] == "direct"
server = connect("local")
server.list("instances", project=project)
before, size = peak(), 0

def counted(chunks):
    global size
    for chunk in chunks:
        size += len(chunk)
        yield chunk

path, body = "instances/c1/backups", {"compression_algorithm": "none"}
if not direct:
    server.create(path, {**body, "name": "b1"}, project=project)
    path, body = path + "/b1/export", None
with server.download(path, project=project, body=body) as chunks:
    server.upload("instances", counted(chunks), headers={"X-Incus-name": "c2"}, project=project)
print(size // 2**20, peak() - before)
"""


@pytest.mark.parametrize("how", ["staged", "direct"])
def test_memory_does_not_grow_with_what_is_carried(fresh_incus: Daemon, how: str) -> None:
    if how == "direct" and not server_at(fresh_incus).info().has("direct_backup"):
        pytest.skip("this server has no direct_backup")
    project = fill(fresh_incus, 300, "/dev/zero").name
    environment = {**os.environ, "INCUS_SOCKET": str(fresh_incus.socket)}
    command = [sys.executable, "-c", PASS_ON, project, how]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    carried, growth = map(int, done.stdout.split())
    assert carried >= 300
    assert growth < 30, f"{growth} MiB more"
