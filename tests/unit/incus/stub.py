"""A tiny HTTP server on a unix socket that answers as a test says, well or badly."""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any, Self
from urllib.parse import quote, urlsplit

from incusbak.incus import IncusServer
from incusbak.incus.connecting import connect_to
from incusbak.incus.remotes import Endpoint
from incusbak.incus.retries import Limits

TRUSTED = {"auth": "trusted", "environment": {"server_name": "stub"}, "api_extensions": None}
QUICK = Limits(
    connect=2,
    read=2,
    retry_reads=1,
    retry_writes=1,
    first_pause=0.01,
    first_poll=0.01,
    longest_poll=0.02,
    stalled=0.3,
    silent=0.6,
)

Reaction = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One connection, one request."""

    server: "_Server"

    def setup(self) -> None:
        self.client_address = ("", 0)
        super().setup()

    def do_GET(self) -> None:
        self.server.stub.react(self)

    def do_POST(self) -> None:
        self.server.stub.react(self)

    def do_PUT(self) -> None:
        self.server.stub.react(self)

    def do_DELETE(self) -> None:
        self.server.stub.react(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def read_chunked(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def say(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    stub: "Stub"


class Stub:
    """Reactions are used up in turn; the last one stays. ``seen``: method and path of each request."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.seen: list[tuple[str, str]] = []
        self.released = threading.Event()
        self._reactions: dict[tuple[str, str], list[Reaction]] = {}
        self.on("GET", "", answer(TRUSTED))
        self._server: _Server | None = None

    def on(self, method: str, path: str, *reactions: Reaction) -> None:
        self._reactions[method, f"/1.0/{path}".rstrip("/")] = list(reactions)

    def react(self, handler: Handler) -> None:
        key = (handler.command, urlsplit(handler.path).path.rstrip("/"))
        self.seen.append(key)
        reactions = self._reactions.get(key, [refusal(404, "not found")])
        reaction = reactions.pop(0) if len(reactions) > 1 else reactions[0]
        reaction(handler)

    def count(self, method: str, path: str) -> int:
        return self.seen.count((method, f"/1.0/{path}"))

    def start(self) -> Self:
        self.socket.unlink(missing_ok=True)
        self._server = _Server(str(self.socket), Handler)
        self._server.stub = self
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening; the socket's file stays, as after a crash."""
        self.released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def restart_after(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, self.start)
        timer.start()
        return timer

    def connect(self, limits: Limits = QUICK, **more: Any) -> IncusServer:
        endpoint = Endpoint("stub", f"http+unix://{quote(str(self.socket), safe='')}")
        return connect_to(endpoint, limits=limits, **more)


# -- reactions --------------------------------------------------------------------------------------


def answer(metadata: object, *, status: int = 200, kind: str = "sync", **more: object) -> Reaction:
    body = json.dumps({"type": kind, "metadata": metadata, **more}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "ETag": '"e1"'}
    return lambda handler: handler.say(status, body, headers)


def started(operation: str = "op1") -> Reaction:
    """An operation began."""
    url = f"/1.0/operations/{operation}?project=p"
    return answer({"id": operation}, status=202, kind="async", operation=url)


def operation(code: int = 103, *, progress: str = "", err: str = "") -> Reaction:
    """How an operation is getting on."""
    details = {"create_backup_progress": progress} if progress else None
    return answer({"id": "op1", "status_code": code, "metadata": details, "err": err, "resources": {}})


def refusal(code: int, words: str, *, status: int = 0) -> Reaction:
    body = json.dumps({"type": "error", "error": words, "error_code": code, "metadata": None}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return lambda handler: handler.say(status or code, body, headers)


def hang_up(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def stall(handler: Handler) -> None:
    """Take the request and never answer."""
    handler.server.stub.released.wait(10)


def stream(body: bytes, *, announced: int | None = None, then: Reaction = hang_up) -> Reaction:
    """Send data, maybe less than was announced."""

    def react(handler: Handler) -> None:
        length = {} if announced is None else {"Content-Length": str(announced)}
        handler.say(200, body, {"Content-Type": "application/octet-stream", **length})
        handler.wfile.flush()
        then(handler)

    return react


def chunked(*chunks: bytes, ends: bool = True) -> Reaction:
    """Send data of unknown length, maybe without its end."""

    def react(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
        headers = {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        handler.say(200, body + (b"0\r\n\r\n" if ends else b""), headers)
        handler.close_connection = True

    return react
