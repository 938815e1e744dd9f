"""Plans: what would be done, why, and what must still be true when it is done."""

from enum import StrEnum
from typing import Any

from attrs import frozen

from .actions import Action
from .backups import RepositoryIdentity
from .policies import PolicyFile
from .refs import BackupId, ResourceRef


class Hazard(StrEnum):
    """How a step can hurt."""

    REPLACES_RESOURCE = "replaces-resource"
    DELETES_RESOURCE = "deletes-resource"
    DELETES_BACKUP = "deletes-backup"
    STOPS_INSTANCE = "stops-instance"
    CHANGES_NETWORK = "changes-network"
    CHANGES_POOL = "changes-pool"
    LOSES_CONTENT = "loses-content"
    """What comes back holds next to nothing, though earlier backups hold more, and nobody agreed to that."""


@frozen
class Change:
    """One field that would change. None: not there. Secrets appear as keyed hashes."""

    path: str
    before: Any
    after: Any


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
class HasCopies:
    """Another repository is the same one, and these backups are there."""

    source: RepositoryIdentity
    backups: tuple[BackupId, ...]


@frozen
class HasRecord:
    """The journal still holds this record."""

    record: str


Expectation = Exists | Absent | Unchanged | HasManifest | HasBackups | HasCopies | HasRecord


@frozen
class Stay:
    """A volume that a restored instance is attached to and that is left as it is.

    ``backup``: what would be taken in its place; None: there is none that is good and no newer.
    """

    ref: ResourceRef
    backup: BackupId | None


@frozen
class Step:
    """One entry of a plan; ``after`` names earlier steps only, so there can be no cycle.

    ``estimated_bytes`` is what will be moved, None when nothing is known about it; ``basis`` says from what
    that is known. ``holds``: other resources that are paused, stopped or changed on the way, and a project
    with limits, where there may be room for one restore at a time; no two steps with one in common are
    carried out at once. ``passed_over``: newer backups than the one that is taken, which are known to be
    damaged. ``stays``: what a restored instance finds as it is.
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
    passed_over: tuple[BackupId, ...] = ()
    stays: tuple[Stay, ...] = ()

    @property
    def others(self) -> tuple[ResourceRef, ...]:
        """What happens to others on the way; nothing does to a project."""
        return tuple(ref for ref in self.holds if ref.kind != "project")


@frozen
class Missed:
    """Something that was asked for and that no step does, though others are done.

    ``reason``: why, in words. ``hint``: what to do about it. ``damaged``: the reason is that stored backups
    are not as they were written.
    """

    address: str
    reason: str
    hint: str = ""
    damaged: bool = False


@frozen
class ServerIdentity:
    """Which server the plan is for; ``fingerprint``: SHA-256 of its certificate."""

    fingerprint: str
    name: str
    remote: str


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
    copy: int = 0
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
    ``missed``: what was asked for and can't be done; whatever the steps come to, it is not all done.
    ``unmet``: what is not as the policy expects, in words; it keeps no step from being carried out.
    ``covered``: how many resources it was looked at whether something is to be done about them.
    """

    server: ServerIdentity
    repository: RepositoryIdentity
    policies: tuple[PolicyFile, ...] = ()
    steps: tuple[Step, ...] = ()
    missed: tuple[Missed, ...] = ()
    drift: Drift = Drift()
    blocks: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    covered: int = 0
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
