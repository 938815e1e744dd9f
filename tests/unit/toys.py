"""A kind of resource made of a dictionary, to see what the engine does with any kind."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

from attrs import Factory, define, evolve, field

from incusbak.engine.execution.context import ExecutionContext
from incusbak.errors import CommandFailed, IncusbakError
from incusbak.kinds.common.no_commands import Closed
from incusbak.kinds.common.values import size_of
from incusbak.model.admissions import Admission, Capacity
from incusbak.model.backups import Captured, Consistency, ExportOptions, ExportWishes, Manifest, Method
from incusbak.model.documents import Json
from incusbak.model.facts import Foreseen
from incusbak.model.goals import RestoreOptions
from incusbak.model.inventory import Resource, ServerInfo
from incusbak.model.plans import Hazard
from incusbak.model.policies import Destination, Maps
from incusbak.model.records import Record
from incusbak.model.refs import ResourceRef
from incusbak.model.results import Phased, RehearsalTimes, StepResult, Transferred
from incusbak.ports import (
    BackupFiles,
    BackupWriter,
    DocumentOf,
    DriverOf,
    IncusApi,
    Journal,
    KindContext,
    ProfileOf,
)
from tests.fake_incus import FakeIncus
from tests.fakes import MemoryJournal, MemoryRepository

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def resource(
    ref: ResourceRef, *, etag: str = "e1", snapshots: tuple[str, ...] = (), **config: str
) -> Resource:
    document = {"name": ref.name, "status": "Running", "config": {"uuid": f"u-{ref.name}", **config}}
    return Resource(ref, document, etag, tuple({"name": name} for name in snapshots))


@define(eq=False)
class ToyKind(Closed):
    """``there`` is the world; ``failing`` says which resource can't be worked on, and how."""

    there: dict[ResourceRef, Resource] = Factory(dict)
    failing: dict[ResourceRef, Exception] = Factory(dict)
    meanwhile: Callable[[ResourceRef], object] = lambda _: None
    """Called in the middle of each piece of work."""
    name: str = "instance"
    rank: int = 40
    is_immutable: bool = False
    done: list[str] = Factory(list)
    most_at_once: int = 0
    _at_once: int = field(default=0, init=False)
    _counting: threading.Lock = field(factory=threading.Lock, init=False)

    def identity(self, document: Json) -> str:
        return str(document["config"].get("uuid", ""))

    def generation(self, document: Json) -> str:
        return str(document["config"].get("generation", ""))

    def effective_config(self, document: Json) -> Mapping[str, str]:
        return dict(document["config"])

    def wanted(self, manifest: Manifest, options: RestoreOptions) -> Json:
        return self.comparable(manifest.captured.resource)

    def comparable(self, document: Json) -> Json:
        hidden = ("uuid", "generation", "temporary", "expires")
        return {"config": {k: v for k, v in document.get("config", {}).items() if k not in hidden}}

    def requires(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions
    ) -> frozenset[ResourceRef]:
        pool = options.maps.pools.get(manifest.captured.pool, manifest.captured.pool)
        profile = ResourceRef("profile", project=to.project, name="default")
        network = ResourceRef("network", project=to.project, name="br0")
        project = ResourceRef("project", name=to.project)
        return frozenset({ResourceRef("pool", name=options.pool or pool), profile, network, project})

    def relocated(self, ref: ResourceRef, maps: Maps, to: Destination) -> ResourceRef:
        return evolve(ref, name=to.name or ref.name, project=to.project or ref.project)

    def misnamed(self, ref: ResourceRef, server: ServerInfo) -> str:
        return ""

    def replace_hazards(self, current: Resource) -> frozenset[Hazard]:
        return frozenset({Hazard.REPLACES_RESOURCE, Hazard.STOPS_INSTANCE})

    def labels(self, resource: Resource) -> frozenset[str]:
        return frozenset({resource.ref.name})

    def companions(self, document: Json) -> frozenset[ResourceRef]:
        return frozenset()

    def holds(self, document: Json) -> frozenset[ResourceRef]:
        return frozenset()

    def addresses(self, document: Json, maps: Maps) -> frozenset[str]:
        address = document["config"].get("address")
        return frozenset({address} if address else ())

    def obstacle(
        self, resource: Resource, options: ExportWishes, server: ServerInfo, *, driver_of: DriverOf
    ) -> str:
        return str(resource.document["config"].get("obstacle", ""))

    def admission(
        self,
        manifest: Manifest,
        to: ResourceRef,
        options: RestoreOptions,
        server: ServerInfo,
        *,
        project: Json,
        profile_of: ProfileOf,
    ) -> Admission:
        """``forbids`` and ``warns`` of the project's configuration; each takes one of its instances."""
        config = project.get("config") or {}
        forbids, warns = config.get("forbids"), config.get("warns")
        return Admission((forbids,) if forbids else (), (warns,) if warns else (), {"instances": 1})

    def observe(self, api: IncusApi, project: str) -> Iterator[Resource]:
        yield from self.there.values()

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        return self.there.get(ref)

    def has_inside(self, api: IncusApi, ref: ResourceRef) -> bool:
        return bool(self.there[ref].document["status"] == "Running")

    def run_inside(
        self,
        tools: KindContext,
        ref: ResourceRef,
        command: Sequence[str],
        *,
        timeout_seconds: int,
        token: str,
    ) -> None:
        tools.tell(Phased(f"running {command[0]}"))
        self.done.append(f"run {' '.join(command)}")
        if command[0] == "false":
            raise CommandFailed("`false` ended with code 1")

    def end_commands(self, tools: KindContext, ref: ResourceRef, token: str) -> None:
        self.done.append(f"end {token}")

    def foresee(self, api: IncusApi, current: Resource) -> Foreseen:
        return Foreseen(obstacle=str(current.document["config"].get("foreseen", "")))

    def is_temporary(self, resource: Resource) -> bool:
        return "temporary" in resource.document["config"]

    def expiry(self, resource: Resource) -> datetime | None:
        text = resource.document["config"].get("expires")
        return datetime.fromisoformat(text) if text else None

    def export(
        self, tools: KindContext, ref: ResourceRef, options: ExportOptions, into: BackupWriter
    ) -> Captured:
        with into.file("export.tar.zst") as file:
            file.write(b"archive")
            self._work(tools, ref)
        self.done.append(f"export {ref}")
        document = self.there[ref].document
        return Captured(
            document,
            (),
            Consistency.STOPPED,
            Method.DIRECT,
            (),
            pool="fast",
            pool_driver="dir",
            content_bytes=7,
        )

    def examine(self, manifest: Manifest, files: BackupFiles) -> None:
        for stored in manifest.files:
            with files.open(stored.name) as chunks:
                self.done.append(f"examine {manifest.id}: {len(b''.join(chunks))} bytes")

    def restore(
        self,
        tools: KindContext,
        manifest: Manifest,
        files: BackupFiles,
        *,
        to: ResourceRef,
        options: RestoreOptions,
        current: Resource | None,
    ) -> StepResult:
        self._work(tools, to)
        self.there[to] = Resource(to, manifest.captured.resource, "restored")
        self.done.append(f"{'replace' if current else 'restore'} {to}")
        return StepResult(identity=self.identity(manifest.captured.resource))

    def room(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions, *, document_of: DocumentOf
    ) -> Capacity:
        config = manifest.captured.resource["config"]
        return Capacity(size_of(config.get("size", "")), size_of(config.get("passed_over", "")))

    def unrehearsable(self, document: Json, *, optimized: bool) -> str:
        return str(document["config"].get("unrehearsable", ""))

    def rehearse(
        self,
        tools: KindContext,
        manifest: Manifest,
        files: BackupFiles,
        *,
        probe: Sequence[Sequence[str]],
        timeout_seconds: int,
    ) -> RehearsalTimes:
        self._work(tools, manifest.id.ref)
        self.done.append(f"rehearse {manifest.id}")
        return RehearsalTimes(2.5, 0.5)

    def recover(self, tools: KindContext, record: Record) -> StepResult:
        self._work(tools, record.ref)
        tools.journal.remove(record.id)
        self.done.append(f"recover {record.id}")
        return StepResult(note=f"recovered {record.id}")

    def remains(self, api: IncusApi, record: Record) -> str:
        return "there" if record.ref in self.there else ""

    def discard(self, tools: KindContext, ref: ResourceRef) -> None:
        self._work(tools, ref)
        self.there.pop(ref, None)
        self.done.append(f"discard {ref}")

    def _work(self, tools: KindContext, ref: ResourceRef) -> None:
        with self._counting:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            tools.tell(Transferred(1))
            self.meanwhile(ref)
            tools.tell(Transferred(1))
            if ref in self.failing:
                raise self.failing[ref]
        finally:
            with self._counting:
                self._at_once -= 1


@define
class Clock:
    """A second later at each look."""

    moment: datetime = NOW

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


def execution_context(
    kind: ToyKind, repository: MemoryRepository | None = None, journal: Journal | None = None
) -> ExecutionContext:
    """What an executor needs, all of it in memory."""
    api = FakeIncus()
    tools = KindContext(
        api=api,
        server=api.server,
        journal=journal or MemoryJournal(),
        tell=_never,
        clock=Clock(),
        owner="r",
        guard=lambda _: nullcontext(),
    )
    return ExecutionContext(tools, repository or MemoryRepository(), {kind.name: kind})


def _never(_: object) -> None:
    raise IncusbakError("each step has a voice of its own")
