"""Look at the server and the repository: everything a plan needs, in few requests, nothing changed."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import evolve

from ..errors import NotFound, RepositoryError, ServerError, ServerUnavailable
from ..model.backups import Catalog, StoredManifest
from ..model.documents import Json
from ..model.evidence import Evidence
from ..model.goals import BackedUp, Goal, Restored
from ..model.inventory import Inventory, Resource
from ..model.refs import BackupId, ResourceRef
from ..model.results import RestoreFact
from ..ports import ALL_PROJECTS, IncusApi, Journal, Kind, Repository, path_of
from .requirements import target_pool


def observe(api: IncusApi, journal: Journal, kinds: Mapping[str, Kind]) -> Inventory:
    """See the whole server with a constant number of requests."""
    seen = [(kind, resource) for kind in kinds.values() for resource in kind.observe(api, ALL_PROJECTS)]
    return Inventory(
        server=api.info(),
        resources={r.ref: r for kind, r in seen if not kind.is_temporary(r)},
        surroundings=dict(_surroundings(api)),
        leftovers=journal.leftovers(),
        strays=tuple(r for kind, r in seen if kind.is_temporary(r)),
    )


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
    """Add the names of custom volumes, one request per pool: only restores need them."""
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


def gather(
    goals: Iterable[Goal],
    *,
    api: IncusApi,
    repository: Repository,
    inventory: Inventory,
    catalog: Catalog,
    kinds: Mapping[str, Kind],
) -> Evidence:
    """Read what these goals need to be planned."""
    manifests: dict[BackupId, StoredManifest] = {}
    targets: dict[ResourceRef, Resource] = {}
    facts: dict[ResourceRef, RestoreFact] = {}
    pools: set[str] = set()
    for goal in goals:
        match goal:
            case BackedUp(ref=ref):
                _add_estimate(repository, catalog.newest(ref), manifests)
            case Restored(ref=ref, source=source):
                manifests[source] = repository.manifest(source)
                pools.add(target_pool(manifests[source].manifest, goal.options))
                if ref in inventory.resources:
                    _add_target(api, kinds[ref.kind], ref, targets)
                    if fact := repository.restore_fact(ref.address):
                        facts[ref] = fact
    free = {pool: size for pool in sorted(pools) if (size := _free_bytes(api, pool)) is not None}
    return Evidence(manifests, targets, facts, free, repository.secret() if manifests else b"")


def _free_bytes(api: IncusApi, pool: str) -> int | None:
    """Ask for the free space of a pool; not every driver knows."""
    try:
        space = api.get(path_of("storage-pools", pool, "resources")).body.get("space") or {}
    except ServerUnavailable:
        raise
    except ServerError:
        return None
    return int(space["total"]) - int(space["used"]) if space.get("total") else None


def _add_estimate(
    repository: Repository, newest: BackupId | None, manifests: dict[BackupId, StoredManifest]
) -> None:
    """The last backup tells how large the next may be; one that can't be read tells nothing."""
    if newest is None:
        return
    try:
        manifests[newest] = repository.manifest(newest)
    except RepositoryError:
        return


def _add_target(api: IncusApi, kind: Kind, ref: ResourceRef, targets: dict[ResourceRef, Resource]) -> None:
    if target := kind.inspect(api, ref):
        targets[ref] = target
