"""Plans: what would be done, why, and what must still be true when it is done."""

from enum import StrEnum
from typing import Any

from attrs import field, frozen

from .backups import ExportOptions
from .goals import RestoreOptions
from .policies import Hooks, PolicyFile
from .refs import BackupId, ResourceRef


class Hazard(StrEnum):
    """How a step can hurt."""

    REPLACES_RESOURCE = "replaces-resource"
    DELETES_RESOURCE = "deletes-resource"
    DELETES_BACKUP = "deletes-backup"
    STOPS_INSTANCE = "stops-instance"
    CHANGES_NETWORK = "changes-network"
    CHANGES_POOL = "changes-pool"


@frozen
class Change:
    """One field that would change. None: not there. Secrets appear as keyed hashes."""

    path: str
    before: Any
    after: Any


# -- what a step does -------------------------------------------------------------------------------


@frozen
class BackUp:
    """Make a backup, with ``hooks`` run around it."""

    ref: ResourceRef
    options: ExportOptions
    hooks: Hooks = field(factory=Hooks)


@frozen
class Verify:
    """Read backups again from end to end, and keep what was found."""

    ref: ResourceRef
    backups: tuple[BackupId, ...]


@frozen
class Rehearse:
    """Bring a backup up in a scratch project without a network, probe it, remove it, and keep what was found.

    The ``probe`` commands must succeed within ``timeout_seconds`` of its start.
    """

    backup: BackupId
    probe: tuple[tuple[str, ...], ...]
    timeout_seconds: int


@frozen
class Kept:
    """A backup that stays, and which rules want it."""

    backup: BackupId
    reasons: tuple[str, ...]


@frozen
class Prune:
    """Remove backups that no rule wants; for some time that can be taken back. ``keep``: the others."""

    ref: ResourceRef
    backups: tuple[BackupId, ...]
    keep: tuple[Kept, ...]


@frozen
class Purge:
    """Delete for good what was removed."""

    ref: ResourceRef
    backups: tuple[BackupId, ...]


@frozen
class Pin:
    """Have a backup kept whatever the rules say (``pinned``), or no longer."""

    backup: BackupId
    pinned: bool


@frozen
class Undelete:
    """Take back a removal."""

    backup: BackupId


@frozen
class Restore:
    """Bring ``source`` back as ``to``, which is not there."""

    source: BackupId
    to: ResourceRef
    options: RestoreOptions


@frozen
class Replace:
    """Bring ``source`` back in place of the living ``to``."""

    source: BackupId
    to: ResourceRef
    options: RestoreOptions


@frozen
class Recover:
    """Finish or undo what a killed run left; ``record`` is the id of its journal record."""

    record: str
    ref: ResourceRef


@frozen
class Discard:
    """Remove a temporary resource with this tool's mark whose time is up."""

    ref: ResourceRef


@frozen
class Create:
    """Make an entity of the configuration as ``source`` holds it."""

    source: BackupId
    ref: ResourceRef
    options: RestoreOptions


@frozen
class Update:
    """Change an entity of the configuration to what ``source`` holds."""

    source: BackupId
    ref: ResourceRef
    options: RestoreOptions


@frozen
class Delete:
    """Delete an entity of the configuration that the backup does not know."""

    ref: ResourceRef


Action = (
    BackUp
    | Verify
    | Rehearse
    | Prune
    | Purge
    | Pin
    | Undelete
    | Restore
    | Replace
    | Recover
    | Discard
    | Create
    | Update
    | Delete
)

# -- what must still be true ------------------------------------------------------------------------


@frozen
class Exists:
    """The resource is there and is the same one (``identity``: its volatile.uuid)."""

    ref: ResourceRef
    identity: str


@frozen
class Absent:
    """There is no such resource."""

    ref: ResourceRef


@frozen
class Unchanged:
    """The resource is exactly as it was seen, and the same others have to be stopped to replace it."""

    ref: ResourceRef
    identity: str
    generation: str
    etag: str
    snapshots: tuple[str, ...]
    stops: tuple[ResourceRef, ...] = ()


@frozen
class HasManifest:
    """The backup is there and its manifest has the same bytes."""

    backup: BackupId
    sha256: str


@frozen
class HasBackups:
    """These backups are there, and none of the ``sound`` ones is known to be damaged by now."""

    backups: tuple[BackupId, ...]
    sound: tuple[BackupId, ...] = ()


@frozen
class HasRecord:
    """The journal still holds this record."""

    record: str


Expectation = Exists | Absent | Unchanged | HasManifest | HasBackups | HasRecord


@frozen
class Step:
    """One entry of a plan; ``after`` names earlier steps only, so there can be no cycle.

    ``estimated_bytes`` is what will be moved, None when nothing is known about it; ``basis`` says from what
    that is known. ``holds``: other resources that are paused, stopped or changed on the way; no two steps
    with one in common are carried out at once.
    """

    id: str
    address: str
    action: Action
    reason: str
    hazards: tuple[Hazard, ...] = ()
    after: tuple[str, ...] = ()
    expects: tuple[Expectation, ...] = ()
    changes: tuple[Change, ...] = ()
    estimated_bytes: int | None = None
    basis: str = ""
    holds: tuple[ResourceRef, ...] = ()


@frozen
class ServerIdentity:
    """Which server the plan is for; ``fingerprint``: SHA-256 of its certificate."""

    fingerprint: str
    name: str
    remote: str


@frozen
class RepositoryIdentity:
    """``id`` is empty while the repository is not there yet: the apply makes it."""

    id: str
    uri: str


@frozen
class Drift:
    """How things are not as the policy says, apart from what is to be restored.

    ``unprotected``: addresses no rule covers, but those that are ``opted_out`` by configuration of their own.
    ``unmatched``: rules that match nothing. ``reconfigured``: addresses of entities of the configuration that
    are not as in its last backup. ``overdue``: addresses whose newest good backup is older than promised.
    ``damaged``: addresses whose newest backup is known to be damaged.
    """

    unprotected: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    opted_out: tuple[str, ...] = ()
    reconfigured: tuple[str, ...] = ()
    overdue: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


@frozen
class Summary:
    """How many steps there are of each sort."""

    backup: int = 0
    verify: int = 0
    rehearse: int = 0
    prune: int = 0
    mark: int = 0
    restore: int = 0
    replace: int = 0
    clean_up: int = 0
    create: int = 0
    update: int = 0
    delete: int = 0


@frozen
class Plan:
    """A complete, deterministic description of what apply will do.

    ``blocks``: what a guard forbids, in words; the plan is carried out only if that is overruled.
    """

    server: ServerIdentity
    repository: RepositoryIdentity
    policies: tuple[PolicyFile, ...] = ()
    steps: tuple[Step, ...] = ()
    drift: Drift = Drift()
    blocks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    summary: Summary = Summary()

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        return tuple(sorted({hazard for step in self.steps for hazard in step.hazards}))


@frozen
class Meta:
    """When and by what a plan was made; outside of the digest."""

    created: str
    tool_version: str


@frozen
class PlanFile:
    """``plan.json``."""

    meta: Meta
    digest: str
    plan: Plan
    format_version: int = 1
