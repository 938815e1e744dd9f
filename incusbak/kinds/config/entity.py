"""One class for all kinds of configuration entities: they differ in data, not in behaviour."""

from collections.abc import Iterator, Mapping

from attrs import evolve, frozen

from ...errors import Blocked, ChangedMeanwhile, NotFound, ServerError
from ...model.documents import Json
from ...model.facts import Foreseen
from ...model.inventory import Resource
from ...model.plans import Hazard
from ...model.policies import Maps
from ...model.refs import ResourceRef
from ...ports import IncusApi, path_of
from ..archive.transfer import in_words
from ..common.cleanup import begun
from . import definition, references
from .rows import EntityRow

_HOLDING = {"project": "it is not empty, it holds", "pool": "on it lie", "profile": "it is used by"}


@frozen
class ConfigEntity:
    """See ``ports.Entity``.

    Certificates are listed and no more: a backup knows only their public part, and whom a server trusts is a
    person's decision, never the side effect of a restore.
    """

    row: EntityRow

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def rank(self) -> int:
        return self.row.rank

    # pure

    def listed(self, state: Json) -> Iterator[Resource]:
        for document in state.get(self.row.part) or ():
            if self.name == "network":
                zones = references.zone_projects(document, state)
                yield Resource(self.row.ref(document), {**document, references.ZONE_PROJECTS: zones})
            else:
                yield Resource(self.row.ref(document), document)

    def relocated(self, ref: ResourceRef, maps: Maps) -> ResourceRef | None:
        """Follow the map of projects; what is mapped itself, or hangs on that, has another in its place."""
        network = ref.parent if self.row.parent == "network" else ref.name if self.name == "network" else ""
        mapped = {"pool": maps.pools, "profile": maps.profiles}.get(self.name, {})
        if self.row.is_listed_only or ref.name in mapped or network in maps.networks:
            return None
        if self.name == "project":
            return evolve(ref, name=maps.projects.get(ref.name, ref.name))
        return evolve(ref, project=maps.projects.get(ref.project, ref.project))

    def comparable(self, document: Json) -> Json:
        return definition.comparable(self.row, document)

    def wanted(self, document: Json, maps: Maps) -> Json:
        found = references.renamed(self.name, self.comparable(document), maps)
        if self.name == "pool":
            found["config"] = {**found["config"], **definition.chosen_source(document)}
        if zones := document.get(references.ZONE_PROJECTS):
            found[references.ZONE_PROJECTS] = {z: maps.projects.get(p, p) for z, p in zones.items()}
        return found

    def requires(self, ref: ResourceRef, wanted: Json) -> frozenset[ResourceRef]:
        return references.requires(ref, wanted)

    def is_permanent(self, ref: ResourceRef) -> bool:
        return self.row.is_listed_only or (ref.kind in ("project", "profile") and ref.name == "default")

    def own_description(self, ref: ResourceRef) -> str:
        return definition.own_description(ref) if self.is_permanent(ref) else ""

    def is_as_made(self, ref: ResourceRef, document: Json) -> bool:
        said = definition.said(self.row, document, self.own_description(ref))
        return self.is_permanent(ref) and not self.row.is_listed_only and not said

    def hazards(self, ref: ResourceRef) -> frozenset[Hazard]:
        return self.row.hazards

    def obstacle(self, before: Json, wanted: Json) -> str:
        return "; ".join(definition.obstacles(self.row, before, wanted))

    # effects

    def inspect(self, api: IncusApi, ref: ResourceRef) -> Resource | None:
        try:
            self._check_owner(api, ref)
            found = api.get(self._path(ref), project=ref.project)
        except NotFound:
            return None
        if not found.body.get("managed", True):
            return None  # an interface of the host
        return Resource(ref, definition.tidied(self.row, found.body, ref), found.etag)

    def foresee_end(self, api: IncusApi, ref: ResourceRef) -> Foreseen:
        """See ``ports.Entity``. What is configuration itself may be changed or deleted by the same plan."""
        if self.name not in _HOLDING:
            return Foreseen()
        document = api.get(self._path(ref), project=ref.project).body
        held = sorted(filter(None, map(references.held, document.get("used_by") or ())))
        if not held:
            return Foreseen()
        hint = "remove or move that first, or leave out --prune-config"
        return Foreseen(f"{_HOLDING[self.name]} {in_words(held)}", hint)

    def create(self, api: IncusApi, ref: ResourceRef, wanted: Json) -> None:
        """Make it; if the server added something of its own, like addresses of a network, take that back.

        If that fails it is removed: half of it would be in the way of the whole.
        """
        self._check_may_change(ref)
        self._check_owner(api, ref)
        body = definition.to_create(self.row, ref, self._given(wanted))
        api.create(self.row.path(ref), body, project=ref.project)
        try:
            made = api.get(self._path(ref), project=ref.project)
            if self.comparable(made.body) != self.comparable(wanted):
                with begun():
                    self.update(api, ref, wanted, etag=made.etag)
        except ServerError as error:
            self._take_back(api, ref, error)
            raise

    def _take_back(self, api: IncusApi, ref: ResourceRef, error: ServerError) -> None:
        try:
            self.delete(api, ref)
        except ServerError as failure:
            error.add_note(f"{ref} is there now, but not as it shall be: {failure.message}")
            error.hint = f"remove {ref} by hand, then run this again"

    def update(self, api: IncusApi, ref: ResourceRef, wanted: Json, *, etag: str) -> None:
        """See ``ports.Entity``. The ETag is compared here too: the server does not look at it for forwards.

        Raises:
            ChangedMeanwhile: it is not as it was under that ETag.
        """
        self._check_may_change(ref)
        self._check_owner(api, ref)
        present = api.get(self._path(ref), project=ref.project)
        if etag and present.etag != etag:
            raise ChangedMeanwhile(f"{ref} was changed meanwhile")
        body = definition.to_update(self.row, present.body, self._given(wanted))
        api.replace(self._path(ref), body, project=ref.project, etag=present.etag)

    def delete(self, api: IncusApi, ref: ResourceRef) -> None:
        self._check_may_change(ref)
        try:
            self._check_owner(api, ref)
            api.delete(self._path(ref), project=ref.project)
        except NotFound:
            return

    def _path(self, ref: ResourceRef) -> str:
        return self.row.path(ref, ref.name)

    def _given(self, wanted: Json) -> Json:
        """What a request may say; the rest of ``wanted`` is for planning."""
        return {key: wanted[key] for key in (*self.row.fixed, *self.row.writable) if key in wanted}

    def _check_may_change(self, ref: ResourceRef) -> None:
        if self.row.is_listed_only:
            raise Blocked(f"{ref} is not changed by a restore", hint="`incus config trust` does that")

    def _check_owner(self, api: IncusApi, ref: ResourceRef) -> None:
        """See that the project has its own: else the server would answer with the default project's.

        Raises:
            NotFound: it has not, so this is not there and can't be.
        """
        if ref.project in ("", "default") or not self.row.feature:
            return
        config: Mapping[str, str] = api.get(path_of("projects", ref.project)).body.get("config") or {}
        if config.get(self.row.feature) != "true":
            raise NotFound(f"{ref}: project {ref.project!r} uses what the default project has")
