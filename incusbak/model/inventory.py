"""What was seen on the server."""

from collections.abc import Mapping

from attrs import field, frozen

from .documents import Json
from .records import ImageImport, Quarantined, Record, Restoration, VolumeRestoration
from .refs import ResourceRef


@frozen
class ServerInfo:
    """Who answered. ``fingerprint`` (SHA-256 of the server's certificate) is its identity."""

    fingerprint: str
    name: str
    version: str
    extensions: frozenset[str] = frozenset()

    def has(self, extension: str) -> bool:
        return extension in self.extensions


@frozen
class Resource:
    """One protected resource, or one entity of the configuration.

    ``document`` is as the server gave it; ``etag``, ``snapshots`` and ``stops`` are known only where a kind
    was asked to ``inspect`` it, since they cost requests. ``stops``: the other resources, running now, that
    have to be stopped before this one can be replaced.
    """

    ref: ResourceRef
    document: Json
    etag: str = ""
    snapshots: tuple[Json, ...] = ()
    stops: tuple[ResourceRef, ...] = ()


_RESTORES = (Restoration, VolumeRestoration, ImageImport)


@frozen
class Inventory:
    """The server as far as a plan needs it.

    ``surroundings`` holds projects, profiles, networks, pools and volumes: what a restore may refer to.
    ``leftovers`` are records of runs that ended without cleaning up; ``strays`` are things with this
    tool's mark that no record of this machine explains. ``parts``: what is no resource of its own, each with
    the one that it is part of. ``quarantined``: leftovers that can't be cleaned up, and are as they were when
    that was tried.
    """

    server: ServerInfo
    resources: Mapping[ResourceRef, Resource] = field(factory=dict)
    surroundings: Mapping[ResourceRef, Json] = field(factory=dict)
    leftovers: tuple[Record, ...] = ()
    strays: tuple[Resource, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    parts: Mapping[ResourceRef, ResourceRef] = field(factory=dict)

    def driver_of(self, pool: str) -> str:
        """The driver of a storage pool; empty for one that is not there."""
        return str(self.surroundings.get(ResourceRef("pool", name=pool), {}).get("driver", ""))

    @property
    def unsettled(self) -> frozenset[ResourceRef]:
        """What an interrupted restore was to bring: maybe not under its name now, but it will be again."""
        return frozenset(record.ref for record in self.leftovers if isinstance(record, _RESTORES))
