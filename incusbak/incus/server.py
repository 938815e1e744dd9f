"""One Incus server, reached through pylxd's raw nodes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import requests

from ..errors import ServerError, ServerUnavailable
from ..model.documents import Document, Json
from ..model.inventory import ServerInfo
from ..ports import ALL_PROJECTS, Watch
from .answers import may_hold_halves, message_of, one, several
from .faults import briefly, parsed, told
from .operations import failure, failure_of, operation_id, wait_for
from .retries import Limits, again, is_not_begun, is_passing_once_connected
from .streams import Source, SourceFailed, chunks_of, post_unread, refuse_message

_OCTETS = "application/octet-stream"
_ACCEPTED = 202

Trace = Callable[[str], None]
"""Told in one line of each request, for ``--log-level debug``."""


def quiet(line: str) -> None:
    """Trace nothing."""


_ASK_SECONDS = 5.0
"""For a question whose answer is not needed."""


class IncusServer:
    """``IncusApi`` over one pylxd client; threads may share it.

    Args:
        client: a pylxd client without a project.
        name: what a plan records as the remote.
        on_trace: told of every request: method, path, project, status, time, operation; never more.
    """

    def __init__(
        self, client: Any, *, name: str, limits: Limits | None = None, on_trace: Trace | None = None
    ) -> None:
        self._client = client
        self._name = name
        self._limits = limits or Limits()
        self._trace = on_trace or quiet

    @property
    def remote_name(self) -> str:
        """What a plan records as the remote."""
        return self._name

    # -- reads --------------------------------------------------------------------------------------

    def info(self) -> ServerInfo:
        """See ``IncusApi``."""
        return info_of(self.get("").body)

    def get(self, path: str, *, project: str = "") -> Document:
        """See ``IncusApi``."""
        response = self._read(path, _params(project))
        found, looks = self._held(response, f"GET /1.0/{path}")
        return Document(one(path, found, f"GET /1.0/{path}", looks=looks), response.headers.get("ETag", ""))

    def list(self, path: str, *, project: str = "", recursion: int = 1) -> tuple[Json, ...]:
        """See ``IncusApi``."""
        response = self._read(path, {**_params(project), "recursion": str(recursion)})
        found, looks = self._held(response, f"GET /1.0/{path}")
        return several(path, found, f"GET /1.0/{path}", named=recursion == 0, looks=looks)

    def _held(self, response: requests.Response, request: str) -> tuple[Any, bool]:
        """Take what an answer holds, and whether each text of it needs a look."""
        with told(request):
            return message_of(response, request).get("metadata"), may_hold_halves(response.content)

    def _read(self, path: str, params: Mapping[str, str]) -> requests.Response:
        """GET; an answer that is no JSON may be whole at the next try."""
        request = f"GET /1.0/{path}"
        with self._told(request):
            return again(
                partial(self._send, "GET", path, params),
                when=is_passing_once_connected,
                seconds=self._limits.retry_reads,
                first_pause=self._limits.first_pause,
                before_pause=partial(self._pause, request, None),
            )

    # -- writes -------------------------------------------------------------------------------------

    def create(self, path: str, body: Json, *, project: str = "", watch: Watch | None = None) -> Json:
        """See ``IncusApi``."""
        patience = self._patience(path, body)
        return self._write("POST", path, project, watch=watch, patience=patience, json=dict(body))

    def replace(
        self, path: str, body: Json, *, project: str = "", etag: str = "", watch: Watch | None = None
    ) -> None:
        """See ``IncusApi``."""
        headers, patience = {"If-Match": etag} if etag else {}, self._patience(path, body)
        self._write("PUT", path, project, watch=watch, patience=patience, json=dict(body), headers=headers)

    def delete(self, path: str, *, project: str = "") -> None:
        """See ``IncusApi``."""
        self._write("DELETE", path, project)

    def _write(
        self,
        method: str,
        path: str,
        project: str,
        *,
        watch: Watch | None = None,
        patience: float | None = None,
        **more: Any,
    ) -> Json:
        request = f"{method} /1.0/{path}"

        def attempt() -> Json:
            response = self._send(method, path, _params(project), **more)
            return self._finish(response, request, watch=watch, patience=patience or self._limits.silent)

        with self._told(request):
            return again(
                attempt,
                when=is_not_begun,
                seconds=self._limits.retry_writes,
                first_pause=self._limits.first_pause,
                before_pause=partial(self._pause, request, watch),
            )

    def _finish(
        self, response: requests.Response, request: str, *, watch: Watch | None, patience: float
    ) -> Json:
        """Wait for the operation if the answer tells of one; return its document, or the answer's."""
        answer = message_of(response, request)
        if answer.get("type") != "async":
            found = answer.get("metadata")
            return found if isinstance(found, Mapping) else {}
        path = f"operations/{operation_id(answer, request)}"
        return wait_for(
            lambda: self.get(path).body, request=request, limits=self._limits, patience=patience, watch=watch
        )

    def _patience(self, path: str, body: Json) -> float:
        """How long an operation may show no progress.

        Only portable instance backups always show some.  A change of state has none to show, but is soon
        done, or has hung.
        """
        if not path.startswith("instances/"):
            return self._limits.silent
        if path.endswith("/state"):
            return self._limits.stalled + float(body.get("timeout") or 0)
        speaks = path.endswith("/backups") and not body.get("optimized_storage")
        return self._limits.stalled if speaks else self._limits.silent

    # -- streams ------------------------------------------------------------------------------------

    @contextmanager
    def download(
        self, path: str, *, project: str = "", body: Json | None = None
    ) -> Iterator[Iterator[bytes]]:
        """See ``IncusApi``."""
        request = f"{'GET' if body is None else 'POST'} /1.0/{path}"
        with self._told(request):
            response = self._open(path, project, body)
        try:
            refuse_message(response, request)
            yield chunks_of(response, request)
        except ServerUnavailable as error:
            response.close()
            if body is not None and (words := self._words_of_failure(path, project)):
                raise failure(words, request) from error
            raise
        finally:
            response.close()

    def _words_of_failure(self, path: str, project: str) -> str:
        """Ask why a stream was broken off: only its operation tells, and for five seconds.

        Ask once, and not for long: whoever reads a stream that broke does not want to wait.
        """
        url = f"/1.0/{path.rpartition('/')[0]}"
        with suppress(ServerError), self._told("GET /1.0/operations"):
            parameters = {**_params(project), "recursion": "1"}
            response = self._send("GET", "operations", parameters, timeout=(_ASK_SECONDS, _ASK_SECONDS))
            found, looks = self._held(response, "GET /1.0/operations")
            return failure_of(url, one("operations", found, "GET /1.0/operations", looks=looks))
        return ""

    def _open(self, path: str, project: str, body: Json | None) -> requests.Response:
        if body is None:
            timeout = (self._limits.connect, self._limits.stalled)
            return self._send("GET", path, _params(project), stream=True, is_api=False, timeout=timeout)
        timeout = (self._limits.connect, self._patience(path, body))
        return self._send(
            "POST-STREAM",
            path,
            _params(project),
            json=dict(body),
            headers={"Accept": _OCTETS},
            timeout=timeout,
        )

    def upload(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        headers: Mapping[str, str],
        project: str = "",
        watch: Watch | None = None,
    ) -> Json:
        """See ``IncusApi``."""
        request = f"POST /1.0/{path}"
        stalled = self._limits.stalled  # "connect" also limits each send, and the server writes to disk
        source = Source(chunks)
        with suppress(SourceFailed), self._told(request):
            response = self._send(
                "POST",
                path,
                _params(project),
                data=iter(source),
                headers={"Content-Type": _OCTETS, **headers},
                timeout=(stalled, stalled),
            )
            return self._finish(response, request, watch=watch, patience=self._limits.silent)
        raise source.error

    @contextmanager
    def _told(self, request: str) -> Iterator[None]:
        """Tell what goes wrong in our own errors; most of a long text is for the trace only."""
        try:
            with told(request):
                yield
        except ServerError as error:
            brief = briefly(error.message)
            if brief != error.message:
                for line in error.message.splitlines():
                    self._trace(f"{request}: {line}")
                error.message = brief
            raise

    # -- one request --------------------------------------------------------------------------------

    def _send(self, method: str, path: str, params: Mapping[str, str], **more: Any) -> requests.Response:
        """Send one request; every error comes out raw."""
        node = self._client.api[path] if path else self._client.api
        call = partial(post_unread, node) if method == "POST-STREAM" else getattr(node, method.lower())
        more.setdefault("timeout", (self._limits.connect, self._limits.read))
        request = f"{method.removesuffix('-STREAM')} {f'/1.0/{path}'.rstrip('/')}"
        started, outcome = time.monotonic(), ""
        try:
            with parsed(request):
                response: requests.Response = call(params=dict(params), **more)
            outcome = f"{response.status_code}{_started(response)}"
            return response
        except Exception as error:
            answer = getattr(error, "response", None)
            outcome = type(error).__name__ if answer is None else str(answer.status_code)
            raise
        finally:
            took = f"{(time.monotonic() - started) * 1000:.0f} ms"
            self._trace(f"{request} {_shown(params)}: {outcome or 'broken off'}, {took}")

    def _pause(self, request: str, watch: Watch | None, error: BaseException) -> None:
        self._trace(f"{request}: trying again after {type(error).__name__}")
        if watch is not None:
            watch("")


def info_of(document: Json) -> ServerInfo:
    """Read ``GET /1.0``."""
    environment = document.get("environment") or {}
    return ServerInfo(
        fingerprint=str(environment.get("certificate_fingerprint", "")),
        name=str(environment.get("server_name", "")),
        version=str(environment.get("server_version", "")),
        extensions=frozenset(document.get("api_extensions") or ()),
        process=str(environment.get("server_pid") or ""),
    )


def _params(project: str) -> dict[str, str]:
    if project == ALL_PROJECTS:
        return {"all-projects": "true"}
    return {"project": project} if project else {}


def _shown(params: Mapping[str, str]) -> str:
    return f"project={'*' if 'all-projects' in params else params.get('project', '')}"


def _started(response: requests.Response) -> str:
    """The id of the operation that a request started, for the trace."""
    if response.status_code != _ACCEPTED:
        return ""
    return f", operation {operation_id({'operation': response.headers.get('Location', '')}, '')}"
