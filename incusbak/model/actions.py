"""What the step of a plan does: one frozen class for each deed."""

from attrs import field, frozen

from .backups import ExportOptions, RepositoryIdentity
from .goals import RestoreOptions
from .policies import Hooks
from .refs import BackupId, ResourceRef


@frozen
class BackUp:
    """Make a backup, with ``hooks`` run around it.

    ``full_bytes``: what the last full backup has of it without its snapshots, to see that no less is left by
    far; None where that is not known.
    """

    ref: ResourceRef
    options: ExportOptions
    hooks: Hooks = field(factory=Hooks)
    full_bytes: int | None = None


@frozen
class Copy:
    """Copy backups as they are from another repository."""

    ref: ResourceRef
    backups: tuple[BackupId, ...]
    source: RepositoryIdentity


@frozen
class Verify:
    """Read backups again from end to end, and keep what was found.

    ``whole`` false: only their manifests and the beginnings of their files.
    """

    ref: ResourceRef
    backups: tuple[BackupId, ...]
    whole: bool = True


@frozen
class Rehearse:
    """Bring a backup up in a scratch project without a network, probe it, remove it, and keep what was found.

    ``backup`` None: the one that this plan makes before. The ``probe`` commands must succeed within
    ``timeout_seconds`` of its start.
    """

    ref: ResourceRef
    backup: BackupId | None
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
class Accept:
    """Note that a backup is right, though it holds much less than those before it."""

    backup: BackupId


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
    | Copy
    | Verify
    | Rehearse
    | Prune
    | Purge
    | Pin
    | Accept
    | Undelete
    | Restore
    | Replace
    | Recover
    | Discard
    | Create
    | Update
    | Delete
)
