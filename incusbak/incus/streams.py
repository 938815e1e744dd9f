"""Bodies too large for memory, both ways."""

from collections.abc import Iterable, Iterator
from typing import Any

import requests

from ..errors import BrokenOff, NotUnderstood, ServerError, ServerUnavailable
from .faults import NOT_OF_INCUS, told

CHUNK_BYTES = 256 << 10


class SourceFailed(Exception):
    """What was to be uploaded could not be read; not an ``OSError``, so requests lets it pass."""


class Source:
    """What is to be uploaded; an error of the chunks' own is kept apart from those of the network.

    ``error`` means something only after ``SourceFailed``.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.error: Exception = SourceFailed()

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except Exception as error:
            self.error = error
            raise SourceFailed from error


def post_unread(node: Any, **more: Any) -> requests.Response:
    """POST and leave the answer unread, which pylxd's own ``post`` would not."""
    response: requests.Response = node.session.post(node._api_endpoint, stream=True, **more)
    if response.status_code >= 400:
        node._assert_response(response)
    return response


def refuse_message(response: requests.Response, request: str) -> None:
    """Raise ``ServerError`` if the answer is a message instead of data.

    A server without ``direct_backup`` overlooks what the request accepts and starts an operation.
    """
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("application/json"):
        raise ServerError(
            f"{request}: HTTP {response.status_code} with a message where data was expected",
            hint="the server seems to lack the API extension direct_backup",
        )
    if kind.startswith("text/"):
        raise NotUnderstood(f"{request}: {NOT_OF_INCUS}")


def chunks_of(response: requests.Response, request: str) -> Iterator[bytes]:
    """Read an answer in chunks of up to ``CHUNK_BYTES``.

    Raises:
        BrokenOff: it ended before its end or its announced length, or came no further.
    """
    announced = response.headers.get("Content-Length")
    received = 0
    try:
        with told(request):
            while chunk := response.raw.read(CHUNK_BYTES):
                received += len(chunk)
                yield chunk
    except ServerUnavailable as error:
        raise BrokenOff(f"{error.message}, after {received} bytes") from error
    if announced is not None and received != int(announced):
        raise BrokenOff(f"{request}: the stream ended after {received} of {announced} bytes")
