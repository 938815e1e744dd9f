"""Kinds of configuration entities made of dictionaries, to see what the engine does with any of them."""

from collections.abc import Iterator, Mapping

from attrs import Factory, define

from incusbak.errors import ChangedMeanwhile
from incusbak.model.documents import Json
from incusbak.model.facts import Foreseen
from incusbak.model.inventory import Resource
from incusbak.model.plans import Hazard
from incusbak.model.policies import Maps
from incusbak.model.refs import ResourceRef
from incusbak.ports import IncusApi


@define
class ToyEntity:
    """Entities of one kind in project ``default``: a state has a mapping of names to definitions.

    A definition's ``needs`` are addresses of kind and name; the one called ``default`` is permanent.
    """

    name: str
    rank: int
    there: dict[str, Json] = Factory(dict)
    done: list[str] = Factory(list)

    def ref(self, name: str) -> ResourceRef:
        return ResourceRef(self.name, name=name, project="default")

    def listed(self, state: Json) -> Iterator[Resource]:
        for name, definition in state.get(self.name, {}).items():
            yield Resource(self.ref(name), definition)

    def relocated(self, ref: ResourceRef, maps: Maps) -> ResourceRef | None:
        renamed: Mapping[str, str] = getattr(maps, f"{self.name}s", {})
        return None if ref.name in renamed else ref

    def comparable(self, document: Json) -> Json:
        return {key: value for key, value in document.items() if key != "noise"}

    def wanted(self, document: Json, maps: Maps) -> Json:
        return self.comparable(document)

    def requires(self, ref: ResourceRef, wanted: Json) -> frozenset[ResourceRef]:
        needs = (need.split("/") for need in wanted.get("needs", ()))
        return frozenset(ResourceRef(kind, name=name, project="default") for kind, name in needs)

    def is_permanent(self, ref: ResourceRef) -> bool:
        return ref.name == "default"

    def own_description(self, ref: ResourceRef) -> str:
        return "as made" if self.is_permanent(ref) else ""

    def is_as_made(self, ref: ResourceRef, document: Json) -> bool:
        return self.is_permanent(ref) and document in ({}, {"description": "as made"})

    def hazards(self, ref: ResourceRef) -> frozenset[Hazard]:
        return frozenset({Hazard.CHANGES_NETWORK} if self.name == "network" else ())

    def obstacle(self, before: Json, wanted: Json) -> str:
        return "its type is fixed" if before.get("type") != wanted.get("type") else ""

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        definition = self.there.get(ref.name)
        return None if definition is None else Resource(ref, definition, f"etag {definition}")

    def foresee_end(self, api: IncusApi, ref: ResourceRef) -> Foreseen:
        return Foreseen(str(self.there[ref.name].get("holds", "")))

    def create(self, api: IncusApi, ref: ResourceRef, wanted: Json) -> None:
        self.there[ref.name] = wanted
        self.done.append(f"create {ref}")

    def update(self, api: IncusApi, ref: ResourceRef, wanted: Json, *, etag: str) -> None:
        if etag and etag != f"etag {self.there[ref.name]}":
            raise ChangedMeanwhile(f"{ref} was changed")
        self.there[ref.name] = wanted
        self.done.append(f"update {ref}")

    def delete(self, api: IncusApi, ref: ResourceRef) -> None:
        self.there.pop(ref.name, None)
        self.done.append(f"delete {ref}")
