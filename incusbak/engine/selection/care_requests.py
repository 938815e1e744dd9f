"""From a command line to goals about what is stored. Pure."""

from collections.abc import Mapping

from ...errors import Unplannable
from ...model.backups import Catalog
from ...model.goals import Accepted, Marked, Rehearsed, Retained, Undeleted, Verified
from ...model.policies import Keep, Version
from ...model.refs import BackupId, ResourceRef
from ...ports import Kind
from .requests import Request, StoredResources, choose_stored, covers, named
from .versions import Choice, passed_over


def verify_goals(
    request: Request, stored: StoredResources, kinds: Mapping[str, Kind], *, whole: bool = True
) -> tuple[Verified, ...]:
    """Ask for the backups of the named resources, or of all in the project, to be read now.

    Raises:
        Unplannable: a name is not in the repository.
    """
    found = named(request, stored.resources(), kinds, where="in the repository")
    return tuple(Verified(ref, None, whole=whole) for ref in sorted(resource.ref for resource in found))


def rehearse_goals(
    request: Request,
    stored: StoredResources,
    version: Version,
    *,
    probe: tuple[tuple[str, ...], ...],
    timeout_seconds: int,
    kinds: Mapping[str, Kind],
) -> tuple[tuple[Rehearsed, ...], Choice]:
    """Ask for a backup of each named resource, or of all in the project, to be rehearsed now.

    Of several a version means the newest good backup that is not after it, as with restores.

    Returns:
        The goals, and what was chosen and what could not be.

    Raises:
        Unplannable: a name or the version is not in the repository.
    """
    choice, version = choose_stored(request, stored, version, kinds)
    goals = tuple(
        Rehearsed(s.ref, None, probe, timeout_seconds, s, passed_over(s, version, stored.catalog))
        for s in sorted(choice.sources, key=lambda source: source.ref)
    )
    return goals, choice


def prune_goals(
    request: Request, catalog: Catalog, keep: Keep, *, timezone: str, purge: bool
) -> tuple[Retained, ...]:
    """Ask for what no rule wants to be removed, of all resources of the wanted kinds and project."""
    refs = {*catalog.backups, *(backup.ref for backup in catalog.removed)}
    return tuple(Retained(ref, keep, timezone, purge) for ref in sorted(refs) if _is_wanted(ref, request))


def mark_goal(backup: BackupId, catalog: Catalog, *, pinned: bool) -> Marked:
    """Ask for a backup to be pinned, or not to be any longer.

    Raises:
        Unplannable: there is no such backup.
    """
    _check_there(backup, catalog)
    return Marked(backup.ref, backup, pinned)


def accept_goal(backup: BackupId, catalog: Catalog) -> Accepted:
    """Ask for a backup to be taken for what it shall be.

    Raises:
        Unplannable: there is no such backup.
    """
    _check_there(backup, catalog)
    return Accepted(backup.ref, backup)


def undelete_goal(backup: BackupId, catalog: Catalog) -> Undeleted:
    """Ask for a removal to be taken back.

    Raises:
        Unplannable: it was not removed, or is gone for good.
    """
    if backup not in catalog.removed and backup not in catalog.of(backup.ref):
        removed = [other.timestamp for other in catalog.removed_of(backup.ref)]
        hint = f"of {backup.ref} these can be taken back: {', '.join(removed)}" if removed else ""
        raise Unplannable(f"{backup} is not among the removed backups", hint=hint)
    return Undeleted(backup.ref, backup)


def _check_there(backup: BackupId, catalog: Catalog) -> None:
    if backup not in catalog.of(backup.ref):
        raise Unplannable(f"there is no backup {backup}", hint=_nearest(backup.ref, catalog))


def _is_wanted(ref: ResourceRef, request: Request) -> bool:
    return ref.kind in request.kinds and covers(request, {ref.project} if ref.project else ())


def _nearest(ref: ResourceRef, catalog: Catalog) -> str:
    there = [backup.timestamp for backup in catalog.of(ref)]
    return f"there are {', '.join(there[-5:])}" if there else "see what there is with `incus-backup list all`"
