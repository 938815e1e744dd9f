"""What was seen on the server."""

from collections.abc import Mapping

from attrs import field, frozen

from .documents import Json
from .records import ImageImport, Phase, Quarantined, Record, Restoration, VolumeRestoration
from .refs import ResourceRef


@frozen
class ServerInfo:
    """Who answered. ``fingerprint`` (SHA-256 of the server's certificate) is its identity.

    ``process``: what it runs as, which is another one after each restart; empty where that is not told.
    """

    fingerprint: str
    name: str
    version: str
    extensions: frozenset[str] = frozenset()
    process: str = ""

    def has(self, extension: str) -> bool:
        return extension in self.extensions


@frozen(order=True)
class Listener:
    """A device that listens on the host: at ports of an address, or at a path (``protocol`` unix)."""

    device: str
    protocol: str
    address: str
    ports: tuple[tuple[int, int], ...] = ()
    """The first and the last of each range."""

    def __str__(self) -> str:
        ports = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in self.ports)
        return ":".join(filter(None, (self.protocol, self.address, ports)))

    def meets(self, other: "Listener") -> bool:
        """Whether both can't listen at once."""
        if self.protocol != other.protocol:
            return False
        if self.protocol == "unix":
            return self.address == other.address
        shared = any(max(a[0], b[0]) <= min(a[1], b[1]) for a in self.ports for b in other.ports)
        return shared and _meet(self.address, other.address)


def _meet(one: str, other: str) -> bool:
    """Whether an address is another one, or means it as well: ``::`` means all there are."""
    if one == other or "::" in (one, other):
        return True
    return "0.0.0.0" in (one, other) and ":" not in one + other


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
    def projects(self) -> tuple[str, ...]:
        """The projects that can be seen."""
        return tuple(sorted(ref.name for ref in self.surroundings if ref.kind == "project"))

    @property
    def unsettled(self) -> frozenset[ResourceRef]:
        """What an interrupted restore was to bring: maybe not under its name now, but it will be again."""
        return frozenset(
            record.ref
            for record in self.leftovers
            if isinstance(record, ImageImport)
            or (isinstance(record, Restoration | VolumeRestoration) and record.phase is not Phase.RETIRING)
        )
