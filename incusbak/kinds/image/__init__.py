"""Images: the Kind that ``kinds.KINDS`` holds."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from attrs import frozen

from ...errors import Blocked
from ...model.backups import Captured, ExportOptions, ExportWishes, Manifest
from ...model.documents import Json
from ...model.facts import Foreseen
from ...model.goals import Alias, RestoreOptions
from ...model.inventory import Resource, ServerInfo
from ...model.plans import Hazard
from ...model.policies import Destination, Maps
from ...model.records import ImageImport, Record
from ...model.refs import ResourceRef
from ...model.results import StepResult
from ...ports import BackupFiles, BackupWriter, DriverOf, IncusApi, KindContext
from ..common.no_commands import Closed
from . import definition, exporting, recovering, restoring, shelf

SHORT_DIGITS = 12
"""So much of a fingerprint the Incus client shows."""


@frozen
class ImageKind(Closed):
    """See ``ports.Kind``. The same image may be in several projects; it is one resource, stored once."""

    name: str = "image"
    rank: int = 20
    is_immutable: bool = True

    def identity(self, document: Json) -> str:
        return str(document["fingerprint"])

    def generation(self, document: Json) -> str:
        return ""

    def effective_config(self, document: Json) -> Mapping[str, str]:
        """The image's properties; where its projects differ, those of the first."""
        properties: dict[str, str] = {}
        for each in reversed(list(definition.comparable(document).values())):
            properties |= each["properties"]
        return properties

    def wanted(self, manifest: Manifest, options: RestoreOptions) -> Json:
        return definition.wanted(manifest.captured.resource, options)

    def comparable(self, document: Json) -> Json:
        return definition.comparable(document)

    def requires(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions
    ) -> frozenset[ResourceRef]:
        return definition.references(self.wanted(manifest, options))

    def relocated(self, ref: ResourceRef, maps: Maps, to: Destination) -> ResourceRef:
        return ref

    def misnamed(self, ref: ResourceRef, server: ServerInfo) -> str:
        return ""

    def replace_hazards(self, current: Resource) -> frozenset[Hazard]:
        return frozenset({Hazard.REPLACES_RESOURCE})

    def labels(self, resource: Resource) -> frozenset[str]:
        definitions = definition.comparable(resource.document).values()
        names = {resource.ref.name, resource.ref.name[:SHORT_DIGITS]}
        return frozenset(names).union(*(each["aliases"] for each in definitions))

    def companions(self, document: Json) -> frozenset[ResourceRef]:
        return frozenset()

    def holds(self, document: Json) -> frozenset[ResourceRef]:
        return frozenset()

    def addresses(self, document: Json, maps: Maps) -> frozenset[str]:
        return frozenset()

    def aliases(self, definition: Json) -> frozenset[Alias]:
        return frozenset(Alias(p, name) for p, each in definition.items() for name in each["aliases"])

    def obstacle(
        self, resource: Resource, options: ExportWishes, server: ServerInfo, *, driver_of: DriverOf
    ) -> str:
        return ""

    def observe(self, api: IncusApi, project: str) -> Iterator[Resource]:
        yield from definition.grouped(api.list("images", project=project)).values()

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        return shelf.inspect(api, ref)

    def foresee(self, api: IncusApi, current: Resource) -> Foreseen:
        return Foreseen()

    def is_temporary(self, resource: Resource) -> bool:
        return False  # what is being imported is not observed

    def expiry(self, resource: Resource) -> datetime | None:
        return None

    def export(
        self, tools: KindContext, ref: ResourceRef, options: ExportOptions, into: BackupWriter
    ) -> Captured:
        return exporting.export(tools, ref, into)

    def examine(self, manifest: Manifest, files: BackupFiles) -> None:
        exporting.examine(manifest, files)

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
        return restoring.restore(tools, manifest, files, to=to, options=options, current=current)

    def recover(self, tools: KindContext, record: Record) -> StepResult:
        if isinstance(record, ImageImport):
            return StepResult(note=recovering.recover(tools, record))
        raise Blocked(f"the record {record.id} is not of an image")

    def remains(self, api: IncusApi, record: Record) -> str:
        found = shelf.inspect(api, record.ref)
        return str(definition.comparable(found.document)) if found else ""

    def discard(self, tools: KindContext, ref: ResourceRef) -> None:
        raise Blocked(f"{ref} is no temporary image; it is not removed")
