"""From the goal of a rehearsed backup to its step. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ...errors import Unplannable
from ...model.actions import BackUp, Rehearse, Verify
from ...model.backups import Catalog, Manifest
from ...model.goals import Rehearsed, RestoreOptions
from ...model.plans import HasBackups, Step
from ...model.refs import BackupId, ResourceRef
from ...model.sizes import humanize_bytes
from .backup import in_words
from .world import World


def rehearse_steps(goal: Rehearsed, world: World, earlier: Iterable[Step]) -> Iterator[Step]:
    """Bring the newest good backup up, where none of the resource was for too long.

    Args:
        earlier: the steps of this plan so far that are about the resource: its first backup is made before,
            and one that is to be read again is read before.

    Raises:
        Unplannable: there is no backup to rehearse, or this server can't take it.
    """
    before = tuple(earlier)
    making = next((step for step in before if isinstance(step.action, BackUp)), None)
    if making is not None and world.catalog.of(goal.ref):
        making = None  # what is there can be rehearsed whatever becomes of the next one
    reason = why_rehearse(goal, world, is_made=making is not None)
    if not reason:
        return
    if making is not None:
        yield _of_the_first(goal, world, making, reason)
        return
    source = goal.source or world.catalog.newest(goal.ref)
    if source is None:
        raise Unplannable(f"{goal.ref} can't be rehearsed: it has no good backup")
    stored = world.evidence.manifests.get(source)
    if stored is not None:
        _check(stored.manifest, world)
    yield Step(
        id=f"rehearse:{goal.ref.address}",
        address=goal.ref.address,
        action=Rehearse(goal.ref, source, goal.probe, goal.timeout_seconds),
        reason=reason,
        after=tuple(step.id for step in before if _reads(step, source)),
        expects=(HasBackups((source,), () if world.catalog.health(source).damaged else (source,)),),
        estimated_bytes=stored.manifest.size_bytes if stored else None,
        basis="the stored backup" if stored else "",
    )


def _of_the_first(goal: Rehearsed, world: World, making: Step, reason: str) -> Step:
    """Rehearse the first backup once it is made; how large it is nobody knows yet."""
    living, kind = world.inventory.resources[goal.ref], world.kinds[goal.ref.kind]
    is_optimized = isinstance(making.action, BackUp) and making.action.options.optimized
    if obstacle := kind.unrehearsable(living.document, optimized=is_optimized):
        raise Unplannable(f"{goal.ref} can't be rehearsed: {obstacle}")
    return Step(
        id=f"rehearse:{goal.ref.address}",
        address=goal.ref.address,
        action=Rehearse(goal.ref, None, goal.probe, goal.timeout_seconds),
        reason=reason,
        after=(making.id,),
    )


def why_rehearse(goal: Rehearsed, world: World, *, is_made: bool = False) -> str:
    """Say why a rehearsal is due; empty when none is.

    One that never was is due as soon as there is a backup, or the plan makes it (``is_made``).
    """
    if goal.max_age is None:
        return "asked for"
    catalog = world.catalog
    last = last_rehearsal(goal.ref, catalog)
    if last is not None:
        is_due = world.now - last > goal.max_age
        return f"not rehearsed for {in_words(goal.max_age)}" if is_due else ""
    return "never rehearsed" if is_made or catalog.of(goal.ref) else ""


def last_rehearsal(ref: ResourceRef, catalog: Catalog) -> datetime | None:
    """Tell when any backup of a resource was rehearsed last."""
    backup = catalog.rehearsed(ref)
    return catalog.health(backup).rehearsed if backup else None


def _check(manifest: Manifest, world: World) -> None:
    """See that a backup can be brought up on this server.

    Raises:
        Unplannable: it can't.
    """
    if obstacle := _obstacle(manifest, world):
        raise Unplannable(f"{manifest.id} can't be rehearsed: {obstacle}")
    for pool, size in manifest.content_by_pool.items():
        if lack := _lack(pool, manifest.least_share(size), world):
            what, hint = lack
            raise Unplannable(f"{manifest.id} can't be rehearsed: {what}", hint=hint)


def _obstacle(manifest: Manifest, world: World) -> str:
    """Say why a backup can't be brought up on this server; empty when it can."""
    captured, pool = manifest.captured, manifest.captured.pool
    kind = world.kinds[manifest.id.ref.kind]
    if obstacle := kind.unrehearsable(captured.resource, optimized=manifest.options.optimized):
        return obstacle
    present = world.document(ResourceRef("pool", name=pool))
    if present and manifest.options.optimized and present.get("driver") != captured.pool_driver:
        return f"it is in {captured.pool_driver}'s own format, pool {pool} is {present.get('driver')}"
    return kind.unrestorable(manifest, RestoreOptions(), world.inventory.server, None)


def _lack(pool: str, least: int, world: World) -> tuple[str, str] | None:
    """Say what a pool lacks that so much goes to, and what helps: it is the backup's own pool."""
    if world.document(ResourceRef("pool", name=pool)) is None:
        return f"its pool/{pool} is not on the server", "create it, or rehearse where it is (--remote NAME)"
    free = world.evidence.free_bytes.get(pool, least)
    if least <= free:
        return None
    return (
        f"pool {pool} has {humanize_bytes(free)} free, it takes more than {humanize_bytes(least)}",
        "make room there, or rehearse on a server where the pool has more (--remote NAME)",
    )


def _reads(step: Step, backup: BackupId) -> bool:
    return isinstance(step.action, Verify) and backup in step.action.backups
