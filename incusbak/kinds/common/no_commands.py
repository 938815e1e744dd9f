"""What is no place to run commands in, can't be started, and is made of no other resources."""

from collections.abc import Iterator, Mapping, Sequence

from ...errors import Blocked
from ...model.admissions import Admission, Capacity
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.goals import Alias, RestoreOptions
from ...model.inventory import Listener, Resource, ServerInfo
from ...model.policies import Maps
from ...model.refs import ResourceRef
from ...model.results import RehearsalTimes
from ...ports import BackupFiles, DocumentOf, IncusApi, KindContext, NetworkOf, ProfileOf


class Closed:
    """The part of ``ports.Kind`` that kinds without an inside have in common."""

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
        return Admission()

    def brought(self, manifest: Manifest, options: RestoreOptions) -> Json:
        return manifest.captured.resource

    def devices(self, document: Json) -> frozenset[str]:
        return frozenset()

    def listeners(self, document: Json) -> frozenset[Listener]:
        return frozenset()

    def host_paths(self, document: Json) -> Mapping[str, str]:
        return {}

    def runs(self, document: Json) -> bool:
        return False

    def networks(self, document: Json, maps: Maps) -> frozenset[str]:
        return frozenset()

    def misfits(self, document: Json, maps: Maps, network_of: NetworkOf) -> Iterator[str]:
        yield from ()

    def aliases(self, definition: Json) -> frozenset[Alias]:
        return frozenset()

    def has_inside(self, api: IncusApi, ref: ResourceRef) -> bool:
        return False

    def run_inside(
        self,
        tools: KindContext,
        ref: ResourceRef,
        command: Sequence[str],
        *,
        timeout_seconds: int,
        token: str,
    ) -> None:
        raise Blocked(f"no command can be run inside of {ref}")

    def attached(self, manifest: Manifest, options: RestoreOptions) -> Mapping[ResourceRef, bool]:
        return {}

    def parts(self, document: Json) -> tuple[ResourceRef, ...]:
        return ()

    def part_of(self, document: Json) -> ResourceRef | None:
        return None

    def brings(self, manifest: Manifest, to: ResourceRef, options: RestoreOptions) -> tuple[ResourceRef, ...]:
        return ()

    def unrestorable(
        self, manifest: Manifest, options: RestoreOptions, server: ServerInfo, current: Resource | None
    ) -> str:
        return ""

    def room(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions, *, document_of: DocumentOf
    ) -> Capacity:
        return Capacity()

    def caveats(self, manifest: Manifest) -> tuple[str, ...]:
        return ()

    def unrehearsable(self, document: Json, *, optimized: bool) -> str:
        return "only instances can be started to see that they run"

    def rehearse(
        self,
        tools: KindContext,
        manifest: Manifest,
        files: BackupFiles,
        *,
        probe: Sequence[Sequence[str]],
        timeout_seconds: int,
    ) -> RehearsalTimes:
        raise Blocked(f"{manifest.id} can't be rehearsed: only instances can")

    def end_commands(self, tools: KindContext, ref: ResourceRef, token: str) -> None:
        """There are none."""
