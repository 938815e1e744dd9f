"""From backups of one repository to the steps that copy them into another. Pure."""

import shlex
from collections.abc import Iterator, Mapping

from attrs import evolve

from ...model.actions import Copy
from ...model.backups import Catalog, RepositoryIdentity
from ...model.goals import Copied
from ...model.plans import HasCopies, Missed, Step
from ...model.refs import BackupId, ResourceRef
from ...ports import Kind
from ..selection.requests import Request, StoredResources, stored_backups
from ..selection.versions import command, none_good
from .world import World


def missing_copies(
    request: Request, stored: StoredResources, there: Catalog, kinds: Mapping[str, Kind], *, uri: str
) -> tuple[tuple[BackupId, ...], tuple[str, ...], tuple[Missed, ...]]:
    """Name what is asked for and not in the other repository yet, oldest first.

    Args:
        stored: what the repository holds that is copied from.
        there: what the other one has, or had until somebody removed it.
        uri: of the repository that is copied from.

    Returns:
        The backups, a sentence for each that is left out though it is not there, and the resources of which
        no good one is to be had.

    Raises:
        Unplannable: a name is in neither.
    """
    wanted = [b for b in stored_backups(request, stored, kinds) if b not in there.of(b.ref)]
    why_not = {backup: _why_not(backup, stored.catalog, there) for backup in wanted}
    left_out = tuple(f"{backup} is not copied: {reason}" for backup, reason in why_not.items() if reason)
    lost = sorted({backup.ref for backup in wanted if not _has_good(backup.ref, stored.catalog, there)})
    missed = tuple(_none_to_copy(ref, stored.catalog, uri) for ref in lost)
    return tuple(sorted(backup for backup in wanted if not why_not[backup])), left_out, missed


def _none_to_copy(ref: ResourceRef, catalog: Catalog, uri: str) -> Missed:
    """Say that each backup is damaged, and what helps: another one, or that the disk is mended."""
    mended = command("verify", ref, "--target", shlex.quote(uri))
    hint = f"back it up anew if it still lives; or mend the disk: what {mended} finds whole is copied then"
    return evolve(none_good(ref, catalog.of(ref), catalog), hint=hint)


def copy_goals(sizes: Mapping[BackupId, int | None], source: RepositoryIdentity) -> tuple[Copied, ...]:
    """Ask for backups to be copied, a goal for each resource.

    Args:
        sizes: of the backups, None where that can't be known.
    """
    grouped: dict[object, list[BackupId]] = {}
    for backup in sorted(sizes):
        grouped.setdefault(backup.ref, []).append(backup)
    return tuple(
        Copied(backups[0].ref, tuple(backups), source, sum(sizes[each] or 0 for each in backups))
        for backups in grouped.values()
    )


def copy_steps(goal: Copied, world: World) -> Iterator[Step]:
    """Copy what is not there, all of a resource's backups in one step."""
    there = world.catalog.of(goal.ref)
    backups = tuple(backup for backup in goal.backups if backup not in there)
    if backups:
        yield Step(
            id=f"copy:{goal.ref.address}",
            address=goal.ref.address,
            action=Copy(goal.ref, backups, goal.source),
            reason=f"only in {goal.source.uri}",
            expects=(HasCopies(goal.source, backups),),
            estimated_bytes=goal.size_bytes,
            basis="the stored backups",
        )


def _why_not(backup: BackupId, here: Catalog, there: Catalog) -> str:
    if here.health(backup).damaged:
        return "it is known to be damaged"
    if backup in there.removed:
        return "it was removed there; `incus-backup undelete` takes that back"
    return ""


def _has_good(ref: ResourceRef, here: Catalog, there: Catalog) -> bool:
    return any(not catalog.health(b).damaged for catalog in (here, there) for b in catalog.of(ref))
