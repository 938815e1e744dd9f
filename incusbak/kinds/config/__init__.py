"""The configuration of a server: the Kind that backs it up as one, and the entities a restore goes by."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from ...errors import Blocked, Corrupt
from ...model.backups import Captured, Consistency, ExportOptions, ExportWishes, Manifest, Method
from ...model.documents import Json
from ...model.facts import Foreseen
from ...model.goals import RestoreOptions
from ...model.inventory import Resource, ServerInfo
from ...model.plans import Hazard
from ...model.policies import Destination, Maps
from ...model.records import Record
from ...model.refs import CONFIG, ResourceRef
from ...model.results import Phased, StepResult, Transferred
from ...ports import BackupFiles, BackupWriter, DriverOf, Entity, IncusApi, KindContext
from ..common.no_commands import Closed
from .entity import ConfigEntity
from .reading import read_state
from .rows import ROWS

ENTITIES: Mapping[str, Entity] = {row.name: ConfigEntity(row) for row in ROWS}
"""The kinds of entities by name, in the order in which they are made."""


def _encoded(documents: Any) -> bytes:
    """Write a list of entities as its file holds it."""
    return (json.dumps(documents, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


@frozen
class ConfigKind(Closed):
    """See ``ports.Kind``. It is stored as one and brought back entity by entity, so it is never replaced."""

    name: str = "config"
    rank: int = 10
    is_immutable: bool = False

    def identity(self, document: Json) -> str:
        return ""

    def generation(self, document: Json) -> str:
        return ""

    def effective_config(self, document: Json) -> Mapping[str, str]:
        return {}

    def wanted(self, manifest: Manifest, options: RestoreOptions) -> Json:
        return manifest.captured.resource

    def comparable(self, document: Json) -> Json:
        return document

    def requires(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions
    ) -> frozenset[ResourceRef]:
        return frozenset()

    def relocated(self, ref: ResourceRef, maps: Maps, to: Destination) -> ResourceRef:
        return ref

    def misnamed(self, ref: ResourceRef, server: ServerInfo) -> str:
        return ""

    def replace_hazards(self, current: Resource) -> frozenset[Hazard]:
        return frozenset()

    def labels(self, resource: Resource) -> frozenset[str]:
        return frozenset({self.name})

    def companions(self, document: Json) -> frozenset[ResourceRef]:
        return frozenset()

    def holds(self, document: Json) -> frozenset[ResourceRef]:
        return frozenset()

    def addresses(self, document: Json, maps: Maps) -> frozenset[str]:
        return frozenset()

    def obstacle(
        self, resource: Resource, options: ExportWishes, server: ServerInfo, *, driver_of: DriverOf
    ) -> str:
        return ""

    def observe(self, api: IncusApi, project: str) -> Iterator[Resource]:
        """Every server has one; what it says is read by ``inspect``."""
        yield Resource(CONFIG, {})

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        return Resource(ref, read_state(api))

    def foresee(self, api: IncusApi, current: Resource) -> Foreseen:
        return Foreseen()

    def is_temporary(self, resource: Resource) -> bool:
        return False

    def expiry(self, resource: Resource) -> datetime | None:
        return None

    def export(
        self, tools: KindContext, ref: ResourceRef, options: ExportOptions, into: BackupWriter
    ) -> Captured:
        """Write a file for each list. Several requests read it: a change meanwhile may be seen in part."""
        tools.tell(Phased("reading the configuration"))
        state, size = read_state(tools.api), 0
        for part, documents in sorted(state.items()):
            data = _encoded(documents)
            with into.file(f"{part}.json") as file:
                file.write(data)
            size += len(data)
            tools.tell(Transferred(len(data)))
        return Captured(
            resource=state,
            snapshots=(),
            consistency=Consistency.LIVE,
            method=Method.DIRECT,
            references=(),
            pool="",
            pool_driver="",
            content_bytes=size,
        )

    def examine(self, manifest: Manifest, files: BackupFiles) -> None:
        sizes = {stored.name: stored.size_bytes for stored in manifest.files}
        for part, documents in manifest.captured.resource.items():
            name, wanted = f"{part}.json", _encoded(documents)
            with files.open(name) as chunks:  # never more of it in memory than is expected
                if sizes[name] != len(wanted) or b"".join(chunks) != wanted:
                    raise Corrupt(f"{name} is not what the manifest says")

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
        raise Blocked(f"{to} is brought back entity by entity, not as one")

    def recover(self, tools: KindContext, record: Record) -> StepResult:
        raise Blocked(f"the record {record.id} is not of the configuration")

    def remains(self, api: IncusApi, record: Record) -> str:
        return ""

    def discard(self, tools: KindContext, ref: ResourceRef) -> None:
        raise Blocked(f"{ref} is not temporary; it is not removed")
