"""Containers and virtual machines: the Kind that ``kinds.KINDS`` holds."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import product

from attrs import evolve, frozen

from ...errors import Blocked, ServerError
from ...model.admissions import Admission, Capacity
from ...model.backups import Captured, ExportOptions, ExportWishes, Manifest
from ...model.documents import Json
from ...model.facts import Foreseen
from ...model.goals import Alias, RestoreOptions
from ...model.inventory import Listener, Resource, ServerInfo
from ...model.plans import Hazard
from ...model.policies import Destination, Maps
from ...model.records import Record, Restoration, ScratchExport, ScratchInstance, ScratchRestore
from ...model.refs import ResourceRef, instance_ref
from ...model.results import RehearsalTimes, StepResult
from ...ports import (
    BackupFiles,
    BackupWriter,
    DocumentOf,
    DriverOf,
    IncusApi,
    KindContext,
    NetworkOf,
    ProfileOf,
)
from ..archive.renaming import fixed, is_above, is_misread, is_pattern, unreachable
from ..archive.transfer import remove_export
from ..archive.verify import examine_archive
from ..common import lost_mounts, optimized
from ..common.marks import BY, MARK, TEMPORARY_PREFIX, is_temporary_name
from ..common.no_room import ELSEWHERE, NO_ROOM_FOR_COPY, explaining
from . import (
    admitting,
    backup_yaml,
    capacity,
    commands,
    contents,
    copying,
    definition,
    dependents,
    devices,
    exporting,
    fitting,
    lifecycle,
    recovering,
    rehearsing,
    restoring,
    room,
    sandbox,
)


@frozen
class InstanceKind:
    """See ``ports.Kind``."""

    name: str = "instance"
    rank: int = 40
    is_immutable: bool = False

    def identity(self, document: Json) -> str:
        return lifecycle.uuid(document)

    def generation(self, document: Json) -> str:
        return str((document.get("config") or {}).get("volatile.uuid.generation", ""))

    def effective_config(self, document: Json) -> Mapping[str, str]:
        return dict(document.get("expanded_config") or document.get("config") or {})

    def wanted(self, manifest: Manifest, options: RestoreOptions) -> Json:
        manifest = devices.leaving_out(manifest, options.without_devices)
        return definition.comparable(definition.mapped(manifest.captured.resource, options.maps))

    def comparable(self, document: Json) -> Json:
        return definition.comparable(document)

    def requires(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions
    ) -> frozenset[ResourceRef]:
        if not manifest.options.optimized:
            manifest = devices.leaving_out(manifest, options.without_devices)
        documents = (manifest.captured.resource, *manifest.captured.snapshots)
        found = {ResourceRef("pool", name=fitting.target_pool(manifest, options))}
        # an optimized archive is imported as it is and mapped afterwards
        every_maps = (options.maps, Maps()) if manifest.options.optimized else (options.maps,)
        for document, maps in product(documents, every_maps):
            local = definition.mapped(document, maps)
            root_name, _ = definition.root_device(document)
            local["devices"].pop(root_name, None)  # moves to the target pool, whatever it says
            found |= definition.references(local, to.project)
        return frozenset(found)

    def relocated(self, ref: ResourceRef, maps: Maps, to: Destination) -> ResourceRef:
        if to.name:
            definition.check_name(to.name)
        project = to.project or maps.projects.get(ref.project, ref.project)
        return instance_ref(project, to.name or ref.name)

    def misnamed(self, ref: ResourceRef, server: ServerInfo) -> str:
        return unreachable(ref.project)

    def replace_hazards(self, current: Resource) -> frozenset[Hazard]:
        hazards = {Hazard.REPLACES_RESOURCE}
        if lifecycle.is_running(current.document):
            hazards.add(Hazard.STOPS_INSTANCE)
        return frozenset(hazards)

    def labels(self, resource: Resource) -> frozenset[str]:
        return frozenset({resource.ref.name})

    def companions(self, document: Json) -> frozenset[ResourceRef]:
        project, devices = str(document["project"]), document.get("expanded_devices", {})
        found = definition.references({"devices": devices}, project)
        volumes = {ref for ref in found if ref.kind == "volume"}
        image = (document.get("config") or {}).get("volatile.base_image")
        return frozenset(volumes | ({ResourceRef("image", name=image)} if image else set()))

    def attached(self, manifest: Manifest, options: RestoreOptions) -> Mapping[ResourceRef, bool]:
        return devices.attached(devices.leaving_out(manifest, options.without_devices))

    def parts(self, document: Json) -> tuple[ResourceRef, ...]:
        return dependents.volumes(dependents.disks(document), str(document["project"]))

    def part_of(self, document: Json) -> ResourceRef | None:
        return None

    def brings(self, manifest: Manifest, to: ResourceRef, options: RestoreOptions) -> tuple[ResourceRef, ...]:
        document = devices.leaving_out(manifest, options.without_devices).captured.resource
        names = dependents.names_under(document, to.name)
        return dependents.volumes(dependents.placed(document, options.maps, names), to.project)

    def holds(self, document: Json) -> frozenset[ResourceRef]:
        return frozenset()

    def addresses(self, document: Json, maps: Maps) -> frozenset[str]:
        return definition.addresses(document, maps)

    def brought(self, manifest: Manifest, options: RestoreOptions) -> Json:
        return devices.brought(manifest, options)

    def devices(self, document: Json) -> frozenset[str]:
        return devices.devices(document)

    def listeners(self, document: Json) -> frozenset[Listener]:
        return devices.listeners(document)

    def host_paths(self, document: Json) -> Mapping[str, str]:
        return devices.host_paths(document)

    def runs(self, document: Json) -> bool:
        return lifecycle.is_running(document)

    def networks(self, document: Json, maps: Maps) -> frozenset[str]:
        return devices.networks(document, maps)

    def misfits(self, document: Json, maps: Maps, network_of: NetworkOf) -> Iterator[str]:
        return devices.misfits(document, maps, network_of)

    def aliases(self, definition: Json) -> frozenset[Alias]:
        return frozenset()

    def obstacle(
        self, resource: Resource, options: ExportWishes, server: ServerInfo, *, driver_of: DriverOf
    ) -> str:
        if words := dependents.obstacle(resource.document, options):
            return words
        pool = definition.pool_of(resource.document)
        return optimized.obstacle(options, pool=pool, driver=driver_of(pool))

    def unrestorable(
        self, manifest: Manifest, options: RestoreOptions, server: ServerInfo, current: Resource | None
    ) -> str:
        manifest = devices.leaving_out(manifest, options.without_devices)
        captured = manifest.captured
        names = (str(snapshot["name"]) for snapshot in captured.snapshots)
        return (
            dependents.unrestorable(manifest, server)
            or dependents.irreplaceable(manifest, current)
            or backup_yaml.unreadable(captured.resource, captured.snapshots, server)
            or (fixed(names, is_above) if manifest.options.optimized else "")
            or unreachable(fitting.target_pool(manifest, options))
        )

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
        manifest = devices.leaving_out(manifest, options.without_devices)
        return admitting.admission(manifest, options, server, project=project, profile_of=profile_of)

    def room(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions, *, document_of: DocumentOf
    ) -> Capacity:
        pool = fitting.target_pool(manifest, options)
        return capacity.capacity_of(manifest.captured, to, options.maps, pool=pool, document_of=document_of)

    def caveats(self, manifest: Manifest) -> tuple[str, ...]:
        captured, ref = manifest.captured, manifest.id.ref
        rename = f"incus snapshot rename --project {ref.project} {ref.name}"
        is_unfit = is_pattern if dependents.disks(captured.resource) else is_misread
        lost = lost_mounts.caveats(manifest, rename=rename, is_unfit=is_unfit)
        return (*backup_yaml.caveats(captured.resource, captured.snapshots), *lost)

    def unrehearsable(self, document: Json, *, optimized: bool) -> str:
        return sandbox.obstacle(document, optimized=optimized)

    def observe(self, api: IncusApi, project: str) -> Iterator[Resource]:
        for document in api.list("instances", project=project):
            yield Resource(definition.to_ref(document), document)

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        return lifecycle.inspect(api, ref)

    def has_inside(self, api: IncusApi, ref: ResourceRef) -> bool:
        document = lifecycle.find(api, ref)
        return document is not None and document["status"] == "Running"

    def run_inside(
        self,
        tools: KindContext,
        ref: ResourceRef,
        command: Sequence[str],
        *,
        timeout_seconds: int,
        token: str,
    ) -> None:
        commands.run(tools, ref, command, timeout_seconds=timeout_seconds, token=token)

    def end_commands(self, tools: KindContext, ref: ResourceRef, token: str) -> None:
        if self.has_inside(tools.api, ref):
            commands.kill(tools.api, ref, token)

    def foresee(self, api: IncusApi, current: Resource) -> Foreseen:
        if (found := lost_mounts.irremovable(current)).obstacle:
            return found
        found = room.foresee(api, current.ref, current.document)
        stays = lost_mounts.warnings(api, current, definition.own_pools(current.document))
        return evolve(found, warnings=(*found.warnings, *stays))

    def is_temporary(self, resource: Resource) -> bool:
        """Whether a run of this tool made it, to remove it again; what is to be replaced it did not make."""
        if is_temporary_name(resource.ref.name):
            return True  # marks come a moment after the name, and after the import of an optimized archive
        config = resource.document.get("config") or {}
        return any(key.startswith(MARK) for key in config) and not lifecycle.mark(resource.document, BY)

    def expiry(self, resource: Resource) -> datetime | None:
        """When a temporary instance that no record explains may go; None: never by itself."""
        if not resource.ref.name.startswith(TEMPORARY_PREFIX):
            return None
        text = lifecycle.mark(resource.document, "expires")
        return datetime.fromisoformat(text) if text else None

    def export(
        self, tools: KindContext, ref: ResourceRef, options: ExportOptions, into: BackupWriter
    ) -> Captured:
        with explaining(hint=NO_ROOM_FOR_COPY):
            try:
                return exporting.export(tools, ref, options, into)
            except ServerError as error:
                room.explain(tools.api, ref, error)
                raise

    def examine(self, manifest: Manifest, files: BackupFiles) -> None:
        examine_archive(
            manifest,
            files,
            stem=exporting.STEM,
            shortcomings=contents.shortcomings,
            parts=dependents.disks(manifest.captured.resource),
        )

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
        manifest = devices.leaving_out(manifest, options.without_devices)
        with explaining(pool=fitting.target_pool(manifest, options), maps=options.maps, hint=ELSEWHERE):
            return restoring.restore(tools, manifest, files, to=to, options=options, current=current)

    def rehearse(
        self,
        tools: KindContext,
        manifest: Manifest,
        files: BackupFiles,
        *,
        probe: Sequence[Sequence[str]],
        timeout_seconds: int,
    ) -> RehearsalTimes:
        with explaining(pool=manifest.captured.pool, hint="make room there, then rehearse it again"):
            return rehearsing.rehearse(tools, manifest, files, probe=probe, timeout_seconds=timeout_seconds)

    def recover(self, tools: KindContext, record: Record) -> StepResult:
        match record:
            case ScratchExport():
                return StepResult(note=remove_export(tools, record))
            case ScratchInstance():
                return StepResult(note=copying.remove_scratch(tools, record))
            case ScratchRestore():
                return StepResult(note=rehearsing.remove_rehearsed(tools, record))
            case Restoration():
                return recovering.recover(tools, record)
        raise Blocked(f"the record {record.id} is not of an instance")

    def remains(self, api: IncusApi, record: Record) -> str:
        return recovering.remains_of(api, record)

    def discard(self, tools: KindContext, ref: ResourceRef) -> None:
        resource = lifecycle.inspect(tools.api, ref)
        if resource is None:
            return
        if self.expiry(resource) is None:
            raise Blocked(f"{ref} carries no mark of this tool; it is not removed")
        copying.remove_copy(tools, ref)
