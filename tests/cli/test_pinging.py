"""A monitor is told that a command began and how it ended; that it is deaf does not matter."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from attrs import Factory, define

from tests.cli.command import Shell


@define
class Monitor:
    """Listens on this machine, and keeps what it heard."""

    url: str
    heard: list[tuple[str, str]] = Factory(list)


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.heard.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    found = Monitor(f"http://127.0.0.1:{server.server_port}/job")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_success_is_told(shell: Shell, monitor: Monitor) -> None:
    result = shell("prune", "--keep", "1", "--simulate", "3", "--ping", monitor.url)
    assert result.code == 0
    assert monitor.heard == [("/job/start", ""), ("/job", "0")]


def test_a_failure_is_told_with_its_exit_code(shell: Shell, monitor: Monitor) -> None:
    result = shell("verify", "--target", f"dir:{shell.home}/none", "--ping", monitor.url)
    assert result.code == 10
    assert monitor.heard == [("/job/start", ""), ("/job/fail", "10")]


def test_a_dry_run_is_nobodys_business(shell: Shell, monitor: Monitor) -> None:
    shell("prune", "--keep", "1", "--simulate", "3", "--dry-run", "--ping", monitor.url)
    assert monitor.heard == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/job", "http://[bad/job"])
def test_a_monitor_that_is_not_reached_costs_a_warning(shell: Shell, url: str) -> None:
    result = shell("prune", "--keep", "1", "--simulate", "3", "--ping", url)
    assert result.code == 0
    assert result.err.count("the monitor was not reached") == 2


def test_other_addresses_are_refused(shell: Shell) -> None:
    complaint = shell.fails("prune", "--keep", "1", "--simulate", "3", "--ping", "file:///etc/passwd")
    assert "--ping takes a URL that begins with http:// or https://" in complaint


def test_the_address_can_be_a_setting(shell: Shell, monitor: Monitor) -> None:
    shell.file(".config/incus-backup/config.yaml", f"ping: {monitor.url}\n")
    assert shell("prune", "--keep", "1", "--simulate", "3").code == 0
    assert [path for path, _ in monitor.heard] == ["/job/start", "/job"]
