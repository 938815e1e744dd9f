"""The server in memory behind a real unix socket, for processes that only read."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from incusbak.errors import NotFound
from incusbak.ports import ALL_PROJECTS
from tests.fake_incus import FakeIncus


@contextmanager
def served(fake: FakeIncus, socket: Path) -> Iterator[list[str]]:
    """Answer GET requests on a socket; yield the list of their paths and queries, which grows.

    Each answer is made once and then kept, as nothing changes: what is measured is the client.
    """
    server = _Server(str(socket), _Handler)
    server.fake = fake
    server.answers = {}
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    fake: FakeIncus
    answers: dict[str, tuple[int, bytes, str]]
    requests: list[str]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        self.client_address = ("", 0)
        super().setup()

    def do_GET(self) -> None:
        answers, url = self.server.answers, self.path
        self.server.requests.append(url)
        if url not in answers:
            answers[url] = _answer(self.server.fake, url)
        status, body, etag = answers[url]
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _answer(fake: FakeIncus, url: str) -> tuple[int, bytes, str]:
    """Give the status, the body and the ETag."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    project = ALL_PROJECTS if query.get("all-projects") == "true" else query.get("project", "")
    path, etag = parts.path.removeprefix("/1.0").strip("/"), ""
    found: Any
    try:
        if not path:
            found = _greeting(fake)
        elif "recursion" in query:
            found = fake.list(path, project=project, recursion=int(query["recursion"]))
            found = found if query["recursion"] != "0" else [document["url"] for document in found]
        else:
            document = fake.get(path, project=project)
            found, etag = document.body, document.etag
    except NotFound as error:
        body = {"type": "error", "error": error.message, "error_code": 404, "metadata": None}
        return 404, json.dumps(body).encode(), ""
    return 200, json.dumps({"type": "sync", "status_code": 200, "metadata": found}).encode(), etag


def _greeting(fake: FakeIncus) -> dict[str, Any]:
    info = fake.info()
    environment = {
        "certificate_fingerprint": info.fingerprint,
        "server_name": info.name,
        "server_version": info.version,
    }
    return {"auth": "trusted", "environment": environment, "api_extensions": sorted(info.extensions)}
