"""A proxy that breaks connections on command.

    with FaultProxy(server.socket, listen=folder / "proxy.sock") as proxy:
        proxy.rule("rst", down=5_000_000)    # after 5 MB from the server: reset
        proxy.rule("fin", up=1000)           # half-way into an upload: a clean end
        proxy.rule("stall", down=0)          # never answer
        proxy.rule("corrupt", down=100)      # flip one bit of the answer
        proxy.rule("refuse")                 # close new connections at once
        proxy.rule("rst", down=0, times=2)   # only the first two connections
        proxy.rule(rate=1_000_000)           # slow, bytes per second each way
        proxy.clear()
        proxy.on_passing = lambda it: it.method == "PUT" and it.direction == "up"   # strike at a request
        assert not proxy.writes()            # no request that changes anything

Rules hold for open connections too.  A client that keeps connections open
has its bytes counted over all requests of a connection.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from tests.live.support.httplog import RequestLog

Address = Path | tuple[str, int]
Action = Literal["rst", "fin", "stall", "corrupt", "refuse"]
Direction = Literal["up", "down"]

READING = {"GET", "HEAD", "OPTIONS"}


@dataclass
class Rule:
    """What goes wrong, and after how many bytes of one connection in which direction."""

    action: Action | None = None
    up: int | None = None
    down: int | None = None
    rate: float | None = None
    delay: float = 0
    times: int | None = None

    def limit(self, direction: Direction) -> int | None:
        return self.up if direction == "up" else self.down


@dataclass(frozen=True)
class Passing:
    """Bytes about to pass: those after the first `count` of a request (up) or of its answer (down).

    `number` counts the requests of the proxy from 1.
    """

    number: int
    method: str
    path: str
    direction: Direction
    count: int


Strike = Callable[[Passing], bool]
"""Look at what passes, from the proxy's thread; true to hold it back and break the connection."""


class FaultProxy:
    """Passes TCP or unix connections on to `upstream`, until a rule says otherwise.

    `listen`: path of a socket to create; None for a free TCP port (`port`).
    """

    def __init__(self, upstream: Address, listen: Path | None = None) -> None:
        self.upstream = upstream
        self.port = 0
        self.accepted = 0
        self.fired = 0
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}
        self.requests: list[tuple[str, str]] = []
        self._listen = listen
        self.current = Rule()
        self.on_passing: Strike = lambda _: False
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    # --- what tests use ------------------------------------------------------
    @property
    def path(self) -> Path:
        """The unix socket of the proxy."""
        if self._listen is None:
            raise ValueError("this proxy listens on a TCP port")
        return self._listen

    def rule(
        self,
        action: Action | None = None,
        *,
        up: int | None = None,
        down: int | None = None,
        rate: float | None = None,
        delay: float = 0,
        times: int | None = None,
    ) -> None:
        """Replace the rule."""
        self.current = Rule(action, up, down, rate, delay, times)

    def clear(self) -> None:
        """Pass everything from now on."""
        self.current = Rule()

    def writes(self) -> list[tuple[str, str]]:
        """The requests so far that may have changed something."""
        return [request for request in self.requests if request[0] not in READING]

    def drop_all(self) -> None:
        """Reset all open connections."""
        asyncio.run_coroutine_threadsafe(self._drop_all(), self._loop).result(5)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(5)
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        if self._listen is not None:
            self._listen.unlink(missing_ok=True)

    # --- in the thread of the proxy ------------------------------------------
    async def _serve(self) -> None:
        if self._listen is not None:
            self._server = await asyncio.start_unix_server(self._accept, self._listen)
        else:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _drop_all(self) -> None:
        for writer in list(self._open):
            _reset(writer)

    async def _finish(self) -> None:
        self._server.close()
        await self._drop_all()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.current.action == "refuse" and self.fire():
            _reset(writer)
            return
        try:
            server_reader, server_writer = await self._connect()
        except OSError:
            _reset(writer)
            return
        exchange = _Exchange(self)
        up = _Pipe(exchange, "up", reader, server_writer, writer)
        down = _Pipe(exchange, "down", server_reader, writer, server_writer)
        both = {writer, server_writer}
        self._open |= both
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(up.run(), down.run())
        self._open -= both
        for each in both:
            each.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.upstream, Path):
            return await asyncio.open_unix_connection(self.upstream)
        return await asyncio.open_connection(*self.upstream)

    def fire(self) -> bool:
        """Whether the rule may act once more."""
        rule = self.current
        if rule.times is not None:
            if rule.times <= 0:
                return False
            rule.times -= 1
        self.fired += 1
        return True


class _Exchange:
    """The present request of a connection, and how much of it and of its answer has passed."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self._log = RequestLog(proxy.requests)
        self._number = 0
        self._counts: dict[Direction, int] = {"up": 0, "down": 0}

    def strikes(self, direction: Direction, data: bytes) -> bool:
        """Note what comes next; whether it is not to pass."""
        if direction == "up":
            before = len(self.proxy.requests)
            self._log.feed(data)
            if len(self.proxy.requests) > before:
                self._number = len(self.proxy.requests)
                self._counts = {"up": 0, "down": 0}
        if not self._number:
            return False
        method, path = self.proxy.requests[self._number - 1]
        passing = Passing(self._number, method, path, direction, self._counts[direction])
        self._counts[direction] += len(data)
        return self.proxy.on_passing(passing)


class _Pipe:
    """One direction of one connection; `back` leads to where its bytes come from."""

    def __init__(
        self,
        exchange: _Exchange,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
    ) -> None:
        self.exchange = exchange
        self.proxy = exchange.proxy
        self.direction: Direction = direction
        self.reader = reader
        self.writer = writer
        self.back = back
        self.count = 0

    async def run(self) -> None:
        """Pass bytes on until one side ends, or a rule ends it."""
        corrupted = False
        while data := await self.reader.read(65536):
            rule = self.proxy.current
            await asyncio.sleep(rule.delay + (len(data) / rule.rate if rule.rate else 0))
            limit = rule.limit(self.direction)
            if limit is not None and self.count + len(data) > limit and not corrupted and self.proxy.fire():
                cut = max(0, limit - self.count)
                if rule.action != "corrupt":
                    return await self._break(rule.action, data[:cut])
                data = data[:cut] + bytes([data[cut] ^ 1]) + data[cut + 1 :]
                corrupted = True
            if not await self._send(data):
                return await self._break("rst", b"")
        with contextlib.suppress(OSError, RuntimeError):
            self.writer.write_eof()
        return None

    async def _send(self, data: bytes) -> bool:
        """Pass bytes on; false if they were held back."""
        if data and self.exchange.strikes(self.direction, data):
            return False
        self.count += len(data)
        self.proxy.passed[self.direction] += len(data)
        self.writer.write(data)
        await self.writer.drain()
        return True

    async def _break(self, action: Action | None, last: bytes) -> None:
        """Send the last bytes and give the other end time to read them; then break."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._send(last), 5)
        if action == "stall":
            await asyncio.Event().wait()
        await asyncio.sleep(0.05)
        for each in (self.writer, self.back):
            _end(each, action)


def _end(writer: asyncio.StreamWriter, action: Action | None) -> None:
    if action == "rst":
        _reset(writer)
    else:
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection without a goodbye (a unix socket knows no reset, only an end)."""
    peer = writer.get_extra_info("socket")
    if peer is not None and peer.family != socket.AF_UNIX:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
