"""From the goal of a rehearsed backup to its step. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ..errors import Unplannable
from ..model.actions import Prune, Rehearse, Verify
from ..model.backups import Catalog, Manifest
from ..model.goals import Rehearsed, RestoreOptions, Retained
from ..model.plans import HasBackups, Step
from ..model.refs import BackupId, ResourceRef
from .backing_up import in_words
from .pruning import prune_steps
from .sizes import mebibytes
from .world import World


def rehearse_steps(
    goal: Rehearsed, world: World, earlier: Iterable[Step], keeps: Iterable[Retained]
) -> Iterator[Step]:
    """Bring the newest good backup up, where none of the resource was for too long.

    Args:
        earlier: the steps of this plan so far that are about the resource: a backup that is to be read again
            is read first.
        keeps: the goals of this plan that may remove backups of the resource.

    Raises:
        Unplannable: there is no backup to rehearse, or this server can't take it.
    """
    before = tuple(earlier)
    removes = [step for keep in keeps for step in prune_steps(keep, world, before)]
    is_cut = any(isinstance(step.action, Prune) for step in removes)
    reason = why_rehearse(goal, world, is_cut=is_cut)
    if not reason:
        return
    source = goal.source or world.catalog.newest(goal.ref)
    if source is None:
        raise Unplannable(f"{goal.ref} can't be rehearsed: it has no good backup")
    stored = world.evidence.manifests.get(source)
    if stored is not None and (obstacle := _obstacle(stored.manifest, world)):
        raise Unplannable(f"{source} can't be rehearsed: {obstacle}")
    yield Step(
        id=f"rehearse:{goal.ref}",
        address=goal.ref.address,
        action=Rehearse(source, goal.probe, goal.timeout_seconds),
        reason=reason,
        after=tuple(step.id for step in before if _reads(step, source)),
        expects=(HasBackups((source,), () if world.catalog.repute(source).damaged else (source,)),),
        estimated_bytes=stored.manifest.size_bytes if stored else None,
        basis="the stored backup" if stored else "",
    )


def why_rehearse(goal: Rehearsed, world: World, *, is_cut: bool = False) -> str:
    """Say why a rehearsal is due; empty when none is.

    A resource that was never rehearsed has time while all of its backups are young. That older ones were
    removed, or will be (``is_cut``), means that they are not all.
    """
    if goal.max_age is None:
        return "asked for"
    catalog = world.catalog
    last = last_rehearsal(goal.ref, catalog)
    if last is not None:
        is_due = world.now - last > goal.max_age
        return f"not rehearsed for {in_words(goal.max_age)}" if is_due else ""
    there = catalog.of(goal.ref)
    is_cut = is_cut or bool(catalog.removed_of(goal.ref))
    is_due = bool(there) and (is_cut or world.now - there[0].created > goal.max_age)
    return "never rehearsed" if is_due else ""


def last_rehearsal(ref: ResourceRef, catalog: Catalog) -> datetime | None:
    """Tell when any backup of a resource was rehearsed last."""
    backup = catalog.rehearsed(ref)
    return catalog.repute(backup).rehearsed if backup else None


def _obstacle(manifest: Manifest, world: World) -> str:
    """Say why a backup can't be brought up on this server; empty when it can."""
    captured, pool = manifest.captured, manifest.captured.pool
    if obstacle := world.kinds[manifest.id.ref.kind].unrehearsable(manifest):
        return obstacle
    present = world.document(ResourceRef("pool", name=pool))
    if present is None:
        return f"its pool/{pool} is not on the server; create it, or rehearse where it is"
    if manifest.options.optimized and present.get("driver") != captured.pool_driver:
        return f"it is in {captured.pool_driver}'s own format, pool {pool} is {present.get('driver')}"
    kind = world.kinds[manifest.id.ref.kind]
    if obstacle := kind.unrestorable(manifest, RestoreOptions(), world.inventory.server, None):
        return obstacle
    for place, size in manifest.content_by_pool.items():
        if world.document(ResourceRef("pool", name=place)) is None:
            return f"its pool/{place} is not on the server; create it, or rehearse where it is"
        least = manifest.least_share(size)
        free = world.evidence.free_bytes.get(place, least)
        if least > free:
            return f"pool {place} has {mebibytes(free)} free, it takes more than {mebibytes(least)}"
    return ""


def _reads(step: Step, backup: BackupId) -> bool:
    return isinstance(step.action, Verify) and backup in step.action.backups
