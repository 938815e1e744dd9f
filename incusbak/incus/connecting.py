"""Reach a server and make sure that it knows this client."""

import logging
from typing import Any

import pylxd
import requests
from pylxd.client import get_session_for_url

from ..errors import NotAuthorized
from .faults import CERTIFICATE_HINT, parsed, told
from .remotes import Endpoint, resolve
from .retries import Limits, again, is_passing
from .server import IncusServer, Trace, quiet


def connect(remote: str, *, on_trace: Trace | None = None, stall_seconds: float = 600) -> IncusServer:
    """Find a server by its remote's name or address and connect to it.

    Args:
        remote: see ``remotes.resolve``.
        stall_seconds: how long a stream, a portable instance backup or a change of an instance's state may
            show no progress; what never reports any gets 36 times as long. No answer is waited for longer.

    Raises:
        UsageError: there is no such remote, or it can't be used.
        NotAuthorized: the server does not trust the client's certificate.
        ServerUnavailable: it can't be reached.
    """
    limits = Limits(stalled=stall_seconds, silent=36 * stall_seconds, read=min(Limits().read, stall_seconds))
    return connect_to(resolve(remote), limits=limits, on_trace=on_trace)


def connect_to(endpoint: Endpoint, *, limits: Limits, on_trace: Trace | None = None) -> IncusServer:
    """Connect to a server whose address is known already."""
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # its debug lines hold whole URLs
    trace, where = on_trace or quiet, f"remote {endpoint.name} ({endpoint.place})"
    pair = (str(endpoint.certificate), str(endpoint.key)) if endpoint.certificate else None
    session = _session(endpoint, pair)

    def attempt() -> Any:
        timeout = (limits.connect, limits.read)
        with parsed(f"{where}: GET /1.0"):
            client = pylxd.Client(endpoint=endpoint.url, session=session, cert=pair, timeout=timeout)
            client.host_info.get("auth")
        return client

    def pause(error: BaseException) -> None:
        trace(f"{where}: trying again after {type(error).__name__}")

    with told(where):
        client = again(
            attempt,
            when=is_passing,
            seconds=limits.retry_reads,
            first_pause=limits.first_pause,
            before_pause=pause,
        )
    if client.host_info.get("auth") != "trusted":
        raise NotAuthorized(f"{where} does not trust this client's certificate", hint=CERTIFICATE_HINT)
    trace(f"{where}: connected")
    return IncusServer(client, name=endpoint.name, limits=limits, on_trace=on_trace)


def _session(endpoint: Endpoint, pair: tuple[str, str] | None) -> requests.Session:
    verify = str(endpoint.pin) if endpoint.pin else True
    session: requests.Session = get_session_for_url(endpoint.url, verify=verify, cert=pair)
    session.max_redirects = 0  # Incus sends nobody elsewhere; who would follow shows the certificate there
    session.trust_env = False  # else $REQUESTS_CA_BUNDLE replaces the pin, and proxies are asked
    session.headers["Accept-Encoding"] = "identity"
    return session
