"""What earlier runs left on the server, and the steps that remove it. Pure."""

from collections.abc import Iterator

from attrs import evolve

from ...model.actions import Discard, Recover
from ...model.goals import BackedUp, Goal, Restored
from ...model.inventory import Inventory, Resource
from ...model.plans import Exists, HasRecord, Step
from ...model.records import (
    EntityCreation,
    ImageImport,
    PendingHooks,
    Phase,
    Record,
    Restoration,
    ScratchExport,
    ScratchInstance,
    ScratchRestore,
    ScratchVolume,
    VolumeRestoration,
)
from ...model.refs import ResourceRef
from ...model.standings import Leftover
from .world import World


def cleaning_steps(world: World) -> list[Step]:
    """Remove or finish what runs left that did not end by themselves."""
    return [*_recoveries(world.inventory), *_discards(world)]


def must_wait(goal: Goal, world: World) -> bool:
    """Whether only after a clean-up it will be known what there is: of it, or of what a restore needs.

    What an interrupted restore was to replace, and is there under its name, can be backed up all the same.
    """
    unsettled = world.inventory.unsettled
    if isinstance(goal, Restored):
        return not unsettled.isdisjoint({goal.ref, *_needed(goal, world)})
    if goal.ref not in unsettled or not isinstance(goal, BackedUp):
        return False
    return goal.ref not in world.inventory.resources or world.kinds[goal.ref.kind].is_immutable


def _needed(goal: Restored, world: World) -> Iterator[ResourceRef]:
    stored = world.evidence.manifests.get(goal.source)
    if stored is not None and world.inventory.unsettled:
        required = world.kinds[goal.ref.kind].requires(stored.manifest, goal.ref, goal.options)
        yield from map(world.owned, required)


def stray_warnings(world: World) -> Iterator[str]:
    """Name what only the machine that made it, or a person, can deal with."""
    for stray in _unexplained(world.inventory):
        if world.kinds[stray.ref.kind].expiry(stray) is None:
            yield (
                f"{stray.ref} is of a restore on another machine, which was interrupted or still goes on: "
                f"run incus-backup there, or see what it is with {_shown_by(stray.ref)}"
            )


def _shown_by(ref: ResourceRef) -> str:
    what, place = ("storage volume", f" {ref.pool}") if ref.pool else ("config", "")
    return f"`incus {what} show --project {ref.project}{place} {ref.name}`"


def quarantine_warnings(inventory: Inventory) -> Iterator[str]:
    """Say in a line that there is what can't be cleaned up."""
    if count := len(inventory.quarantined):
        what = "1 leftover of an earlier run" if count == 1 else f"{count} leftovers of earlier runs"
        yield f"{what} can't be cleaned up: `incus-backup status` tells what, why, and what to do"


def of_quarantine(inventory: Inventory) -> tuple[Leftover, ...]:
    """Tell what is in quarantine, for a person."""
    return tuple(
        Leftover(subject_of(each.record).address, what_is_left(each.record), each.why, each.hint, each.since)
        for each in inventory.quarantined
    )


def _recoveries(inventory: Inventory) -> Iterator[Step]:
    """Neither needs consent: undoing is harmless, and what is finished was agreed to when it began."""
    for record in inventory.leftovers:
        subject = subject_of(record)
        yield Step(
            id=f"recover:{record.id}",
            address=subject.address,
            action=Recover(record.id, subject),
            reason=why_recover(record),
            expects=(HasRecord(record.id),),
            holds=_holds(record),
        )


def subject_of(record: Record) -> ResourceRef:
    """What the user knows it by."""
    match record:
        case ScratchInstance(source=source) | ScratchVolume(source=source):
            return source
        case ScratchRestore(source=backup):
            return backup.ref
        case _:
            return record.ref


def _holds(record: Record) -> tuple[ResourceRef, ...]:
    match record:
        case ScratchVolume(paused=paused):
            return paused
        case VolumeRestoration(users=users):
            return tuple(sorted(user.ref for user in users if user.ref.kind == "instance"))
        case _:
            return ()


