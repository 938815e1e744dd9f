"""What a repository holds."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from operator import attrgetter

from attrs import evolve, field, frozen

from .documents import Json
from .notes import CLOCK_SKEW, UNKNOWN, BackupHealth
from .refs import BackupId, ResourceRef, format_timestamp


class Compression(StrEnum):
    """How archives are stored; the value is what policies and flags say."""

    ZSTD = "zstd"
    GZIP = "gzip"
    XZ = "xz"
    NONE = "none"

    @property
    def suffix(self) -> str:
        return {"zstd": ".tar.zst", "gzip": ".tar.gz", "xz": ".tar.xz", "none": ".tar"}[self.value]


class Consistency(StrEnum):
    """What moment an archive shows."""

    STOPPED = "stopped"
    POINT_IN_TIME = "point-in-time"
    LIVE = "live"
    """The moving tree: files may be of different moments."""


class Method(StrEnum):
    """How that was reached."""

    DIRECT = "direct"
    """Exported as it is; the storage driver snapshots by itself, or the instance is stopped."""
    TEMPORARY_COPY = "temporary-copy"
    """A two-pass copy, frozen by the server only for the second pass, was exported."""


@frozen
class ExportWishes:
    """How somebody wants it backed up. ``compression`` None: as suits the repository.

    ``snapshot`` false: the live tree. ``optimized``: the storage driver's own format.
    """

    snapshot: bool = True
    optimized: bool = False
    compression: Compression | None = None

    def settled(self, usual: Compression) -> "ExportOptions":
        """Say how it is done where that compression is usual."""
        return ExportOptions(self.snapshot, self.optimized, self.compression or usual)


@frozen
class ExportOptions(ExportWishes):
    """How to back up; a wish that leaves nothing open."""

    compression: Compression = Compression.ZSTD


@frozen
class StoredFile:
    """One file of a backup, as written."""

    name: str
    size_bytes: int
    sha256: str


@frozen
class Source:
    """The server a backup came from."""

    fingerprint: str
    name: str
    version: str


@frozen
class Captured:
    """What a kind learned while it exported a resource.

    ``resource`` is the server's full document, ``snapshots`` those of its snapshots; ``references`` are
    the addresses it needs to run; ``pool_driver`` matters for optimized archives. ``content_bytes`` is the
    size of the archive before compression, ``data_bytes`` what its files take with their holes left out,
    ``own_bytes`` that without snapshots; None where an older version did not note it. ``elsewhere``: how much
    of what its files take lies on other pools than ``pool``, by their names. ``volumes``: the documents of
    those that are part of it, by the names of the devices that have them.
    """

    resource: Json
    snapshots: tuple[Json, ...]
    consistency: Consistency
    method: Method
    references: tuple[ResourceRef, ...]
    pool: str
    pool_driver: str
    content_bytes: int
    data_bytes: int | None = None
    own_bytes: int | None = None
    elsewhere: Mapping[str, int] = field(factory=dict)
    volumes: Mapping[str, Json] = field(factory=dict)


@frozen
class Manifest:
    """``manifest.json``: all there is to know about a backup without opening its archive."""

    id: BackupId
    source: Source
    options: ExportOptions
    captured: Captured
    files: tuple[StoredFile, ...]
    tool_version: str
    format_version: int = 1

    @property
    def size_bytes(self) -> int:
        return sum(stored.size_bytes for stored in self.files)

    def least_share(self, size_bytes: int) -> int:
        """What so much of its content takes at least: hardly less than once compressed."""
        whole = self._unpacked_bytes
        return size_bytes * min(self.size_bytes, whole) // whole if whole else 0

    @property
    def content_by_pool(self) -> Mapping[str, int]:
        """How much its content takes on each pool, the one of the resource itself first."""
        elsewhere = self.captured.elsewhere
        return {self.captured.pool: self._unpacked_bytes - sum(elsewhere.values()), **elsewhere}

    @property
    def _unpacked_bytes(self) -> int:
        data = self.captured.data_bytes
        return self.captured.content_bytes if data is None else data


@frozen
class StoredManifest:
    """A manifest and the SHA-256 of the bytes it was read from."""

    manifest: Manifest
    sha256: str


@frozen
class Catalog:
    """Which backups exist; nothing of their content is read for it.

    ``repository_id`` is empty while the repository is not there yet. ``healths``: of those with notes.
    ``removed``: what can be taken back, and when it was removed. Backups are oldest first.
    """

    repository_id: str = ""
    backups: Mapping[ResourceRef, tuple[BackupId, ...]] = field(factory=dict)
    healths: Mapping[BackupId, BackupHealth] = field(factory=dict)
    removed: Mapping[BackupId, datetime] = field(factory=dict)

    def health(self, backup: BackupId) -> BackupHealth:
        return self.healths.get(backup, UNKNOWN)

    def of(self, ref: ResourceRef) -> tuple[BackupId, ...]:
        """The backups of a resource, oldest first."""
        return self.backups.get(ref, ())

    def known(self, ref: ResourceRef) -> Mapping[BackupId, BackupHealth]:
        """The backups of a resource, oldest first, and what notes say of each."""
        return self._known.get(ref, {})

    @cached_property
    def _known(self) -> Mapping[ResourceRef, Mapping[BackupId, BackupHealth]]:
        return {ref: {each: self.health(each) for each in ids} for ref, ids in self.backups.items()}

    def is_damaged(self, ref: ResourceRef) -> bool:
        """Whether the newest backup of a resource is known to be damaged."""
        known = self.known(ref)
        newest = next((b for b in reversed(self.of(ref)) if not known[b].ahead), None)
        return newest is not None and known[newest].damaged

    def ahead(self, ref: ResourceRef) -> tuple[BackupId, ...]:
        """The backups of a resource that are dated in the future, oldest first."""
        return tuple(backup for backup, health in self.known(ref).items() if health.ahead)

    def rehearsed(self, ref: ResourceRef) -> BackupId | None:
        """The backup of a resource that was rehearsed last; it may be gone by now."""
        return self._rehearsed.get(ref)

    @cached_property
    def _rehearsed(self) -> Mapping[ResourceRef, BackupId]:
        times = {b: health.rehearsed for b, health in self.healths.items() if health.rehearsed}
        return {backup.ref: backup for backup in sorted(times, key=lambda b: (times[b], b))}

    def newest(self, ref: ResourceRef, *, not_after: datetime | None = None) -> BackupId | None:
        """The newest backup that is not known to be damaged, nor dated in the future."""
        return next((b for b in reversed(self.up_to(ref, not_after)) if self.health(b).counts), None)

    def last(self, ref: ResourceRef) -> BackupId | None:
        """The backup that tells most of a resource: the newest good one, else the newest."""
        return self.newest(ref) or next(reversed(self.of(ref)), None)

    def up_to(self, ref: ResourceRef, moment: datetime | None) -> tuple[BackupId, ...]:
        """The backups of a resource up to a moment (None: all), oldest first, whatever they are worth."""
        return tuple(b for b in self.of(ref) if moment is None or b.created <= moment)

    def knowing(self, damaged: Iterable[BackupId]) -> "Catalog":
        """The same, but that these backups were found damaged since."""
        found = {backup: evolve(self.health(backup), damaged=True) for backup in damaged}
        return evolve(self, healths={**self.healths, **found})

    def last_full(self, ref: ResourceRef, *, not_after: datetime | None = None) -> BackupId | None:
        """The newest good backup that does not hold much less than those before it."""
        known = self.known(ref)
        backups = reversed(self.up_to(ref, not_after))
        return next((b for b in backups if known[b].counts and not known[b].shrunk), None)

    def doubted(self, ref: ResourceRef) -> tuple[BackupId, ...]:
        """The good backups after the last full one which hold next to nothing; oldest first.

        None where nothing is left that holds more, damaged or not.
        """
        full = self.last_full(ref)
        if self.yardstick(ref) is None:
            return ()
        later = (b for b in self.of(ref) if full is None or b.timestamp > full.timestamp)
        return tuple(b for b in later if self.health(b).shrunk and self.health(b).counts)

    def held(self, ref: ResourceRef) -> frozenset[BackupId]:
        """Those that such doubted ones don't replace; damaged ones where none else holds more."""
        if not self.doubted(ref):
            return frozenset()
        fuller = {b: health for b, health in self.known(ref).items() if not (health.shrunk or health.ahead)}
        good = frozenset(backup for backup, health in fuller.items() if health.counts)
        return good or frozenset(fuller)

    def yardstick(self, ref: ResourceRef) -> BackupId | None:
        """The last one that tells how much there was; a damaged one does as well."""
        fuller = (b for b in reversed(self.of(ref)) if not (self.health(b).shrunk or self.health(b).ahead))
        return self.last_full(ref) or next(fuller, None)

    def removed_of(self, ref: ResourceRef) -> Mapping[BackupId, datetime]:
        """What of a resource can be taken back, oldest first."""
        return self._removed.get(ref, {})

    @cached_property
    def _removed(self) -> Mapping[ResourceRef, Mapping[BackupId, datetime]]:
        grouped = _by_resource(self.removed)
        return {ref: {backup: self.removed[backup] for backup in ids} for ref, ids in grouped.items()}


