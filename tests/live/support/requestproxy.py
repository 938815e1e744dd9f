"""A proxy that understands requests, and spoils one of them.

    with RequestProxy(server.socket, listen=folder / "requests.sock") as proxy:
        ...                                         # everything passes
        proxy.seen                                  # which requests there were, in order
        proxy.spoil(proxy.seen[3], Fault.HTML)      # from now on the first that is the same request

Ids that are new in each run and the names of test projects count as the same, and so do all polls of
one operation: `Request`.
"""

import contextlib
import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Self

from attrs import frozen

_CHUNK = 1 << 16
_OF_A_RUN = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=incusbak-)(tmp-)?[0-9a-f]{12}|\bt[0-9a-f]{10}\b"
)
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Fault(StrEnum):
    """What happens to a request."""

    ERROR = "500"
    UNAVAILABLE = "503"
    TOO_MANY = "429"
    GATEWAY = "502, a page of HTML"
    HTML = "200, a page of HTML"
    RESET_BEFORE = "reset before it is passed on"
    RESET_AFTER = "reset after it was done"
    CUT = "answer cut in the middle"
    STALL = "no answer for ever"


@frozen
class Request:
    """The so-manieth of one kind: method and path, and after which write it came if it is a poll."""

    method: str
    path: str
    after: str = ""
    number: int = 1

    def __str__(self) -> str:
        return " ".join(filter(None, (self.method, self.path, self.after, f"#{self.number}")))


@frozen
class Head:
    """The first line and the fields of a request or of an answer, and how long what follows is."""

    raw: bytes

    @property
    def first(self) -> list[str]:
        return self.raw.split(b"\r\n", 1)[0].decode("latin-1").split(" ")

    def field(self, name: str) -> str:
        found = re.search(rb"(?im)^%s: *([^\r\n]*)" % name.encode(), self.raw)
        return found[1].decode("latin-1") if found else ""

    def with_length(self, length: int) -> bytes:
        return re.sub(rb"(?im)^(content-length: *)\d+", rb"\g<1>%d" % length, self.raw)


class RequestProxy:
    """Passes HTTP requests on from one unix socket to another, each connection in a thread."""

    def __init__(self, upstream: Path, listen: Path) -> None:
        self.path = listen
        self.seen: list[Request] = []
        self.spoilt = 0
        self._upstream = upstream
        self._target: tuple[Request, Fault] | None = None
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._last_write = ""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)

    def spoil(self, request: Request, fault: Fault) -> None:
        """Do this to the first such request from now on, which begins a new count."""
        self.reset()
        self._target = (request, fault)

    def reset(self) -> None:
        """Let everything pass, and begin to count anew."""
        with self._lock:
            self._target, self._last_write, self.spoilt = None, "", 0
            self.seen, self._counts = [], Counter()

    def __enter__(self) -> Self:
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.path.unlink(missing_ok=True)

    # --- in the threads of the connections -----------------------------------
    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        self._open |= {client, server}
        with client, server, contextlib.suppress(OSError, ValueError):
            server.connect(str(self._upstream))
            reading, answering = client.makefile("rb"), server.makefile("rb")
            while True:
                head = _head(reading)
                fault = self._fault_for(head)
                if not _exchange(head, reading, client, answering, server, fault):
                    break
        self._open -= {client, server}

    def _fault_for(self, head: Head) -> Fault | None:
        """Note a request; what is to be done to it."""
        method, path, *_ = head.first
        kind = _OF_A_RUN.sub("*", path)
        with self._lock:
            is_poll = method == "GET" and kind.startswith("/1.0/operations/")
            after = f"after {self._last_write}" if is_poll else ""
            self._counts[method, kind, after] += 1
            number = 1 if is_poll else self._counts[method, kind, after]
            request = Request(method, kind, after, number)
            if method in _WRITES:
                self._last_write = str(request)
            if request not in self.seen:
                self.seen.append(request)
            if self._target is None or self.spoilt or self._target[0] != request:
                return None
            self.spoilt += 1
            return self._target[1]


def _exchange(
    head: Head,
    reading: BinaryIO,
    client: socket.socket,
    answering: BinaryIO,
    server: socket.socket,
    fault: Fault | None,
) -> bool:
    """Pass one request on and its answer back, or spoil it; false if the connection is to end."""
    match fault:
        case Fault.RESET_BEFORE:
            return False
        case Fault.STALL:
            while client.recv(_CHUNK):
                pass
            return False
        case Fault.ERROR | Fault.UNAVAILABLE | Fault.TOO_MANY | Fault.GATEWAY | Fault.HTML:
            for _ in _body(head, reading):
                pass
            client.sendall(_answer(fault))
            return True
    server.sendall(head.raw)
    with contextlib.suppress(BrokenPipeError):  # it has said already what it does not like
        for data in _body(head, reading):
            server.sendall(data)
    answer = _head(answering)
    body = _body(answer, answering, is_answer=True)
    if fault is Fault.RESET_AFTER:
        for _ in body:
            pass
        return False
    if fault is Fault.CUT:
        client.sendall(_half(answer, b"".join(body)))
        return False
    client.sendall(answer.raw)
    for data in body:
        client.sendall(data)
    return True


def _half(answer: Head, body: bytes) -> bytes:
    """The first half of an answer: a message that seems whole, or a stream that breaks off."""
    half = body[: len(body) // 2]
    return answer.with_length(len(half)) + half


def _answer(fault: Fault) -> bytes:
    code = fault[:3]
    if "HTML" in fault:
        kind, body = "text/html", b"<html><head><title>Sorry</title></head><body>Sorry.</body></html>"
    else:
        error = {"type": "error", "error": "spoilt for a test", "error_code": int(code)}
        kind, body = "application/json", json.dumps(error).encode()
    return (
        f"HTTP/1.1 {code} Spoilt\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def _head(stream: BinaryIO) -> Head:
    """Read up to the empty line."""
    raw = b""
    while line := stream.readline():
        raw += line
        if line == b"\r\n":
            return Head(raw)
    raise ConnectionError


def _body(head: Head, stream: BinaryIO, *, is_answer: bool = False) -> Iterator[bytes]:
    """Read what follows a head, in its framing."""
    if "chunked" in head.field("transfer-encoding").lower():
        yield from _chunks(stream)
    elif is_answer and not head.field("content-length") and head.first[1] not in ("204", "304"):
        while data := stream.read1(_CHUNK):  # type: ignore[attr-defined]
            yield data
    else:
        missing = int(head.field("content-length") or 0)
        while missing and (data := stream.read(min(missing, _CHUNK))):
            missing -= len(data)
            yield data


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline():
        size = int(line.split(b";")[0], 16)
        yield line + stream.read(size + 2)
        if not size:
            return
