"""What was read for particular goals, beyond what an inventory and a catalog hold."""

from collections.abc import Mapping

from attrs import field, frozen

from .backups import Compression, StoredManifest
from .inventory import Resource
from .notes import Rehearsal
from .refs import BackupId, ResourceRef
from .results import RestoreFact


@frozen
class Evidence:
    """Manifests, the living targets of restores and entities that differ, in full, and earlier restores.

    ``free_bytes`` is by pool, for those of which it is known, ``target_free_bytes`` of the repository's disk;
    ``secret`` keys the hashes of sensitive values. ``rehearsals``: the last of each backup, where it matters.
    ``usual_compression``: the repository's. ``damaged``: backups whose manifest is not what was written,
    which nobody knew before; ``unreadable``: those whose manifest can't be read now, and why.
    """

    manifests: Mapping[BackupId, StoredManifest] = field(factory=dict)
    targets: Mapping[ResourceRef, Resource] = field(factory=dict)
    facts: Mapping[ResourceRef, RestoreFact] = field(factory=dict)
    free_bytes: Mapping[str, int] = field(factory=dict)
    secret: bytes = b""
    target_free_bytes: int | None = None
    rehearsals: Mapping[BackupId, Rehearsal] = field(factory=dict)
    usual_compression: Compression = Compression.ZSTD
    damaged: Mapping[BackupId, str] = field(factory=dict)
    unreadable: Mapping[BackupId, str] = field(factory=dict)
