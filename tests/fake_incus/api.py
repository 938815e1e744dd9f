"""``IncusApi`` over a ``World``, with hooks for whatever can go wrong."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any
from urllib.parse import quote, unquote

from attrs import define

from incusbak.errors import ChangedMeanwhile, IncusbakError, NotFound, ServerError
from incusbak.model.documents import Document, Json
from incusbak.model.inventory import ServerInfo
from incusbak.ports import Watch

from . import commands, images, instances, mounts, resources, volumes
from .copying import copied
from .world import World

CHUNK_BYTES = 4096
_POLLS = 3
"""After how many more requests an operation ends that nobody waited for."""

Hook = Callable[[str, str], None]


@define
class _Operation:
    document: dict[str, Any]
    effect: Callable[[], None]
    polls: int = _POLLS


class FakeIncus:
    """A server in memory.

    ``requests`` logs method and path of each request. ``before`` and ``after`` are called with both around
    every request and may raise: what was killed before a request, or before it saw the answer. An exception
    out of ``watch`` leaves the operation running; it ends after a few more requests.
    """

    def __init__(self, *, extensions: Iterable[str] = ("direct_backup",), version: str = "7.0.2") -> None:
        self.world = World()
        self.world.takes_guarded = "direct_backup" in extensions
        self.server = ServerInfo("f" * 64, "fake", version, frozenset(extensions))
        self.requests: list[tuple[str, str]] = []
        self.spoil: Callable[[bytes], bytes] = lambda archive: archive
        """Changes every archive on its way out: cut it, damage it."""
        self._before: Hook = _nothing
        self._after: Hook = _nothing
        self._faults: list[tuple[Callable[[str, str], bool], Exception]] = []
        self._running: dict[str, _Operation] = {}
        self._lock = RLock()

    # -- faults -------------------------------------------------------------------------------------

    def before(self, hook: Hook) -> None:
        self._before = hook

    def after(self, hook: Hook) -> None:
        self._after = hook

    def fail_on(self, matches: Callable[[str, str], bool], error: Exception) -> None:
        """Answer every request for which ``matches(method, path)`` with this error."""
        self._faults.append((matches, error))

    def work_on(self, *urls: str, polls: int) -> None:
        """Have an operation of somebody else's go on for so many requests."""
        key, resources_ = self.world.unique(), {"instances": list(urls)}
        document = {"id": key, "status": "Running", "status_code": 103, "resources": resources_}
        self._running[key] = _Operation(document, lambda: None, polls)

    def forgive(self) -> None:
        """Forget all hooks and faults."""
        self._faults.clear()
        self._before = self._after = _nothing

    @contextmanager
    def _request(self, method: str, path: str) -> Iterator[Sequence[str]]:
        with self._lock:
            self._before(method, path)
            self.requests.append((method, path))
            self._advance_operations()
            for matches, error in self._faults:
                if matches(method, path):
                    raise error
            try:
                yield [unquote(part) for part in path.split("/")] if path else []
            except ServerError as error:
                raise type(error)(f"{method} /1.0/{path}: {error.message}") from error
            self._after(method, path)

    # -- operations ---------------------------------------------------------------------------------

    def _run(
        self,
        effect: Callable[[], None],
        urls: Mapping[str, Sequence[str]],
        watch: Watch | None,
        description: str = "",
    ) -> Json:
        """Do something in the background, watched."""
        key = self.world.unique()
        resources_ = {kind: list(found) for kind, found in urls.items()}
        document = {
            "id": key,
            "description": description,
            "status": "Running",
            "status_code": 103,
            "resources": resources_,
            "metadata": {},
        }
        self._running[key] = _Operation(document, effect)
        if watch is not None:
            watch("")
        del self._running[key]
        effect()
        return {**document, "status": "Success", "status_code": 200, "err": ""}

    def _advance_operations(self) -> None:
        for key, operation in list(self._running.items()):
            operation.polls -= 1
            if operation.polls < 0:
                del self._running[key]
                try:
                    operation.effect()
                except IncusbakError:
                    continue  # it failed, and nobody asks

    # -- IncusApi -----------------------------------------------------------------------------------

    @property
    def remote_name(self) -> str:
        """See ``IncusApi``."""
        return "fake"

    def info(self) -> ServerInfo:
        with self._request("GET", ""):
            return self.server

    def get(self, path: str, *, project: str = "") -> Document:
        with self._request("GET", path) as parts:
            if parts and parts[0] == "operations":
                return Document(self._operation(parts[1:]))
            found = resources.find(self.world, project or "default", parts)
            etag = resources.etag_of(self.world, project or "default", parts, found)
            return Document(copied(found), etag)

    def _operation(self, parts: Sequence[str]) -> Json:
        if not parts:
            urls = [f"/1.0/operations/{key}" for key in self._running]
            return {"running": urls} if urls else {}
        if parts[0] not in self._running:
            raise NotFound("Operation not found")
        return copied(self._running[parts[0]].document)

    def list(self, path: str, *, project: str = "", recursion: int = 1) -> tuple[Json, ...]:
        with self._request("GET", path) as parts:
            found = copied(list(resources.members(self.world, project or "default", parts)))
            if recursion:
                return tuple(found)
            return tuple({"url": _url(path, document)} for document in found)

    def create(self, path: str, body: Json, *, project: str = "", watch: Watch | None = None) -> Json:
        with self._request("POST", path) as parts:
            wanted, where = copied(dict(body)), project or "default"
            if volumes.is_background(parts, wanted):
                effect = volumes.post(self.world, where, parts, wanted, self.server.extensions)
                return self._run(effect, volumes.urls_of(parts, wanted), watch)
            if parts[0] != "instances":
                resources.create(self.world, where, parts, wanted)
                return {}
            if parts[2:] == ["exec"]:
                return self._execute(where, parts[1], wanted, watch)
            name = parts[1] if len(parts) > 1 else str(wanted["name"])
            effect = self._effect(where, parts, wanted)
            return self._run(effect, _urls(where, name), watch)

    def _execute(self, project: str, name: str, body: Json, watch: Watch | None) -> Json:
        result: dict[str, Any] = {}

        def effect() -> None:
            result.update(commands.run(self.world, self.world.instance(name, project), body))

        answer = self._run(effect, _urls(project, name), watch, "Executing command")
        return {**answer, "metadata": result}

    def _effect(self, project: str, parts: Sequence[str], body: Json) -> Callable[[], None]:
        """Find out what a POST means; what can be refused at once is."""
        world = self.world
        match parts:
            case ["instances"]:
                return lambda: instances.create(world, project, body)
            case ["instances", name]:
                instance = world.instance(name, project)
                if body.get("project"):
                    return lambda: instances.move(world, project, instance, body)
                return lambda: instances.rename(world, project, instance, body["name"])
            case ["instances", name, "snapshots"]:
                instance = world.instance(name, project)
                return lambda: instances.snapshot(world, instance, body)
            case ["instances", name, "snapshots", snapshot]:
                there = world.instance(name, project).snapshots
                return lambda: mounts.rename(there, snapshot, body["name"])
            case ["instances", name, "backups"]:
                instance = world.instance(name, project)
                return lambda: instances.back_up(world, instance, body)
        raise NotFound("not found")

    def replace(
        self, path: str, body: Json, *, project: str = "", etag: str = "", watch: Watch | None = None
    ) -> None:
        with self._request("PUT", path) as parts:
            wanted, where = copied(dict(body)), project or "default"
            resources.find(self.world, where, parts)
            if resources.is_stale(self.world, where, parts, etag):
                raise ChangedMeanwhile(f"ETag doesn't match: {etag}")
            if parts[0] in ("images", "storage-pools"):  # at once, without an operation
                resources.replace(self.world, where, parts, wanted)
                return
            urls = _urls(where, parts[1]) if parts[0] == "instances" else {}
            self._run(lambda: resources.replace(self.world, where, parts, wanted), urls, watch)

    def delete(self, path: str, *, project: str = "") -> None:
        with self._request("DELETE", path) as parts:
            if parts[2:4] == ["logs", "exec-output"]:
                del self.world.instance(parts[1], project or "default").said[parts[-1]]
                return
            resources.delete(self.world, project or "default", parts)

    @contextmanager
    def download(
        self, path: str, *, project: str = "", body: Json | None = None
    ) -> Iterator[Iterator[bytes]]:
        with self._request("GET" if body is None else "POST", path) as parts:
            if parts[0] == "images":
                data = images.export(images.find(self.world, project or "default", parts[1]))
            elif parts[0] == "storage-pools":
                data = volumes.exported(self.world, project or "default", parts, body, self.server.extensions)
            else:
                data = self._exported(parts, project or "default", body)
        spoilt = self.spoil(data)
        yield (spoilt[start : start + CHUNK_BYTES] for start in range(0, len(spoilt), CHUNK_BYTES))

    def _exported(self, parts: Sequence[str], project: str, body: Json | None) -> bytes:
        instance = self.world.instance(parts[1], project)
        if parts[2:4] == ["logs", "exec-output"]:
            return commands.said(instance, parts)
        if body is None:
            return resources.staged(instance, parts)
        if "direct_backup" not in self.server.extensions:
            instances.back_up(self.world, instance, body)
            raise ServerError("HTTP 202 with a message where data was expected")
        if "name" in body:
            raise ServerError("No backup name can be set when requesting a direct backup")
        return instances.export(self.world, instance, body)

    def upload(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        headers: Mapping[str, str],
        project: str = "",
        watch: Watch | None = None,
    ) -> Json:
        with self._request("POST", path) as parts:
            data = b"".join(chunks)
            if parts == ["images"]:
                return self._take_in(project or "default", data, headers, watch)
            name, pool = headers.get("X-Incus-name", ""), headers.get("X-Incus-pool", "")
            where = project or "default"
            if parts[0] == "storage-pools":
                take_in = volumes.import_archive(self.world, where, parts[1], data, headers)
                return self._run(take_in, volumes.urls_of(parts, {"name": name}), watch)

            def effect() -> None:
                instances.import_archive(self.world, where, data, name, pool)

            return self._run(effect, _urls(where, name), watch)

    def _take_in(self, project: str, data: bytes, headers: Mapping[str, str], watch: Watch | None) -> Json:
        def effect() -> None:
            images.take_in(self.world, project, data, headers)

        answer = self._run(effect, {}, watch, images.DESCRIPTION)
        fingerprint = images.fingerprint_of(images.files_of(data, headers))
        return {**answer, "metadata": {"fingerprint": fingerprint, "size": str(len(data))}}


def _nothing(method: str, path: str) -> None:
    """Let a request pass."""


def _urls(project: str, name: str) -> dict[str, list[str]]:
    suffix = "" if project == "default" else f"?project={quote(project)}"
    return {"instances": [f"/1.0/instances/{quote(name)}{suffix}"]}


def _url(path: str, document: Json) -> str:
    project = document.get("project", "default")
    suffix = "" if project == "default" else f"?project={quote(project)}"
    return f"/1.0/{path}/{quote(document['name'])}{suffix}"
