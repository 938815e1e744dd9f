"""An Incus server over its REST API."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol
from urllib.parse import quote

from ..model.documents import Document, Json
from ..model.inventory import ServerInfo
from ..model.refs import BadAddress

ALL_PROJECTS = "*"

Watch = Callable[[str], None]
"""Called at each poll of an operation with the server's own words on its progress; may raise ``Stopped``."""


def path_of(*segments: str) -> str:
    """Join the parts of a path of the API, each quoted so that no name can point elsewhere.

    Raises:
        BadAddress: a part is empty, ``.`` or ``..``.
    """
    for segment in segments:
        if segment in ("", ".", ".."):
            raise BadAddress(f"{segment!r} can't be part of a path")
    return "/".join(quote(segment, safe="") for segment in segments)


class IncusApi(Protocol):
    """An Incus server over its REST API, paths relative to ``/1.0`` and already quoted (``path_of``).

    ``project``: "" is the server's default, ``ALL_PROJECTS`` works for ``list`` only. Every method raises
    ``ServerUnavailable`` when the server can't be reached or the connection breaks, ``NotFound`` for an
    object that is not there, ``NotAuthorized`` for what this client may not do, ``ServerError`` otherwise.
    Reads are tried again for some seconds when the failure is a passing one; writes only when the server
    can't have begun them.
    """

    @property
    def remote_name(self) -> str:
        """What a plan records as the remote, to find the server again."""

    def info(self) -> ServerInfo:
        """Who the server is and what it can do."""

    def get(self, path: str, *, project: str = "") -> Document:
        """One object and its ETag."""

    def list(self, path: str, *, project: str = "", recursion: int = 1) -> tuple[Json, ...]:
        """All objects of a collection in one request, as full documents.

        A collection of a project that does not exist is empty, not an error. ``recursion=0`` gives
        documents with only ``url``.
        """

    def create(self, path: str, body: Json, *, project: str = "", watch: Watch | None = None) -> Json:
        """POST; waits for the operation and returns its metadata, or the direct answer.

        Raises:
            Conflict: the name is taken.
            OperationFailed, OperationLost, OperationStalled: see there.
        """

    def replace(
        self, path: str, body: Json, *, project: str = "", etag: str = "", watch: Watch | None = None
    ) -> None:
        """PUT; waits for the operation.

        Raises:
            ChangedMeanwhile: ``etag`` was given and no longer matches.
        """

    def delete(self, path: str, *, project: str = "") -> None:
        """DELETE; waits for the operation."""

    def download(
        self, path: str, *, project: str = "", body: Json | None = None
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Stream what the server sends, in flat memory.

        With a ``body``: POST it and stream the answer (``direct_backup``). The iterator raises
        ``ServerUnavailable`` when the stream ends before the announced length or breaks off.
        """

    def upload(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        headers: Mapping[str, str],
        project: str = "",
        watch: Watch | None = None,
    ) -> Json:
        """POST a stream in flat memory and wait for the operation.

        An exception raised by ``chunks`` ends the request unfinished and comes out as it is.
        """