def what_is_left(record: Record) -> str:
    """Name what of a leftover is still there, for one who looks for it on the server."""
    match record:
        case ScratchExport(name=name):
            return f"the staged export {name}"
        case ScratchInstance(ref=ref) | ScratchVolume(ref=ref):
            return f"the temporary copy {ref}"
        case ScratchRestore(ref=ref):
            return f"the rehearsed {ref}"
        case Restoration(phase=Phase.SWAPPING) | VolumeRestoration(phase=Phase.SWAPPING):
            return f"a restore that was interrupted half-way ({record.temporary}, {record.aside})"
        case Restoration(phase=Phase.IMPORTING) | VolumeRestoration(phase=Phase.IMPORTING):
            return f"{record.temporary}, from a restore that was not completed"
        case Restoration() | VolumeRestoration():
            return f"{record.aside}, which a restore has replaced"
        case _:
            return why_recover(record)


def why_recover(record: Record) -> str:
    match record:
        case ScratchExport(name=name):
            return f"an interrupted backup left the staged export {name} on the server"
        case ScratchInstance(ref=ref) | ScratchVolume(ref=ref):
            return f"an interrupted backup left the temporary copy {ref}"
        case ScratchRestore(ref=ref, source=source):
            return f"an interrupted rehearsal of {source.timestamp} left {ref}"
        case Restoration() | VolumeRestoration():
            return _why_restored(record)
        case PendingHooks():
            return "an interrupted backup owes the instance the commands to be run after it"
        case EntityCreation():
            return "a restore was interrupted while it made this: unless changed since, it is made whole"
        case ImageImport(projects=()):
            return "an import is complete, but was interrupted before its mark was taken away"
        case ImageImport():
            return "an import was interrupted: what came in of it is removed"


def _why_restored(record: Restoration | VolumeRestoration) -> str:
    """Say how far a restore got, and what that means for what remains of it."""
    match record.phase:
        case Phase.COMPLETE | Phase.RETIRING if record.victim is None:
            return "a restore is complete, but was interrupted before its mark was taken away"
        case Phase.COMPLETE | Phase.RETIRING:
            return f"a restore is complete, but what it replaced, {record.aside}, is still to be removed"
        case Phase.IMPORTING:
            return (
                f"a restore was interrupted before it changed anything: {record.temporary} is to be removed"
            )
        case Phase.SWAPPING if record.victim is None:
            return "a restore was interrupted before it was complete: what came in of it is to be removed"
        case Phase.SWAPPING:
            return "a restore was interrupted while it replaced this: the present one is to be put back"


def _discards(world: World) -> Iterator[Step]:
    for stray in _unexplained(world.inventory):
        kind = world.kinds[stray.ref.kind]
        expiry = kind.expiry(stray)
        if expiry is not None and expiry <= world.now:
            yield Step(
                id=f"discard:{stray.ref.address}",
                address=stray.ref.address,
                action=Discard(stray.ref),
                reason=f"temporary, made by an earlier run, expired {expiry:%Y-%m-%d %H:%M} UTC",
                expects=(Exists(stray.ref, kind.identity(stray.document)),),
            )


def _unexplained(inventory: Inventory) -> Iterator[Resource]:
    records = (*inventory.leftovers, *(each.record for each in inventory.quarantined))
    explained = {name for record in records for name in _names(record)}
    prefixes = tuple(filter(None, map(_prefix, records)))
    strays = sorted(inventory.strays, key=lambda s: s.ref)
    return (s for s in strays if s.ref not in explained and not s.ref.name.startswith(prefixes))


def _names(record: Record) -> Iterator[ResourceRef]:
    yield record.ref
    if isinstance(record, Restoration | VolumeRestoration):
        yield evolve(record.ref, name=record.temporary)
        yield evolve(record.ref, name=record.aside)
    if isinstance(record, Restoration):
        yield from record.volumes
        if record.scratch:
            on_the_way = (evolve(record.ref, name=record.temporary), *record.volumes)
            yield from (evolve(ref, project=record.scratch) for ref in on_the_way)


def _prefix(record: Record) -> str:
    """What the names of volumes begin with that are part of a temporary instance; empty: it has none."""
    match record:
        case Restoration(temporary=name):
            return f"{name}-"
        case ScratchInstance(ref=ref) | ScratchRestore(ref=ref):
            return f"{ref.name}-"
        case _:
            return ""
