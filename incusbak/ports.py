"""The contracts of everything with an effect. Each sentence of a docstring has a contract test.

The fakes in ``tests/fakes.py`` and the real adapters pass the same suites (``tests/contract``).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from attrs import frozen

from .model.backups import Captured, Catalog, ExportOptions, Manifest, StoredFile, StoredManifest
from .model.documents import Document, Json
from .model.goals import RestoreOptions
from .model.inventory import Resource, ServerInfo
from .model.plans import Hazard
from .model.policies import Destination, Maps
from .model.records import Record
from .model.refs import BackupId, BadAddress, ResourceRef
from .model.results import Made, Report, RestoreFact, StepEvent

ALL_PROJECTS = "*"

Tell = Callable[[StepEvent], None]
"""Take note of progress. May raise ``Stopped``: whoever calls it in mid-work must be able to clean up."""

Watch = Callable[[str], None]
"""Called at each poll of an operation with the server's own words on its progress; may raise ``Stopped``."""


def path_of(*segments: str) -> str:
    """Join the parts of a path of the API, each quoted so that no name can point elsewhere.

    Raises:
        BadAddress: a part is empty, ``.`` or ``..``.
    """
    for segment in segments:
        if segment in ("", ".", ".."):
            raise BadAddress(f"{segment!r} can't be part of a path")
    return "/".join(quote(segment, safe="") for segment in segments)


