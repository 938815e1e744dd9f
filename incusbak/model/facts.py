"""What was read for particular goals, beyond what an inventory and a catalog hold."""

from collections.abc import Mapping

from attrs import field, frozen

from .admissions import Room
from .backups import Compression, StoredManifest
from .inventory import Resource
from .notes import Rehearsal
from .refs import BackupId, ResourceRef
from .results import RestoreFact


@frozen
class Growth:
    """By how much the limit of an instance's root disk is raised for a while, and on which pool that is."""

    ref: ResourceRef
    pool: str
    more_bytes: int


@frozen
class Foreseen:
    """What is known beforehand of a replace.

    ``obstacle``: why the server would refuse it, with a ``hint`` what to do; empty where it would not.
    ``warnings``: what is done about lesser troubles, or might have to be. ``grows``: the root disks that are
    full and get a larger limit for the while.
    """

    obstacle: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()
    grows: tuple[Growth, ...] = ()


@frozen
class Evidence:
    """Manifests, the living targets of restores and entities that differ, in full, and earlier restores.

    ``free_bytes`` is by pool, for those of which it is known, ``target_free_bytes`` of the repository's disk;
    ``secret`` keys the hashes of sensitive values. ``rehearsals``: the last of each backup, where it matters.
    ``usual_compression``: the repository's. ``rooms``: of projects with limits, by the names of these.
    ``foreseen``: of the targets that would be replaced. ``damaged``: backups whose manifest is not what was
    written, which nobody knew before; ``unreadable``: those whose manifest can't be read now, and why.
    """

    manifests: Mapping[BackupId, StoredManifest] = field(factory=dict)
    targets: Mapping[ResourceRef, Resource] = field(factory=dict)
    facts: Mapping[ResourceRef, RestoreFact] = field(factory=dict)
    free_bytes: Mapping[str, int] = field(factory=dict)
    secret: bytes = b""
    target_free_bytes: int | None = None
    rehearsals: Mapping[BackupId, Rehearsal] = field(factory=dict)
    usual_compression: Compression = Compression.ZSTD
    rooms: Mapping[str, Mapping[str, Room]] = field(factory=dict)
    foreseen: Mapping[ResourceRef, Foreseen] = field(factory=dict)
    damaged: Mapping[BackupId, str] = field(factory=dict)
    unreadable: Mapping[BackupId, str] = field(factory=dict)
