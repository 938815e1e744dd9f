"""Look at the server: in few requests, nothing changed."""

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import evolve

from ...errors import NotFound
from ...model.documents import Json
from ...model.inventory import Inventory, ServerInfo
from ...model.records import Quarantined, Record
from ...model.refs import ResourceRef
from ...ports import ALL_PROJECTS, IncusApi, Journal, Kind, path_of
from ..leftovers import as_seen


def observe(api: IncusApi, journal: Journal, kinds: Mapping[str, Kind]) -> Inventory:
    """See all of these kinds and what they may refer to; only the number of pools makes more requests."""
    found = [(kind, resource) for kind in kinds.values() for resource in kind.observe(api, ALL_PROJECTS)]
    parts = {r.ref: whole for kind, r in found if (whole := kind.part_of(r.document)) is not None}
    seen = [(kind, resource) for kind, resource in found if resource.ref not in parts]
    server = api.info()
    held, released = _quarantined(api, server, journal, kinds)
    return Inventory(
        server=server,
        resources={r.ref: r for kind, r in seen if not kind.is_temporary(r)},
        surroundings=dict(_surroundings(api)),
        leftovers=tuple(sorted([*journal.leftovers(), *released], key=lambda record: record.id)),
        strays=tuple(r for kind, r in seen if kind.is_temporary(r)),
        parts=parts,
        quarantined=held,
    )


def _quarantined(
    api: IncusApi, server: ServerInfo, journal: Journal, kinds: Mapping[str, Kind]
) -> tuple[tuple[Quarantined, ...], tuple[Record, ...]]:
    """Tell those that are as they were from those that there is a reason to try again."""
    held: list[Quarantined] = []
    released: list[Record] = []
    for each in journal.quarantined():
        kind = kinds.get(each.record.ref.kind)
        if kind is None or as_seen(api, server, kind, each.record) == each.remains:
            held.append(each)
        else:
            released.append(each.record)
    return tuple(held), tuple(released)


def _surroundings(api: IncusApi) -> Iterator[tuple[ResourceRef, Json]]:
    for document in api.list("projects"):
        yield ResourceRef("project", name=document["name"]), document
    for document in api.list("storage-pools"):
        yield ResourceRef("pool", name=document["name"]), document
    for kind, path in (("profile", "profiles"), ("network", "networks")):
        for document in api.list(path, project=ALL_PROJECTS):
            project = document.get("project", "default")
            yield ResourceRef(kind, project=project, name=document["name"]), document


def with_volumes(api: IncusApi, inventory: Inventory) -> Inventory:
    """Add the names of custom volumes, one request per pool: only restores need them.

    They are much cheaper than the documents that are read where volumes themselves are wanted.
    """
    surroundings = dict(inventory.surroundings)
    for pool in sorted(ref.name for ref in inventory.surroundings if ref.kind == "pool"):
        try:
            listed = api.list(
                path_of("storage-pools", pool, "volumes", "custom"), project=ALL_PROJECTS, recursion=0
            )
        except NotFound:
            continue  # the pool has just gone; the planner reports what misses it
        for document in listed:
            ref = _volume_ref(pool, str(document["url"]))
            surroundings[ref] = document
    return evolve(inventory, surroundings=surroundings)


def _volume_ref(pool: str, url: str) -> ResourceRef:
    """Read ``/1.0/storage-pools/POOL/volumes/custom/NAME?project=PROJECT``."""
    parts = urlsplit(url)
    project = parse_qs(parts.query).get("project", ["default"])[0]
    return ResourceRef("volume", project=project, pool=pool, name=unquote(parts.path.rsplit("/", 1)[-1]))