def catalog_of(
    repository_id: str,
    backups: Iterable[BackupId],
    *,
    healths: Mapping[BackupId, BackupHealth] | None = None,
    removed: Mapping[BackupId, datetime] | None = None,
    at: datetime | None = None,
) -> Catalog:
    """Group backups by resource, sorted, whatever order they come in.

    Args:
        at: what time it is, to tell which are dated in the future; None: none is.
    """
    grouped, known = _by_resource(backups), dict(healths or {})
    if at is not None:
        latest = format_timestamp(at + CLOCK_SKEW)  # timestamps sort as text
        late = (backup for ids in grouped.values() for backup in ids if backup.timestamp > latest)
        known |= {backup: evolve(known.get(backup, UNKNOWN), ahead=True) for backup in late}
    return Catalog(repository_id, grouped, known, removed or {})


def _by_resource(backups: Iterable[BackupId]) -> dict[ResourceRef, tuple[BackupId, ...]]:
    grouped: dict[ResourceRef, list[BackupId]] = {}
    for backup in backups:
        grouped.setdefault(backup.ref, []).append(backup)
    oldest_first = attrgetter("timestamp")
    return {ref: tuple(sorted(grouped[ref], key=oldest_first)) for ref in sorted(grouped)}


@frozen
class RepositoryIdentity:
    """``id`` is empty while the repository is not there yet: the apply makes it."""

    id: str
    uri: str


@frozen
class LockHolder:
    """Who holds a repository's lock, for the message to the one who waits."""

    host: str
    pid: int
    command: str
    since: datetime
