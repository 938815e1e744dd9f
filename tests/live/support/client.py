"""A small client of the Incus API over its unix socket.

The tests must not use the client under test to set up and to check its work.
"""

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO


class IncusError(Exception):
    """Incus, or its command line client, refused or failed."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("incus", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def request(
    path: Path,
    method: str,
    url: str,
    *,
    body: object = None,
    data: bytes | BinaryIO | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> http.client.HTTPResponse:
    """Send one request: `body` is sent as JSON, `data` as it is.  The answer is not read."""
    fields = dict(headers or {})
    if body is not None:
        data = json.dumps(body).encode()
        fields.setdefault("Content-Type", "application/json")
    connection = UnixConnection(path, timeout)
    connection.request(method, url, body=data, headers=fields)
    return connection.getresponse()


def call(path: Path, method: str, url: str, *, wait: bool = True, timeout: float = 120, **more: Any) -> Any:
    """Send one request and return its metadata; by default wait for the operation it starts."""
    with request(path, method, url, timeout=timeout, **more) as response:
        text = response.read()
    try:
        answer = json.loads(text)
    except ValueError:  # http.client takes a head that was cut short for a whole answer
        raise IncusError(f"{method} {url}: HTTP {response.status} with a broken answer: {text!r}") from None
    if response.status >= 400 or answer.get("type") == "error":
        raise IncusError(f"{method} {url}: HTTP {response.status}: {answer.get('error')}")
    if answer.get("type") != "async" or not wait:
        return answer.get("metadata")
    location = with_query(answer["operation"] + "/wait", f"timeout={timeout:g}")
    operation = call(path, "GET", location, timeout=timeout + 5)
    if operation["status"] != "Success":
        raise IncusError(f"{method} {url}: {operation['status']}: {operation['err']}")
    return operation


def with_query(url: str, query: str) -> str:
    """Add a query to a URL that may have one already."""
    return f"{url}{'&' if '?' in url else '?'}{query}"
