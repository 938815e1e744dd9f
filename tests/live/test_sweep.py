"""Whatever becomes of any one request of a command, the next run of it has everything in order."""

from http.client import HTTPException
from pathlib import Path

import pytest

from tests.live.support import client
from tests.live.support.client import IncusError
from tests.live.support.daemon import Daemon
from tests.live.support.requestproxy import Fault, Request, RequestProxy
from tests.live.sweep import COMMANDS, requests_of, site_on, spoil, stage
from tests.live.thinning import THOROUGH
from tests.live.tool import Tool

PARTS = range(8 if THOROUGH else 1)  # so that workers can share a command
SAMPLE = 4
FAULTS = list(Fault)


def pairs_of(command: str, requests: list[Request]) -> list[tuple[Request, Fault]]:
    """Each request with each fault; of a quick run as many as ``SAMPLE``, half of them of writes."""
    if THOROUGH:
        return [(request, fault) for request in requests for fault in FAULTS]
    reads = [request for request in requests if request.method == "GET"]
    writes = [request for request in requests if request.method != "GET"]
    half, turn = SAMPLE // 2, 2 * COMMANDS.index(command)
    chosen = [group[n * len(group) // half] for n in range(half) for group in (reads, writes)]
    return [(request, FAULTS[(turn + n) % len(FAULTS)]) for n, request in enumerate(chosen)]


@pytest.mark.once
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_spoilt_request_costs_one_more_run(
    incus_server: Daemon, workdir: Path, command: str, part: int
) -> None:
    failed: list[str] = []
    pairs: list[tuple[Request, Fault]] | None = None
    while pairs is None or pairs:
        folder = workdir / str(len(failed))
        folder.mkdir()
        tool = Tool(incus_server.socket, folder)
        listen = incus_server.pod.state / "requests.sock"
        with site_on(incus_server) as project, RequestProxy(incus_server.socket, listen) as proxy:
            swept = stage(command, project, tool)
            if pairs is None:
                pairs = pairs_of(command, requests_of(swept, tool, proxy))[part :: len(PARTS)]
            while pairs:
                request, fault = pairs.pop(0)
                try:
                    spoil(swept, tool, proxy, request, fault)
                except Exception as error:
                    failed.append(f"{request}: {fault}: {type(error).__name__}: {error}")
                    break  # and begin anew, with another site
    assert failed == [], "\n\n".join(failed)


def test_requests_are_spoilt_one_by_one(incus_server: Daemon) -> None:
    def get() -> object:
        return client.call(proxy.path, "GET", "/1.0/profiles", timeout=0.5)

    with RequestProxy(incus_server.socket, incus_server.pod.state / "requests.sock") as proxy:
        whole = get()
        (request,) = proxy.seen
        for fault in Fault:
            proxy.spoil(request, fault)
            with pytest.raises((OSError, HTTPException, IncusError)):
                get()
            assert (get(), proxy.spoilt) == (whole, 1)
