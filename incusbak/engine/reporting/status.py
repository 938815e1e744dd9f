"""From a policy and a world to how its promises stand. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from attrs import evolve

from ...model.goals import Verified
from ...model.inventory import Inventory
from ...model.policies import Policy, Severity
from ...model.refs import CONFIG, ResourceRef
from ...model.standings import (
    LastRehearsal,
    NewestBackup,
    Overview,
    Standing,
    State,
    StoredSize,
    Totals,
    VanishedRule,
    Verification,
)
from ..planning.backup import in_words, why_due
from ..planning.cleanup import of_quarantine
from ..planning.configuration import reconfigured
from ..planning.rehearsal import why_rehearse
from ..planning.shrinkage import doubt_in_words, how_to_agree
from ..planning.verification import last_read, unread
from ..planning.world import World
from ..selection.care import rehearsal_goal
from ..selection.policy import judged_of, of_the_future, unmatched_restores, unprotected_resources, vanished
from ..selection.protection import Covered, Protection
from ..selection.stored import Documents
from ..selection.versions import some


def take_stock(
    policy: Policy,
    protection: Protection,
    world: World,
    *,
    repository: str,
    documents: Documents,
    totals: Totals | None = None,
    sizes: Mapping[ResourceRef, tuple[StoredSize, ...]] | None = None,
) -> Overview:
    """Compare what the protect rules promise with the backups there are.

    Args:
        protection: of the same policy and inventory.
        world: with the manifests of the newest backups as evidence, where they can be read.
        repository: its URI.
        documents: of the backups that ``documents_to_read`` names.
        totals: of the repository, where they are of interest.
        sizes: of the last backups of each resource, oldest first, where they are of interest.
    """
    inventory, catalog = world.inventory, world.catalog
    gone = sorted(vanished(policy, inventory, catalog, documents, world.kinds), key=lambda note: note.rule)
    sizes = sizes or {}
    protected = tuple(
        evolve(_standing(protection.covered[ref], world), sizes=sizes.get(ref, ()))
        for ref in sorted(protection.covered)
    )
    unprotected = unprotected_resources(inventory, protection.accounted_for)
    if policy.expect.unprotected is Severity.OK:
        unprotected = []
    notes = (*protection.notes, *unmatched_restores(policy, catalog, documents, world.kinds))
    judged = judged_of(policy, notes, gone, len(unprotected))
    config = catalog.newest(CONFIG) if CONFIG in protection.covered else None
    return Overview(
        server=inventory.server.name,
        repository=repository,
        as_of=world.now,
        protected=protected,
        vanished=tuple(VanishedRule(note.rule, note.text) for note in gone),
        reconfigured=tuple(sorted(r.address for r in reconfigured(config, world))) if config else (),
        unprotected=tuple(ref.address for ref in sorted(unprotected)),
        opted_out=tuple(ref.address for ref in sorted(protection.opted_out)),
        warnings=tuple(sorted([*judged.warnings, *_warnings(protection, protected, world)])),
        totals=totals,
        quarantined=of_quarantine(inventory),
        unmet=judged.unmet,
    )


def _standing(covered: Covered, world: World) -> Standing:
    ref, rehearsed = covered.goal.ref, rehearsal_goal(covered.goal.ref, covered.rule)
    state, reason = _state(covered, world)
    return Standing(
        address=ref.address,
        kind=ref.kind,
        project=ref.project,
        rule=covered.rule.name,
        state=state,
        max_age_seconds=_in_seconds(covered.rule.every),
        newest=_newest(covered, world),
        reason=reason,
        verification=_verification(covered, world),
        rehearsal=_rehearsal(covered, world),
        rehearse_max_age_seconds=_in_seconds(rehearsed.max_age) if rehearsed else None,
    )


def _in_seconds(age: timedelta | None) -> int | None:
    return None if age is None else int(age.total_seconds())


def _state(covered: Covered, world: World) -> tuple[State, str]:
    if covered.obstacle:
        return State.IMPOSSIBLE, f"can't be backed up: {covered.obstacle}"
    backups, ahead = world.catalog.of(covered.goal.ref), world.catalog.ahead(covered.goal.ref)
    due = why_due(covered.goal, world)
    if world.catalog.is_damaged(covered.goal.ref):
        worse = f"; {due}" if due else ""
        stamp = next(b.timestamp for b in reversed(backups) if b not in ahead)
        return State.DAMAGED, f"the newest backup, {stamp}, is damaged{worse}"
    if due:
        return (State.OVERDUE if len(backups) > len(ahead) else State.MISSING), due
    newest = world.catalog.newest(covered.goal.ref)
    if newest and (why := world.evidence.unreadable.get(newest)):
        return State.UNREADABLE, f"the newest backup can't be read: {why}"
    if doubted := world.catalog.doubted(covered.goal.ref):
        return State.SHRUNK, f"{doubt_in_words(doubted)}; {how_to_agree(doubted)}"
    if reason := _why_unverified(covered, world):
        return State.UNVERIFIED, reason
    if reason := _why_unrehearsed(covered, world):
        return State.UNREHEARSED, reason
    if ahead:
        stamps = some(backup.timestamp for backup in ahead)
        return State.FUTURE, f"dated in the future, so a clock was wrong, here or there: {stamps}"
    return State.OK, ""


def _why_unverified(covered: Covered, world: World) -> str:
    every = covered.rule.verify_every
    due = () if every is None else unread(Verified(covered.goal.ref, every), world)
    if every is None or not due:
        return ""
    one = len(due) == 1
    return f"{len(due)} backup{' was' if one else 's were'} not read again for {in_words(every)}"


def _verification(covered: Covered, world: World) -> Verification:
    known = world.catalog.known(covered.goal.ref)
    return Verification(
        max_age_seconds=_in_seconds(covered.rule.verify_every),
        last=min((last_read(b, health) for b, health in known.items() if not health.ahead), default=None),
        damaged=tuple(backup for backup, health in known.items() if health.damaged),
    )


def _why_unrehearsed(covered: Covered, world: World) -> str:
    goal, catalog = rehearsal_goal(covered.goal.ref, covered.rule), world.catalog
    if goal is None:
        return ""
    last = catalog.rehearsed(goal.ref)
    if last is not None and catalog.health(last).unfit:
        return f"its last rehearsal, of {last.timestamp}, failed"
    return why_rehearse(goal, world)


def _rehearsal(covered: Covered, world: World) -> LastRehearsal | None:
    last = world.catalog.rehearsed(covered.goal.ref)
    found = world.evidence.rehearsals.get(last) if last else None
    if last is None or found is None:
        return None
    return LastRehearsal(last, found.at, found.problem, found.restore_seconds, found.boot_seconds)


def _newest(covered: Covered, world: World) -> NewestBackup | None:
    newest = world.catalog.newest(covered.goal.ref)
    if newest is None:
        return None
    stored = world.evidence.manifests.get(newest)
    return NewestBackup(
        backup=newest,
        created=newest.created,
        age_seconds=int((world.now - newest.created).total_seconds()),
        size_bytes=stored.manifest.size_bytes if stored else None,
    )


def _warnings(protection: Protection, protected: Iterable[Standing], world: World) -> Iterator[str]:
    """What makes the overview less than certain."""
    if not world.catalog.repository_id:
        yield "the repository is not there yet: the first backup makes it"
    yield from of_the_future(protection, world.catalog)
    yield from _unsettled(world.inventory)
    told = {each.address for each in protected if each.state is State.SHRUNK}
    for ref in sorted(protection.covered):
        if (doubted := world.catalog.doubted(ref)) and ref.address not in told:
            yield f"{doubt_in_words(doubted)}; {how_to_agree(doubted)}"
    for ref in sorted(protection.covered):
        newest = world.catalog.newest(ref)
        stored = world.evidence.manifests.get(newest) if newest else None
        if newest and stored:
            yield from (f"{newest}: {words}" for words in world.kinds[ref.kind].caveats(stored.manifest))
    for each in protected:
        if each.newest and each.newest.size_bytes is None:
            yield f"{each.newest.backup} can't be read; `incus-backup list` says why"


def _unsettled(inventory: Inventory) -> Iterator[str]:
    """What an interrupted restore has under way may be missing from the list of what is protected."""
    for ref in inventory.unsettled:
        yield f"{ref}: a restore was interrupted; the next backup, restore or apply finishes or undoes it"
