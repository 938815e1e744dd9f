"""Which requests pass by in a stream of HTTP/1.1 bytes."""


class RequestLog:
    """Reads what one client sends and notes (method, path) of each request in `seen`.

    Knows just enough HTTP to find the next request on a connection that is
    kept open.  Whatever it does not understand (TLS, a websocket) ends its
    reading; it never raises, because the bytes have to pass in any case.
    """

    MAX_HEAD = 65536

    def __init__(self, seen: list[tuple[str, str]]) -> None:
        self._seen = seen
        self._buffer = b""
        self._body = 0  # bytes of body, or of one chunk, still to come
        self._chunked = False
        self._lost = False

    def feed(self, data: bytes) -> None:
        """Take note of the next bytes."""
        if self._lost:
            return
        self._buffer += data
        try:
            while self._step():
                pass
        except (ValueError, IndexError):
            self._lost = True
        if self._lost:
            self._buffer = b""

    def _step(self) -> bool:
        """Take one piece off the buffer; false if it holds no complete piece."""
        if self._body:
            taken = min(self._body, len(self._buffer))
            self._buffer = self._buffer[taken:]
            self._body -= taken
            return taken > 0
        return self._chunk() if self._chunked else self._head()

    def _head(self) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            self._lost = len(self._buffer) > self.MAX_HEAD or self._buffer[:1] == b"\x16"
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, protocol = first.split(" ")
        if not protocol.startswith("HTTP/1."):
            raise ValueError(protocol)
        self._seen.append((method, path))
        self._buffer = rest
        self._expect_body(dict(_field(line) for line in lines))
        return not self._lost

    def _expect_body(self, fields: dict[str, str]) -> None:
        self._lost = "upgrade" in fields
        self._chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        if not self._chunked:
            self._body = int(fields.get("content-length", "0"))

    def _chunk(self) -> bool:
        """A line with the length of the chunk; after the last one come trailers and an empty line."""
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        size = int(line.split(b";")[0], 16)
        if size:
            self._body = size + 2
        else:
            end = rest.find(b"\r\n")
            if end < 0:
                return False
            if end > 0:
                raise ValueError("trailers")
            rest = rest[2:]
            self._chunked = False
        self._buffer = rest
        return True


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()
