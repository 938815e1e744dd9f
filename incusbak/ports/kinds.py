"""What is special about each kind of resource, and what it works with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from attrs import frozen

from ..model.admissions import Admission, Capacity
from ..model.backups import Captured, ExportOptions, ExportWishes, Manifest
from ..model.documents import Json
from ..model.facts import Foreseen
from ..model.goals import Alias, RestoreOptions
from ..model.inventory import Listener, Resource, ServerInfo
from ..model.plans import Hazard
from ..model.policies import Destination, Maps
from ..model.records import Record
from ..model.refs import ResourceRef
from ..model.results import RehearsalTimes, StepResult, Transferred
from .server import IncusApi
from .storage import BackupWriter, Journal, Tell

Guard = Callable[[Sequence[ResourceRef]], AbstractContextManager[None]]
"""Have instances that are frozen meanwhile woken if this process dies before the end."""

DocumentOf = Callable[[ResourceRef], Json | None]
"""Tell what is on the server, or will be, under an address, whoever owns it there."""

DriverOf = Callable[[str], str]
"""Tell the driver of a storage pool; empty for one that is not there."""

ProfileOf = Callable[[str], Json | None]
"""Find a profile by its name, in the project that is meant; None for one that is not there."""


NetworkOf = Callable[[str], Json | None]
"""Find a managed network by the name a resource calls it; None for one that is not there."""


@frozen
class KindContext:
    """What a kind may use while it works on one step."""

    api: IncusApi
    server: ServerInfo
    journal: Journal
    tell: Tell
    clock: Callable[[], datetime]
    owner: str
    """Identity of the repository, for the marks on temporary things."""
    guard: Guard
    captured: Callable[[], None] = lambda: None
    """To be told, by an export, once the content can change without being torn; that may be told again."""
    restored: Callable[[ResourceRef, str], None] = lambda *_: None
    """To be told, by a restore, what is whole in its place and from which backup, before its record goes."""

    def checkpoint(self) -> None:
        """Be called wherever nothing is told for long: a run that is to stop ends here, by ``Stopped``."""
        self.tell(Transferred(0))


class BackupFiles(Protocol):
    """The stored files of one backup."""

    def open(self, name: str) -> AbstractContextManager[Iterator[bytes]]: ...

    def checkpoint(self) -> None:
        """Be called about as often as a chunk is read, by whoever makes much of one; ends by ``Stopped``."""


class Kind(Protocol):
    """What is special about one kind of resource."""

    @property
    def name(self) -> str: ...

    @property
    def rank(self) -> int:
        """Lower ranks are restored first."""

    @property
    def is_immutable(self) -> bool:
        """Whether only the definition can change: then a backup with the same one is enough, however old."""

    # pure

    def identity(self, document: Json) -> str:
        """What stays the same as long as it is the same resource."""

    def generation(self, document: Json) -> str:
        """What changes when the resource is put back in time."""

    def effective_config(self, document: Json) -> Mapping[str, str]:
        """Configuration keys with profiles applied, for selectors."""

    def wanted(self, manifest: Manifest, options: RestoreOptions) -> Json:
        """The comparable definition a restore would give, maps applied."""

    def comparable(self, document: Json) -> Json:
        """The definition without what the server keeps for itself."""

    def requires(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions
    ) -> frozenset[ResourceRef]:
        """What must be there before a restore can succeed, maps applied."""

    def room(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions, *, document_of: DocumentOf
    ) -> Capacity:
        """How many bytes it may take where it is brought back."""

    def relocated(self, ref: ResourceRef, maps: Maps, to: Destination) -> ResourceRef:
        """Where a resource goes: what ``to`` says, else where the maps lead, else where it was.

        Raises:
            Unplannable: it can't be called so.
        """

    def misnamed(self, ref: ResourceRef, server: ServerInfo) -> str:
        """Why this server lets nothing new be called so, though another one may; empty when it does."""

    def replace_hazards(self, current: Resource) -> frozenset[Hazard]:
        """How a replace of this living, inspected resource can hurt."""

    def labels(self, resource: Resource) -> frozenset[str]:
        """The names by which a person may ask for it: an image's fingerprint and aliases, say."""

    def companions(self, document: Json) -> frozenset[ResourceRef]:
        """What it was made from and what is attached to it: an instance's image and custom volumes.

        In the instance's own project, whoever owns them there.
        """

    def attached(self, manifest: Manifest, options: RestoreOptions) -> Mapping[ResourceRef, bool]:
        """The custom volumes that a restore attaches it to: now (True), or in a snapshot only.

        Names as they were, in its own project, whoever owns them there. What is part of it is none of them.
        """

    def parts(self, document: Json) -> tuple[ResourceRef, ...]:
        """The other resources that are part of it, backed up and brought back with it.

        In its own project, whoever owns them there.
        """

    def part_of(self, document: Json) -> ResourceRef | None:
        """The resource that this one is part of; None: it is one of its own."""

    def brings(self, manifest: Manifest, to: ResourceRef, options: RestoreOptions) -> tuple[ResourceRef, ...]:
        """The parts that a restore brings along, maps applied; as ``parts``."""

    def holds(self, document: Json) -> frozenset[ResourceRef]:
        """The other resources that may be paused or stopped while this one is worked on."""

    def addresses(self, document: Json, maps: Maps) -> frozenset[str]:
        """What no other on the server may have as well, in words: MAC addresses, fixed IP addresses."""

    def brought(self, manifest: Manifest, options: RestoreOptions) -> Json:
        """The document of what a restore brings, without what it leaves out; names as they were."""

    def devices(self, document: Json) -> frozenset[str]:
        """The names of the devices that a restore can leave out."""

    def listeners(self, document: Json) -> frozenset[Listener]:
        """The devices that listen on the host."""

    def host_paths(self, document: Json) -> Mapping[str, str]:
        """What must be on the host, which only the server can see; by device."""

    def runs(self, document: Json) -> bool:
        """Whether it is something that can run, and does in this document."""

    def networks(self, document: Json, maps: Maps) -> frozenset[str]:
        """The managed networks on which it goes by its name."""

    def misfits(self, document: Json, maps: Maps, network_of: NetworkOf) -> Iterator[str]:
        """Say what the server would refuse of a document where it goes, the network being as it is."""

    def aliases(self, definition: Json) -> frozenset[Alias]:
        """The second names in something comparable or wanted; each is one resource's in its project."""

    def obstacle(
        self, resource: Resource, options: ExportWishes, server: ServerInfo, *, driver_of: DriverOf
    ) -> str:
        """Why this server can't export it so; empty when it can."""

    def unrestorable(
        self, manifest: Manifest, options: RestoreOptions, server: ServerInfo, current: Resource | None
    ) -> str:
        """Why this server can't take a backup, in place of ``current`` where given; empty when it can."""

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
        """Whether a project takes what a backup holds, as far as its configuration tells beforehand."""

    def caveats(self, manifest: Manifest) -> tuple[str, ...]:
        """Why servers may refuse to take a backup back, though it is whole."""

    def unrehearsable(self, document: Json, *, optimized: bool) -> str:
        """Why a backup of such a resource can't be brought up beside its original; empty when it can."""

    # effects

    def observe(self, api: IncusApi, project: str) -> Iterator[Resource]:
        """All resources of a project, or of all, without what costs a request each."""

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        """One resource with its ETag and snapshots; None when it is not there."""

    def has_inside(self, api: IncusApi, ref: ResourceRef) -> bool:
        """Whether commands can be run inside of it now: a running instance."""

    def run_inside(
        self,
        tools: KindContext,
        ref: ResourceRef,
        command: Sequence[str],
        *,
        timeout_seconds: int,
        token: str,
    ) -> None:
        """Run one command to its end; ``token``: what ``end_commands`` knows it by.

        Raises:
            CommandFailed: it can't be run, failed, or took too long.
        """

    def end_commands(self, tools: KindContext, ref: ResourceRef, token: str) -> None:
        """Kill what a run that died left running inside."""

    def foresee(self, api: IncusApi, current: Resource) -> Foreseen:
        """Look for what would keep a replace of this living, inspected resource from being finished."""

    def is_temporary(self, resource: Resource) -> bool:
        """Whether a run of this tool made it, to remove it again."""

    def expiry(self, resource: Resource) -> datetime | None:
        """When a temporary resource that no record explains may be discarded; None: not without a person."""

    def export(
        self, tools: KindContext, ref: ResourceRef, options: ExportOptions, into: BackupWriter
    ) -> Captured:
        """Write the resource's archive. Nothing temporary remains on the server, or a record names it."""

    def examine(self, manifest: Manifest, files: BackupFiles) -> None:
        """See that stored content can be read to its end and is what the manifest says.

        Raises:
            Corrupt: it is not. What no look is needed at for that need not be read.
        """

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
        """Bring a verified backup back as ``to``, in place of ``current`` where given.

        The server has either the old one, running as it ran, or its whole successor, whenever this ends.
        """

    def rehearse(
        self,
        tools: KindContext,
        manifest: Manifest,
        files: BackupFiles,
        *,
        probe: Sequence[Sequence[str]],
        timeout_seconds: int,
    ) -> RehearsalTimes:
        """Bring a verified backup up where it can't reach anything, probe it, and remove it, whatever comes.

        Args:
            probe: commands run inside; all of them must succeed in ``timeout_seconds`` after the start.

        Raises:
            Unfit: it does not come up.
        """

    def recover(self, tools: KindContext, record: Record) -> StepResult:
        """Finish or undo what a killed run left; the note says what was done. Can be run again."""

    def remains(self, api: IncusApi, record: Record) -> str:
        """What there is on the server of what a run left, in words that change when it does.

        Nothing else changes them: not what becomes of something living that is in order.
        """

    def discard(self, tools: KindContext, ref: ResourceRef) -> None:
        """Remove a temporary resource with this tool's mark; refuse one without."""
