"""What is special about each kind of configuration entity."""

from collections.abc import Iterator
from typing import Protocol

from ..model.documents import Json
from ..model.facts import Foreseen
from ..model.inventory import Resource
from ..model.plans import Hazard
from ..model.policies import Maps
from ..model.refs import ResourceRef
from .server import IncusApi


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

    def own_description(self, ref: ResourceRef) -> str:
        """How the server describes what it makes by itself; empty for anything else."""

    def is_as_made(self, ref: ResourceRef, document: Json) -> bool:
        """Whether the server made it by itself, and nobody has said anything about it since."""

    def hazards(self, ref: ResourceRef) -> frozenset[Hazard]:
        """How a change of a living one can hurt."""

    def obstacle(self, before: Json, wanted: Json) -> str:
        """Why a living one can't be changed so; empty when it can."""

    # effects

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        """One entity with its ETag; None when it is not there."""

    def foresee_end(self, api: IncusApi, ref: ResourceRef) -> Foreseen:
        """Whether the server would refuse to delete it, since something that is no configuration needs it."""

    def create(self, api: IncusApi, ref: ResourceRef, wanted: Json) -> None: ...

    def update(self, api: IncusApi, ref: ResourceRef, wanted: Json, *, etag: str) -> None:
        """Change what differs, keep what the server chose by itself; an empty ETag: whatever it is now."""

    def delete(self, api: IncusApi, ref: ResourceRef) -> None:
        """Fine if there is none."""
