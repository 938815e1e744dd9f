"""What restores need on the server, found before anything is moved. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from attrs import evolve

from ...errors import Undecided, Unplannable
from ...model.actions import Replace, Restore
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.facts import Evidence
from ...model.goals import Goal, Restored, RestoreOptions
from ...model.plans import Step
from ...model.refs import ResourceRef
from ...model.sizes import humanize_bytes
from ...ports import Kind
from .parts import places_of
from .providing import lacking
from .world import World


def target_pool(to: ResourceRef, manifest: Manifest, options: RestoreOptions) -> str:
    """The pool a restore goes to; empty for what lies on none."""
    pool = manifest.captured.pool
    return to.pool or options.pool or options.maps.pools.get(pool, pool)


def check_requirements(goal: Restored, manifest: Manifest, kind: Kind, world: World) -> None:
    """See that everything a restore refers to is there, or will be when it is its turn.

    Raises:
        Unplannable: it is not, the server lets nothing be called so, a project has no place for it, or its
            pool can't read the backup's format.
    """
    if reason := kind.misnamed(goal.ref, world.inventory.server):
        raise Unplannable(
            f"{goal.ref}: {reason}",
            hint="use another name or place (--target-name, --project-map; in a policy: to)",
        )
    required = {world.owned(ref) for ref in kind.requires(manifest, goal.ref, goal.options)}
    missing = sorted((ref for ref in required if world.document(ref) is None), key=lambda ref: ref.address)
    if missing:
        raise lacking(goal.ref, missing, goal.options.maps)
    _check_owners(goal.ref, required, world)
    captured, pool = manifest.captured, target_pool(goal.ref, manifest, goal.options)
    if not (pool and manifest.options.optimized):
        return
    driver = (world.document(ResourceRef("pool", name=pool)) or {}).get("driver")
    if driver != captured.pool_driver:
        raise Unplannable(
            f"{goal.ref}: {goal.source} is in {captured.pool_driver}'s own format, pool {pool} is {driver}"
        )


def check_fits(goal: Restored, manifest: Manifest, kind: Kind, world: World) -> None:
    """See that the server takes it as it is: fixed addresses are in the networks they are on.

    Raises:
        Unplannable: it doesn't.
    """

    def network_of(name: str) -> Json | None:
        return world.document(world.owned(ResourceRef("network", project=goal.ref.project, name=name)))

    document = kind.brought(manifest, goal.options)
    if found := list(kind.misfits(document, goal.options.maps, network_of)):
        raise Unplannable(
            "\n".join(f"{goal.ref}: {problem}" for problem in found),
            hint="give it a new identity with --identity regenerate, another network with --network-map "
            "OLD=NEW, or leave the device out with --without-device NAME (in a policy: identity, maps, "
            "without_devices)",
        )


def host_warnings(steps: Iterable[Step], world: World) -> list[str]:
    """Name what restored ones need of the host, where nobody who lives there tells that it is there."""
    restores = [step.action for step in steps if isinstance(step.action, Restore | Replace)]
    living = world.inventory.resources.values() if restores else ()
    known = {path for r in living for path in world.kinds[r.ref.kind].host_paths(r.document).values()}
    found = []
    for action in restores:
        manifest, kind = world.evidence.manifests[action.source].manifest, world.kinds[action.to.kind]
        for device, path in kind.host_paths(kind.brought(manifest, action.options)).items():
            if path not in known:
                found.append(
                    f"{action.to}: its device {device} needs {path} on the host, which can't be seen from "
                    "here; the server is asked for it before anything is stopped"
                )
    return found


def check_left_out(goals: Iterable[Goal], world: World) -> list[Unplannable]:
    """Find names of devices to leave out that none of the restored ones has."""
    wanted: set[str] = set()
    there: set[str] = set()
    restored = [goal for goal in goals if isinstance(goal, Restored)]
    if any(goal.source not in world.evidence.manifests for goal in restored):
        return []  # what can't be read may have it
    for goal in restored:
        wanted |= set(goal.options.without_devices)
        document = world.evidence.manifests[goal.source].manifest.captured.resource
        there |= world.kinds[goal.ref.kind].devices(document) if goal.options.without_devices else set()
    return [
        Undecided(
            f"there is no device {name!r} to leave out",
            hint=f"there are {', '.join(sorted(there))}" if there else "",
        )
        for name in sorted(wanted - there)
    ]


def _check_owners(ref: ResourceRef, required: Iterable[ResourceRef], world: World) -> None:
    """See that the projects it goes to keep such things themselves: else it would land in another one."""
    for project in sorted(each.name for each in required if each.kind == "project"):
        owner = world.owned(evolve(ref, project=project)).project
        if owner != project:
            raise Unplannable(
                f"{ref}: project {project} has no {ref.kind}s of its own, it uses those of project {owner}",
                hint=f"restore into that one with --project-map {project}={owner} (in a policy: maps)",
            )


def check_space(steps: Iterable[Step], evidence: Evidence) -> tuple[list[Unplannable], list[str]]:
    """Compare what restores bring with what their pools have free.

    What is replaced stays until its successor runs, so it frees nothing. How much data takes on a pool nobody
    knows before: holes in files and the pool's own compression make it less than what is unpacked, but hardly
    less than the compressed archive.

    Returns:
        What can't fit: of a pool that can't take all, the largest, until the others fit. And a warning for
        each pool that may be too small.
    """
    least: defaultdict[str, dict[ResourceRef, int]] = defaultdict(dict)
    most: defaultdict[str, int] = defaultdict(int)
    called: defaultdict[str, set[str]] = defaultdict(set)
    for step in steps:
        if isinstance(step.action, Restore | Replace):
            manifest = evidence.manifests[step.action.source].manifest
            options = step.action.options
            pool = target_pool(step.action.to, manifest, options)
            for place, size in places_of(manifest, pool, options.maps.pools).items():
                least[place][step.action.to] = manifest.least_share(size)
                most[place] += size
                called[place].update(options.maps.names_before("pool", place))
    free = {pool: evidence.free_bytes[pool] for pool in sorted(most) if pool in evidence.free_bytes}
    too_large = [
        each for pool, left in free.items() for each in _too_large(pool, least[pool], left, called[pool])
    ]
    full = {pool for pool, left in free.items() if sum(least[pool].values()) > left}
    tight = [
        _tight(pool, most[pool]) for pool, left in free.items() if pool not in full and left < most[pool]
    ]
    return too_large, tight


def _too_large(
    pool: str, sizes: Mapping[ResourceRef, int], free_bytes: int, called: Iterable[str]
) -> Iterator[Unplannable]:
    """Leave out the largest until the others fit; ``called``: what the backups call the pool."""
    maps = " ".join(f"--pool-map {name}=NEW" for name in sorted(called))
    together = sum(sizes.values())
    said = (
        f"pool {pool} has {humanize_bytes(free_bytes)} free, what is to be restored there takes more than "
        f"{humanize_bytes(together)}"
    )
    for ref in sorted(sizes, key=lambda ref: (-sizes[ref], ref)):
        if together <= free_bytes:
            return
        together -= sizes[ref]
        yield Unplannable(
            said if len(sizes) == 1 else f"{ref}: {said}, of which this takes {humanize_bytes(sizes[ref])}",
            hint=f"make room there, or use another with {maps} (in a policy: maps)",
            of=ref.address,
        )


def _tight(pool: str, size_bytes: int) -> str:
    unpacked = humanize_bytes(size_bytes)
    return f"pool {pool} may be too small: what is to be restored there unpacks to {unpacked}"
