"""From the goal of a backup to its step. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from ...errors import Unplannable
from ...model.actions import BackUp, Copy
from ...model.backups import Catalog, Compression, Manifest, Method
from ...model.goals import BackedUp
from ...model.plans import Exists, Step
from ...model.refs import ResourceRef
from ...model.sizes import humanize_bytes
from ..selection.obstacles import EXPORTED
from ..selection.versions import some
from .shrinkage import own_bytes
from .world import World

_COPYING = "dir"
"""The driver whose copies share no data with what they are copies of."""


def backup_steps(goal: BackedUp, world: World) -> Iterator[Step]:
    """Back up what has no backup that is young enough.

    Raises:
        Unplannable: it is not there, or the server can't export it.
    """
    reason = why_due(goal, world)
    if not reason:
        return
    resource = world.inventory.resources.get(goal.ref)
    if resource is None:
        raise Unplannable(f"{goal.ref} is not on the server")
    kind, newest = world.kinds[goal.ref.kind], world.catalog.newest(goal.ref)
    last = world.evidence.manifests.get(newest) if newest else None
    full = world.catalog.yardstick(goal.ref)
    before = world.evidence.manifests.get(full) if full else None
    options = goal.options.settled(world.evidence.usual_compression)
    full_bytes = own_bytes(before.manifest) if before and goal.ref.kind in EXPORTED else None
    yield Step(
        id=step_id(goal.ref.address),
        address=goal.ref.address,
        action=BackUp(goal.ref, options, goal.hooks, full_bytes),
        reason=reason,
        expects=(Exists(goal.ref, kind.identity(resource.document)),),
        estimated_bytes=last.manifest.size_bytes if last else None,
        basis="as the last backup" if last else "",
        holds=tuple(sorted(kind.holds(resource.document))),
    )


def step_id(address: str) -> str:
    """Name the step that backs a resource up."""
    return f"back-up:{address}"


def why_due(goal: BackedUp, world: World) -> str:
    """Say why a backup has to be made; empty when none has to."""
    newest = world.catalog.newest(goal.ref)
    if newest is None:
        return _why_none(goal.ref, world.catalog)
    if goal.max_age is None:
        return "" if _is_stored(goal.ref, world) or _is_made(goal.ref, world) else "asked for"
    if is_overdue(goal, world):
        return f"the newest backup, {newest.timestamp}, is older than {in_words(goal.max_age)}"
    return ""


def _why_none(ref: ResourceRef, catalog: Catalog) -> str:
    """Say why a resource has no good backup."""
    ahead = catalog.ahead(ref)
    if len(catalog.of(ref)) > len(ahead):
        return "every backup is damaged" + (" or dated in the future" if ahead else "")
    return (
        f"no backup exists but {some(b.timestamp for b in ahead)}, of the future"
        if ahead
        else "no backup exists"
    )


def _is_made(ref: ResourceRef, world: World) -> bool:
    """Whether the interrupted run that this one goes on with has made the backup."""
    resource = world.inventory.resources.get(ref)
    return resource is not None and world.finished.has_backup(resource, world.kinds[ref.kind], world.catalog)


def is_overdue(goal: BackedUp, world: World) -> bool:
    """Whether there is a backup, but older than promised; one of what can't change has no age."""
    newest = world.catalog.newest(goal.ref)
    if newest is None or goal.max_age is None or world.now - newest.created <= goal.max_age:
        return False
    return not _is_stored(goal.ref, world)


def target_warnings(steps: Iterable[Step], world: World) -> list[str]:
    """Compare what backups took last time, and copies take, with what the repository's disk has free."""
    storing = [step for step in steps if isinstance(step.action, BackUp | Copy)]
    wanted = sum(step.estimated_bytes or 0 for step in storing)
    free = world.evidence.target_free_bytes
    if free is None or wanted <= free:
        return []
    needs = f"what is to be stored may need {humanize_bytes(wanted)}"
    return [f"the repository has {humanize_bytes(free)} free, {needs}"]


def copied_on(manifest: Manifest) -> Mapping[str, int]:
    """Tell how much on which pools a copy took that was made to be exported."""
    return manifest.content_by_pool if manifest.captured.method is Method.TEMPORARY_COPY else {}


def copy_warnings(steps: Iterable[Step], world: World) -> Iterator[str]:
    """Name what has to be copied to be exported, as last time, where its pool has no room for that."""
    for action in (step.action for step in steps if isinstance(step.action, BackUp)):
        newest = world.catalog.newest(action.ref)
        stored = world.evidence.manifests.get(newest) if newest else None
        if stored is None or not action.options.snapshot:
            continue
        for pool, size in copied_on(stored.manifest).items():
            free = world.evidence.free_bytes.get(pool, size)
            driver = (world.document(ResourceRef("pool", name=pool)) or {}).get("driver")
            if free < size and driver == _COPYING:
                yield (
                    f"{action.ref}: pool {pool} has {humanize_bytes(free)} free; while it is in use it is "
                    f"exported from a copy there, which took {humanize_bytes(size)} last time"
                )


def compression_warnings(steps: Iterable[Step], world: World) -> list[str]:
    """Name what is compressed where that keeps the repository from finding what is stored already."""
    if world.evidence.usual_compression is not Compression.NONE:
        return []
    actions = (step.action for step in steps if isinstance(step.action, BackUp))
    odd = sorted({a.ref for a in actions if a.options.compression is not Compression.NONE})
    return [
        f"{ref}: compressed archives share nothing with others in this repository, which compresses by itself"
        for ref in odd
        if ref.kind in EXPORTED
    ]


def _is_stored(ref: ResourceRef, world: World) -> bool:
    """Whether the newest backup holds all of a resource whose content can't change."""
    kind, newest = world.kinds[ref.kind], world.catalog.newest(ref)
    stored = world.evidence.manifests.get(newest) if newest else None
    resource = world.inventory.resources.get(ref)
    if stored is None or resource is None or not kind.is_immutable:
        return False
    return kind.comparable(stored.manifest.captured.resource) == kind.comparable(resource.document)


def in_words(age: timedelta) -> str:
    """Write an age as policies do: in days, hours, minutes and, below ten minutes, seconds."""
    total = int(age.total_seconds())
    parts = [(total // 86400, "d"), (total % 86400 // 3600, "h"), (total % 3600 // 60, "m")]
    if total < 600:
        parts.append((total % 60, "s"))
    return " ".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