class IncusApi(Protocol):
    """An Incus server over its REST API, paths relative to ``/1.0`` and already quoted (``path_of``).

    ``project``: "" is the server's default, ``ALL_PROJECTS`` works for ``list`` only. Every method raises
    ``ServerUnavailable`` when the server can't be reached or the connection breaks, ``NotFound`` for an
    object that is not there, ``NotAuthorized`` for what this client may not do, ``ServerError`` otherwise.
    Reads are tried again for some seconds when the failure is a passing one; writes only when the server
    can't have begun them.
    """

    @property
    def remote_name(self) -> str:
        """What a plan records as the remote, to find the server again."""

    def info(self) -> ServerInfo:
        """Who the server is and what it can do."""

    def get(self, path: str, *, project: str = "") -> Document:
        """One object and its ETag."""

    def list(self, path: str, *, project: str = "", recursion: int = 1) -> tuple[Json, ...]:
        """All objects of a collection in one request, as full documents.

        A collection of a project that does not exist is empty, not an error. ``recursion=0`` gives
        documents with only ``url``.
        """

    def create(self, path: str, body: Json, *, project: str = "", watch: Watch | None = None) -> Json:
        """POST; waits for the operation and returns its metadata, or the direct answer.

        Raises:
            Conflict: the name is taken.
            OperationFailed, OperationLost, OperationStalled: see there.
        """

    def replace(
        self, path: str, body: Json, *, project: str = "", etag: str = "", watch: Watch | None = None
    ) -> None:
        """PUT; waits for the operation.

        Raises:
            ChangedMeanwhile: ``etag`` was given and no longer matches.
        """

    def delete(self, path: str, *, project: str = "") -> None:
        """DELETE; waits for the operation."""

    def download(
        self, path: str, *, project: str = "", body: Json | None = None
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Stream what the server sends, in flat memory.

        With a ``body``: POST it and stream the answer (``direct_backup``). The iterator raises
        ``ServerUnavailable`` when the stream ends before the announced length or breaks off.
        """

    def upload(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        headers: Mapping[str, str],
        project: str = "",
        watch: Watch | None = None,
    ) -> Json:
        """POST a stream in flat memory and wait for the operation.

        An exception raised by ``chunks`` ends the request unfinished and comes out as it is.
        """


class FileWriter(Protocol):
    def write(self, data: bytes, /) -> int: ...


class BackupWriter(Protocol):
    """A backup being written; nobody sees it until it is committed."""

    @property
    def id(self) -> BackupId: ...

    def file(self, name: str) -> AbstractContextManager[FileWriter]:
        """Write one file. Raises ``RepositoryError`` when it can't be written (full, read-only)."""

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """The files written so far, with their sizes and hashes."""

    def commit(self, manifest: Manifest) -> None:
        """Make the backup visible, entirely and durably."""


class Repository(Protocol):
    """Where backups are kept."""

    @property
    def uri(self) -> str:
        """The canonical URI, what plans name."""

    def catalog(self) -> Catalog:
        """Which backups exist; cheap: no manifest is read. Empty while there is no repository yet.

        Raises:
            RepositoryMissing: there is none, and none may be made there.
        """

    def secret(self) -> bytes:
        """The key for hashes of sensitive values in plans; constant per repository, never shown."""

    def manifest(self, backup: BackupId) -> StoredManifest:
        """Read and check one manifest.

        Raises:
            NoSuchBackup: there is none.
            Corrupt: it is not as it was written, or not of this backup.
        """

    def check(self, backup: BackupId, tell: Tell) -> None:
        """Re-read every stored byte of a backup.

        Raises:
            Corrupt: a file is missing, cut or changed; the message names it.
        """

    def new_backup(self, ref: ResourceRef, at: datetime) -> AbstractContextManager[BackupWriter]:
        """Begin a backup; on leaving uncommitted nothing of it remains. Makes the repository if need be.

        Two backups in one second get two timestamps.
        """

    def open_file(self, backup: BackupId, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """Stream one stored file; raises ``Corrupt`` at the end if it was not what the manifest says."""

    def delete(self, backup: BackupId) -> None:
        """Remove a backup; fine if there is none."""

    def free_bytes(self) -> int | None:
        """How much more fits, None when that can't be known."""

    def record(self, report: Report, plan_json: str, facts: Iterable[RestoreFact]) -> None:
        """Keep what a run did: a new file, never an edit."""

    def restore_fact(self, address: str) -> RestoreFact | None:
        """The newest recorded restore of an address."""

    def lock(self, *, exclusive: bool, wait_seconds: float = 0) -> AbstractContextManager[None]:
        """Hold the repository. Exclusive ones wait for, or refuse beside, every other.

        Taking it removes what a killed writer left; a shared one does where nobody else holds it.

        Raises:
            RepositoryLocked: held by another after ``wait_seconds``; says who and since when.
        """


class Journal(Protocol):
    """What this machine's runs are about to make on one server (see ``model.records``)."""

    def write(self, record: Record) -> None:
        """Keep a record durably; one with the same id is replaced in one step."""

    def remove(self, record_id: str) -> None:
        """Forget a record; fine if there is none."""

    def leftovers(self) -> tuple[Record, ...]:
        """The records of runs that are no longer alive, and those this run took over from them."""

    def take_over(self, record_id: str) -> Record | None:
        """Make a leftover this run's to deal with, and nobody else's; None when it is not there to take.

        Of runs that want the same one, one gets it. What it does not remove is a leftover once it has ended.
        """


Guard = Callable[[Sequence[ResourceRef]], AbstractContextManager[None]]
"""Have instances that are frozen meanwhile woken if this process dies before the end."""


@frozen
class Tools:
    """What a kind may use while it works on one step."""

    api: IncusApi
    server: ServerInfo
    journal: Journal
    tell: Tell
    clock: Callable[[], datetime]
    owner: str
    """Identity of the repository, for the marks on temporary things."""
    guard: Guard


class BackupFiles(Protocol):
    """The stored files of one backup."""

    def open(self, name: str) -> AbstractContextManager[Iterator[bytes]]: ...


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

    def relocated(self, ref: ResourceRef, maps: Maps, to: Destination) -> ResourceRef:
        """Where a resource goes: what ``to`` says, else where the maps lead, else where it was."""

    def replace_hazards(self, current: Resource) -> frozenset[Hazard]:
        """How a replace of this living, inspected resource can hurt."""

    def labels(self, resource: Resource) -> frozenset[str]:
        """The names by which a person may ask for it: an image's fingerprint and aliases, say."""

    def companions(self, document: Json) -> frozenset[ResourceRef]:
        """What it was made from and what is attached to it: an instance's image and custom volumes.

        In the instance's own project, whoever owns them there.
        """

    def holds(self, document: Json) -> frozenset[ResourceRef]:
        """The other resources that may be paused or stopped while this one is worked on."""

    def addresses(self, document: Json, maps: Maps) -> frozenset[str]:
        """What no other on the server may have as well, in words: MAC addresses, fixed IP addresses."""

    def obstacle(self, document: Json, server: ServerInfo) -> str:
        """Why this server can't export it; empty when it can."""

    # effects

    def observe(self, api: IncusApi, project: str) -> Iterator[Resource]:
        """All resources of a project, or of all, without what costs a request each."""

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        """One resource with its ETag and snapshots; None when it is not there."""

    def is_temporary(self, resource: Resource) -> bool:
        """Whether a run of this tool made it, to remove it again."""

    def expiry(self, resource: Resource) -> datetime | None:
        """When a temporary resource that no record explains may be discarded; None: not without a person."""

    def export(self, tools: Tools, ref: ResourceRef, options: ExportOptions, into: BackupWriter) -> Captured:
        """Write the resource's archive. Nothing temporary remains on the server, or a record names it."""

    def restore(
        self,
        tools: Tools,
        manifest: Manifest,
        files: BackupFiles,
        *,
        to: ResourceRef,
        options: RestoreOptions,
        current: Resource | None,
    ) -> Made:
        """Bring a verified backup back as ``to``, in place of ``current`` where given.

        The server has either the old one, running as it ran, or its whole successor, whenever this ends.
        """

    def recover(self, tools: Tools, record: Record) -> Made:
        """Finish or undo what a killed run left; the note says what was done. Can be run again."""

    def discard(self, tools: Tools, ref: ResourceRef) -> None:
        """Remove a temporary resource with this tool's mark; refuse one without."""


class Entity(Protocol):
    """What is special about one kind of configuration entity: projects, profiles, networks …

    The state of a server's configuration is one JSON object with a list of documents per kind; it is what
    the kind ``config`` backs up, and what it finds when asked to ``inspect``.
    """

    @property
    def name(self) -> str:
        """The first part of its addresses."""

    @property
    def rank(self) -> int:
        """Lower ranks are made first and deleted last."""

    # pure

    def listed(self, state: Json) -> Iterator[Resource]:
        """The entities of this kind in a state, without ETags."""

    def relocated(self, ref: ResourceRef, maps: Maps) -> ResourceRef | None:
        """Where it goes under these maps; None where a map says that something else takes its place."""

    def comparable(self, document: Json) -> Json:
        """The part that can be given and compared: nothing read-only, nothing the server chose by itself."""

    def wanted(self, document: Json, maps: Maps) -> Json:
        """The comparable part of a stored document, with what it refers to renamed."""

    def requires(self, ref: ResourceRef, wanted: Json) -> frozenset[ResourceRef]:
        """What must be there before an entity like this can be made."""

    def is_permanent(self, ref: ResourceRef) -> bool:
        """Whether the server makes it by itself, so that it can be neither created nor deleted."""

    def hazards(self, ref: ResourceRef) -> frozenset[Hazard]:
        """How a change of a living one can hurt."""

    def obstacle(self, before: Json, wanted: Json) -> str:
        """Why a living one can't be changed so; empty when it can."""

    # effects

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        """One entity with its ETag; None when it is not there."""

    def create(self, api: IncusApi, ref: ResourceRef, wanted: Json) -> None: ...

    def update(self, api: IncusApi, ref: ResourceRef, wanted: Json, *, etag: str) -> None:
        """Change what differs, keep what the server chose by itself; an empty ETag: whatever it is now."""

    def delete(self, api: IncusApi, ref: ResourceRef) -> None:
        """Fine if there is none."""
