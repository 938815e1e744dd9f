"""Custom storage volumes: the Kind that ``kinds.KINDS`` holds."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from shlex import quote

from attrs import evolve, frozen

from ...errors import Blocked
from ...model.admissions import Admission, Capacity
from ...model.backups import Captured, ExportOptions, ExportWishes, Manifest
from ...model.documents import Json
from ...model.facts import Foreseen
from ...model.goals import RestoreOptions
from ...model.inventory import Resource, ServerInfo
from ...model.plans import Hazard
from ...model.policies import Destination, Maps
from ...model.records import Record, ScratchExport, ScratchVolume, VolumeRestoration
from ...model.refs import ResourceRef, impossible_reason, volume_ref
from ...model.results import StepResult
from ...ports import BackupFiles, BackupWriter, DocumentOf, DriverOf, IncusApi, KindContext, ProfileOf
from ..archive.renaming import is_misread, is_pattern, unreachable
from ..archive.transfer import remove_export
from ..archive.verify import examine_archive
from ..common import lost_mounts
from ..common.marks import TEMPORARY_PREFIX, is_temporary_name
from ..common.no_commands import Closed
from ..common.no_room import ELSEWHERE, NO_ROOM_FOR_COPY, explaining
from ..common.remains import remains, remains_of_export, stands_still
from ..common.values import size_of
from . import contents, copying, definition, exporting, recovering, restoring, storage, users


def _restoring(ref: ResourceRef) -> str:
    project = "" if ref.project == "default" else f" --project {ref.project}"
    return f"`incus-backup restore volume {ref.pool}/{ref.name} --target-name NEW{project}`"


@frozen
class VolumeKind(Closed):
    """See ``ports.Kind``."""

    name: str = "volume"
    rank: int = 30
    is_immutable: bool = False

    def identity(self, document: Json) -> str:
        return storage.identity(document)

    def generation(self, document: Json) -> str:
        return ""

    def effective_config(self, document: Json) -> Mapping[str, str]:
        return dict(document.get("config") or {})

    def wanted(self, manifest: Manifest, options: RestoreOptions) -> Json:
        return definition.comparable(manifest.captured.resource)

    def comparable(self, document: Json) -> Json:
        return definition.comparable(document)

    def requires(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions
    ) -> frozenset[ResourceRef]:
        return frozenset({ResourceRef("pool", name=to.pool), ResourceRef("project", name=to.project)})

    def relocated(self, ref: ResourceRef, maps: Maps, to: Destination) -> ResourceRef:
        project = to.project or maps.projects.get(ref.project, ref.project)
        return volume_ref(project, to.pool or maps.pools.get(ref.pool, ref.pool), to.name or ref.name)

    def misnamed(self, ref: ResourceRef, server: ServerInfo) -> str:
        return definition.misnamed(ref.name, server) or unreachable(ref.project, ref.pool)

    def replace_hazards(self, current: Resource) -> frozenset[Hazard]:
        stops = {Hazard.STOPS_INSTANCE} if current.stops else set()
        return frozenset({Hazard.REPLACES_RESOURCE, *stops})

    def unrestorable(
        self, manifest: Manifest, options: RestoreOptions, server: ServerInfo, current: Resource | None
    ) -> str:
        return definition.unreadable(manifest, server)

    def labels(self, resource: Resource) -> frozenset[str]:
        return frozenset({f"{resource.ref.pool}/{resource.ref.name}"})

    def room(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions, *, document_of: DocumentOf
    ) -> Capacity:
        return Capacity(size_of(manifest.captured.resource["config"].get("size", "")))

    def caveats(self, manifest: Manifest) -> tuple[str, ...]:
        captured, ref = manifest.captured, manifest.id.ref
        rename = f"incus storage volume snapshot rename --project {ref.project} {ref.pool} {quote(ref.name)}"
        is_unfit = is_pattern if captured.resource["content_type"] == "filesystem" else is_misread
        by_hand = "incus storage volume import"
        lost = lost_mounts.caveats(manifest, rename=rename, by_hand=by_hand, is_unfit=is_unfit)
        return (*definition.caveats(captured.resource, captured.snapshots), *lost)

    def companions(self, document: Json) -> frozenset[ResourceRef]:
        return frozenset()

    def part_of(self, document: Json) -> ResourceRef | None:
        return definition.part_of(document, users.refs_in(document))

    def holds(self, document: Json) -> frozenset[ResourceRef]:
        return frozenset(ref for ref in users.refs_in(document) if ref.kind == "instance")

    def addresses(self, document: Json, maps: Maps) -> frozenset[str]:
        return frozenset()

    def obstacle(
        self, resource: Resource, options: ExportWishes, server: ServerInfo, *, driver_of: DriverOf
    ) -> str:
        if reason := impossible_reason(resource.ref.name):
            return f"{reason}; rename it (`incus storage volume rename`)"
        driver = driver_of(resource.ref.pool)
        return exporting.obstacle(resource, options, server, driver=driver)

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
        return definition.admission(manifest.captured.resource, project, to.pool, server)

    def observe(self, api: IncusApi, project: str) -> Iterator[Resource]:
        return storage.observe(api, project)

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        found = storage.look(api, ref)
        return found.resource if found else None

    def foresee(self, api: IncusApi, current: Resource) -> Foreseen:
        if key := storage.needed_by_server(api, current.ref):
            return Foreseen(
                obstacle=f"Incus itself uses it ({key}), and does not let it be renamed",
                hint=f"{_restoring(current.ref)} brings it back beside the present one; or first "
                f"`incus config unset {key}`, though only an empty volume can be named there again",
            )
        if (found := lost_mounts.irremovable(current)).obstacle:
            return found
        found = users.foresee(api, current.document)
        stays = lost_mounts.warnings(api, current, [current.ref.pool])
        return evolve(found, warnings=(*found.warnings, *stays))

    def is_temporary(self, resource: Resource) -> bool:
        """Whether a run of this tool made it, to remove it again."""
        return is_temporary_name(resource.ref.name) or bool(storage.marks_of(resource.document))

    def expiry(self, resource: Resource) -> datetime | None:
        """When a temporary volume that no record explains may go; None: never by itself."""
        if not resource.ref.name.startswith(TEMPORARY_PREFIX):
            return None
        text = storage.marks_of(resource.document).get("expires")
        return datetime.fromisoformat(text) if text else None

    def export(
        self, tools: KindContext, ref: ResourceRef, options: ExportOptions, into: BackupWriter
    ) -> Captured:
        with explaining(pool=ref.pool, hint=NO_ROOM_FOR_COPY):
            return exporting.export(tools, ref, options, into)

    def examine(self, manifest: Manifest, files: BackupFiles) -> None:
        if manifest.captured.resource["content_type"] != storage.ISO:  # which is stored as it is
            examine_archive(manifest, files, stem=exporting.STEM, shortcomings=contents.shortcomings)

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
        with explaining(pool=to.pool, maps=options.maps, hint=ELSEWHERE):
            return restoring.restore(tools, manifest, files, to=to, options=options, current=current)

    def recover(self, tools: KindContext, record: Record) -> StepResult:
        match record:
            case ScratchExport():
                return StepResult(note=remove_export(tools, record))
            case ScratchVolume():
                return StepResult(note=copying.remove_scratch(tools, record))
            case VolumeRestoration():
                return recovering.recover(tools, record)
        raise Blocked(f"the record {record.id} is not of a volume")

    def remains(self, api: IncusApi, record: Record) -> str:
        match record:
            case ScratchExport():
                return remains_of_export(api, record)
            case VolumeRestoration():
                return recovering.remains_of(api, record)
            case ScratchVolume(ref=ref, paused=paused):
                return remains(api, (ref,)) + stands_still(api, paused) + copying.has_snapshot(api, record)
        return remains(api, (record.ref,))

    def discard(self, tools: KindContext, ref: ResourceRef) -> None:
        resource = self.inspect(tools.api, ref)
        if resource is None:
            return
        if self.expiry(resource) is None:
            raise Blocked(f"{ref} carries no mark of this tool; it is not removed")
        copying.remove_copy(tools, ref)
