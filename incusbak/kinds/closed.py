"""What is no place to run commands in, can't be started, and is made of no other resources."""

from collections.abc import Sequence

from ..errors import Blocked
from ..model.admissions import Admission
from ..model.backups import Manifest
from ..model.documents import Json
from ..model.goals import RestoreOptions
from ..model.inventory import Resource, ServerInfo
from ..model.refs import ResourceRef
from ..model.results import Rehearsed
from ..ports import BackupFiles, DocumentOf, IncusApi, ProfileOf, Tools


class Closed:
    """The part of ``ports.Kind`` that kinds without an inside have in common."""

    def admission(
        self,
        manifest: Manifest,
        options: RestoreOptions,
        server: ServerInfo,
        *,
        project: Json,
        profile_of: ProfileOf,
    ) -> Admission:
        return Admission()

    def has_inside(self, api: IncusApi, ref: ResourceRef) -> bool:
        return False

    def run_inside(
        self, tools: Tools, ref: ResourceRef, command: Sequence[str], *, timeout_seconds: int, token: str
    ) -> None:
        raise Blocked(f"no command can be run inside of {ref}")

    def parts(self, document: Json) -> tuple[ResourceRef, ...]:
        return ()

    def part_of(self, document: Json) -> ResourceRef | None:
        return None

    def brings(self, manifest: Manifest, to: ResourceRef, options: RestoreOptions) -> tuple[ResourceRef, ...]:
        return ()

    def unrestorable(self, manifest: Manifest, server: ServerInfo, current: Resource | None) -> str:
        return ""

    def room(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions, *, document_of: DocumentOf
    ) -> int | None:
        return None

    def caveats(self, manifest: Manifest) -> tuple[str, ...]:
        return ()

    def unrehearsable(self, manifest: Manifest) -> str:
        return "only instances can be started to see that they run"

    def rehearse(
        self,
        tools: Tools,
        manifest: Manifest,
        files: BackupFiles,
        *,
        probe: Sequence[Sequence[str]],
        timeout_seconds: int,
    ) -> Rehearsed:
        raise Blocked(f"{manifest.id} can't be rehearsed: {self.unrehearsable(manifest)}")

    def end_commands(self, tools: Tools, ref: ResourceRef, token: str) -> None:
        """There are none."""
