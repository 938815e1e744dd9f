"""What a server's configuration is made of: collections of documents, and when they may change."""

import hashlib
import json
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from attrs import frozen

from incusbak.errors import Conflict, NotAuthorized, NotFound, ServerError
from incusbak.model.documents import Json
from incusbak.ports import ALL_PROJECTS

from . import entity_rules as rules
from .world import Document, World

_PLAIN: Mapping[str, Any] = {"description": "", "config": {}}
_PORTS: Mapping[str, Any] = {**_PLAIN, "ports": []}


@frozen
class _Sort:
    """``empty``: what a PUT replaces, with what it is where nothing is said; ``feature`` of its project."""

    empty: Mapping[str, Any] = _PLAIN
    feature: str = ""
    key: str = "name"


_SORTS: Mapping[str, _Sort] = {
    "projects": _Sort(),
    "storage-pools": _Sort(),
    "network-integrations": _Sort(),
    "certificates": _Sort(
        {"name": "", "description": "", "projects": [], "restricted": False}, key="fingerprint"
    ),
    "network-address-sets": _Sort({**_PLAIN, "addresses": []}, "networks"),
    "network-acls": _Sort({**_PLAIN, "ingress": [], "egress": []}, "networks"),
    "network-zones": _Sort(feature="networks.zones"),
    "records": _Sort({**_PLAIN, "entries": []}, "networks.zones"),
    "networks": _Sort(feature="networks"),
    "forwards": _Sort(_PORTS, "networks", "listen_address"),
    "load-balancers": _Sort({**_PORTS, "backends": []}, "networks", "listen_address"),
    "peers": _Sort(feature="networks"),
    "profiles": _Sort({**_PLAIN, "devices": {}}, "profiles"),
}
_OVN_ONLY = {"load-balancers": "load balancers", "peers": "peering"}
_SHELF = {"projects": "projects", "storage-pools": "pools", "profiles": "profiles", "networks": "networks"}


@frozen
class Place:
    """A collection, and in it maybe one document: what a path leads to."""

    collection: str
    owner: str
    parent: str = ""
    name: str = ""

    @property
    def sort(self) -> _Sort:
        return _SORTS[self.collection]

    @property
    def key(self) -> Any:
        match self.collection:
            case "projects" | "storage-pools":
                return self.name
            case "profiles" | "networks":
                return self.owner, self.name
        return self.collection, self.owner, self.parent, self.name

    def shelf(self, world: World) -> MutableMapping[Any, Document]:
        found: MutableMapping[Any, Document] = getattr(world, _SHELF.get(self.collection, "entities"))
        return found


def place_of(world: World, project: str, parts: Sequence[str]) -> Place | None:
    """Find out where a path leads; None if not to an entity."""
    match parts:
        case ["networks", parent, "forwards" | "load-balancers" | "peers" as collection, *name]:
            place = Place(collection, _owner(world, project, collection), parent, *name)
            _check_network(world, place)
            return place
        case ["network-zones", zone, "records", *name]:
            place = Place("records", _owner(world, project, "records"), zone, *name)
            if ("network-zones", place.owner, "", zone) not in world.entities:
                raise NotFound("Network zone not found")
            return place
        case [collection] if collection in _SORTS:
            return Place(collection, _owner(world, project, collection))
        case [collection, name] if collection in _SORTS:
            return Place(collection, _owner(world, project, collection), name=name)
    return None


def _owner(world: World, project: str, collection: str) -> str:
    feature = _SORTS[collection].feature
    if not feature:
        return ""
    return world.owner(project, feature) if project in world.projects else project


def _check_network(world: World, place: Place) -> None:
    network = world.networks.get((place.owner, place.parent))
    if network is None:
        raise NotFound("Failed loading network: Network not found")
    if place.collection in _OVN_ONLY and network["type"] != "ovn":
        words = f'Network driver "{network["type"]}" does not support {_OVN_ONLY[place.collection]}'
        raise ServerError(words)


def find(world: World, place: Place) -> Document:
    """GET of one."""
    document = place.shelf(world).get(place.key)
    if document is None:
        raise NotFound(f"{place.collection} {place.name}: not found")
    shown = {key: value for key, value in document.items() if key != "parent"}
    if place.collection in ("network-zones", "records", "forwards", "load-balancers", "peers"):
        shown.pop("project", None)  # told in lists of zones only
    return shown | ({} if place.parent else {"used_by": rules.users(world, place.collection, document)})


def members(world: World, place: Place) -> Iterator[Json]:
    """GET of a collection."""
    for key, document in sorted(place.shelf(world).items()):
        is_here = key[:1] + key[2:3] == (place.collection, place.parent)
        if place.collection not in _SHELF and not is_here:
            continue
        if place.owner in (ALL_PROJECTS, document.get("project", "")) or not place.sort.feature:
            yield {key: value for key, value in document.items() if key != "parent"} | {"used_by": []}


def create(world: World, place: Place, body: Json) -> None:
    """POST."""
    if place.owner and place.owner not in world.projects:
        raise NotFound("Project not found")
    key = place.sort.key
    one = Place(place.collection, place.owner, place.parent, str(body[key]))
    if one.key in one.shelf(world):
        raise Conflict(f"The {place.collection} {one.name} already exists")
    rules.check(world, place.collection, place.owner, body)
    config = dict(body.get("config") or {})
    match place.collection:
        case "projects":
            world.add_project(one.name, config, str(body.get("description") or ""))
        case "storage-pools":
            world.add_pool(one.name, body["driver"])
            world.pools[one.name] |= {"description": body.get("description") or ""}
            world.pools[one.name]["config"] |= config
        case _:
            document = {**place.sort.empty, **body, "config": rules.filled(place.collection, body)}
            one.shelf(world)[one.key] = document | _surroundings(one)


def _surroundings(place: Place) -> Document:
    added: Document = {"project": place.owner} if place.owner else {}
    if place.collection == "networks":
        added |= {"managed": True, "status": "Created", "locations": ["none"]}
    return added | ({"location": "none"} if place.collection in ("forwards", "load-balancers") else {})


def replace(world: World, place: Place, body: Json) -> None:
    """PUT: what is not said is emptied."""
    present = place.shelf(world)[place.key]
    wanted = {key: body.get(key) or empty for key, empty in place.sort.empty.items()}
    rules.check(world, place.collection, place.owner, {**present, **wanted}, present=present)
    if place.collection == "projects":
        rules.switch_profiles(world, place.name, wanted["config"])
    present |= wanted


def delete(world: World, place: Place) -> None:
    """DELETE."""
    document = place.shelf(world).get(place.key)
    if document is None:
        raise NotFound(f"{place.collection} {place.name}: not found")
    if place.collection in ("projects", "profiles") and place.name == "default":
        raise NotAuthorized(f'The "default" one of {place.collection} cannot be deleted')
    if place.collection == "projects":
        rules.check_empty(world, place.name)
        world.remove_project(place.name)
        return
    if rules.users(world, place.collection, document):
        raise ServerError(f"The {place.collection} {place.name} is currently in use")
    del place.shelf(world)[place.key]
    below = [key for key in world.entities if key[1:3] == (place.owner, place.name)]
    if place.collection in ("networks", "network-zones"):
        for key in below:  # records and forwards go along without a question
            del world.entities[key]


def etag_of(document: Json) -> str:
    told = {key: value for key, value in document.items() if key not in ("used_by", "status")}
    return f'"{hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()}"'


def looks_at_etags(place: Place) -> bool:
    """Whether a PUT heeds If-Match; some don't."""
    return place.collection not in ("forwards", "load-balancers", "peers")
