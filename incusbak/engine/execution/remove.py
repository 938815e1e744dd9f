"""Remove backups that no rule wants, as long as those that are kept can be believed in."""

from ...errors import Blocked, Corrupt, StalePlan
from ...model.actions import Prune
from ...model.backups import Catalog
from ...model.results import Phased, StepResult
from ...ports import KindContext, Repository
from ..planning.shrinkage import check_removal
from .verify import in_number, quick_check


def remove(action: Prune, tools: KindContext, repository: Repository) -> StepResult:
    """Remove one backup after the other; as long as others stay, whatever the plan says.

    Raises:
        Corrupt: one that is to be kept, and was thought good, is damaged at first sight. That is noted, so
            that the next plan keeps another one in its place.
        StalePlan: one that is to go was pinned since.
        Blocked: the last good one would go, or those that hold what newer ones do not.
        RepositoryLocked: somebody reads, and does not end in time; nothing was removed.
    """
    _see_what_is_kept(action, tools, repository)
    with repository.exclusive(tools.checkpoint):  # which ends the wait of a run that is stopped
        catalog = repository.catalog(tools.clock())
        check_not_pinned(action, catalog)
        check_removal(action.backups, action.ref, catalog)
        for backup in action.backups:
            catalog = repository.catalog(tools.clock())
            if not any(b != backup and catalog.health(b).counts for b in catalog.of(action.ref)):
                raise Blocked(f"{backup} is the last good backup of {action.ref}; it is not removed")
            tools.tell(Phased(f"removing {backup.timestamp}"))
            repository.remove(backup, tools.clock())
    return StepResult(
        note=f"removed {in_number(len(action.backups))}; `incus-backup undelete` takes that back"
    )


def check_not_pinned(action: Prune, catalog: Catalog) -> None:
    """See that nobody wants to keep what is to go.

    Raises:
        StalePlan: somebody does, by now.
    """
    if pinned := [str(backup) for backup in action.backups if catalog.health(backup).pinned]:
        raise StalePlan(f"{', '.join(pinned)} {'is' if len(pinned) == 1 else 'are'} pinned by now")


def _see_what_is_kept(action: Prune, tools: KindContext, repository: Repository) -> None:
    """Reading all of it is what ``verify`` is for; files that are missing or cut are seen at once.

    The newest is opened as well: it is what a restore would take.
    """
    catalog = repository.catalog(tools.clock())
    thought_good = [kept.backup for kept in action.keep if catalog.health(kept.backup).counts]
    looks = (quick_check(b, tools, repository, opening=b == thought_good[-1]) for b in thought_good)
    if problems := list(filter(None, looks)):
        raise Corrupt("\n".join(problems), hint="nothing was removed; a new plan keeps others instead")
