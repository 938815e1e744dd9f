"""What a plan is made from. Pure."""

from collections.abc import Mapping
from datetime import datetime

from attrs import evolve, field, frozen

from ...model.actions import Create, Replace, Restore, Update
from ...model.backups import Catalog, RepositoryIdentity
from ...model.documents import Json
from ...model.facts import Evidence
from ...model.inventory import Inventory
from ...model.plans import Drift, Missed, ServerIdentity, Step
from ...model.policies import Guards, PolicyFile
from ...model.refs import ResourceRef
from ...ports import Entity, Kind
from ..ownership import owned
from ..resumption import Finished
from .diff import SENSITIVE, Redactor


@frozen
class World:
    """Everything a plan is made from, besides the goals.

    ``promised``: what earlier steps of the same plan will have made, by which step. ``sensitive``: names of
    fields whose values never appear, besides those that never do. ``finished``: by an interrupted run that
    this one goes on with.
    """

    inventory: Inventory
    catalog: Catalog
    evidence: Evidence
    kinds: Mapping[str, Kind]
    now: datetime
    entities: Mapping[str, Entity] = field(factory=dict)
    promised: Mapping[ResourceRef, tuple[Step, Json]] = field(factory=dict)
    sensitive: tuple[str, ...] = ()
    finished: Finished = field(factory=Finished)

    @property
    def redactor(self) -> Redactor:
        return Redactor(self.evidence.secret, (*SENSITIVE, *self.sensitive))

    def expecting(self, made: Mapping[ResourceRef, tuple[Step, Json]]) -> "World":
        """The world after these steps, as far as what they make is concerned."""
        if not made:
            return self
        return evolve(self, promised={**self.promised, **made})

    def document(self, ref: ResourceRef) -> Json | None:
        """What is there, or will be, under this address in this very project."""
        if ref in self.promised:
            return self.promised[ref][1]
        if ref in self.inventory.surroundings:
            return self.inventory.surroundings[ref]
        resource = self.inventory.resources.get(ref)
        return resource.document if resource else None

    def owned(self, ref: ResourceRef) -> ResourceRef:
        """Where something that a project refers to really is, or will be."""
        return owned(ref, self.document)

    def is_promised(self, ref: ResourceRef) -> bool:
        return ref in self.promised

    def steps_making(self, refs: frozenset[ResourceRef]) -> tuple[str, ...]:
        """The ids of the steps that make what is referred to."""
        made = {self.owned(ref) for ref in refs} & self.promised.keys()
        return tuple(sorted({self.promised[ref][0].id for ref in made}))


def made_by(step: Step, document: Json) -> Mapping[ResourceRef, tuple[Step, Json]]:
    """Tell what later steps may rely on once this one is done."""
    match step.action:
        case Restore(to=ref) | Replace(to=ref) | Create(ref=ref) | Update(ref=ref):
            return {ref: (step, document)}
        case _:
            return {}


@frozen
class PlanContext:
    """What a plan says of where it comes from, and what it must not do."""

    server: ServerIdentity
    repository: RepositoryIdentity
    policies: tuple[PolicyFile, ...] = ()
    drift: Drift = field(factory=Drift)
    warnings: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    covered: int = 0
    missed: tuple[Missed, ...] = ()
    guards: Guards = field(factory=Guards)
