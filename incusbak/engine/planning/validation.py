"""What a plan must be besides well-formed: somebody may have written it by hand, digest and all. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attrs import frozen

from ...model.actions import (
    Accept,
    Action,
    Copy,
    Create,
    Delete,
    Pin,
    Prune,
    Purge,
    Recover,
    Rehearse,
    Replace,
    Restore,
    Undelete,
    Update,
    Verify,
)
from ...model.plans import Absent, Exists, Expectation, Hazard, Plan, Step, Unchanged
from ...model.refs import CONFIG, BackupId, ResourceRef
from ...ports import Entity, Kind
from .diff import loses

VOLUME = "volume"
_DEEPEST = 50
"""How deep the value of a field may be; whatever walks through it must come to an end."""


@frozen
class Known:
    """What plans can be about: ``kinds`` are stored and restored, configuration is made of ``entities``."""

    kinds: Mapping[str, Kind]
    entities: Mapping[str, Entity]


def flaws(plan: Plan, known: Known) -> Iterator[str]:
    """Say what makes no sense in a plan, each as the place in its file and the reason."""
    earlier: set[str] = set()
    for number, step in enumerate(plan.steps):
        place = f"$.plan.steps.{number}"
        if step.id in earlier or not earlier.issuperset(step.after):
            yield f"{place}: step {step.id!r} stands there twice or too early"
        earlier.add(step.id)
        if wrong := next(_wrong_of_action(step, known), ""):
            yield f"{place}.action: {wrong}"
        elif wrong := _wrong_of_hazards(step, known):
            yield f"{place}.hazards: {wrong}"
        for index, expectation in enumerate(step.expects):
            if not _makes_sense(expectation, known):
                yield f"{place}.expects.{index}: nothing of this kind can be looked at"


def too_deep(plan: Plan) -> Iterator[str]:
    """Name the values that are nested deeper than anything a server has."""
    for number, step in enumerate(plan.steps):
        for index, change in enumerate(step.changes):
            if _is_deeper([change.before, change.after], _DEEPEST):
                yield f"$.plan.steps.{number}.changes.{index}: nested too deeply"


def _wrong_of_action(step: Step, known: Known) -> Iterator[str]:
    action = step.action
    ref = _subject(action)
    is_of_entity = isinstance(action, Create | Update | Delete)
    if ref.kind not in _kinds_for(action, known):
        yield f"that can't be done with {ref}"
    if ref.address != step.address:
        yield f"it is about {ref}, the step's address is {step.address!r}"
    for backup in _stored(action):
        if backup.ref.kind != (CONFIG.kind if is_of_entity else ref.kind):
            yield f"{backup} is of another kind"
        if isinstance(action, Copy | Verify | Rehearse | Prune | Purge) and backup.ref != ref:
            yield f"{backup} is of another resource"
    if isinstance(action, Update):
        if not step.changes:
            yield "it changes nothing"
        if not (_is_of_living(step) or known.entities[ref.kind].is_permanent(ref)):
            yield f"it does not say which {ref} it changes"
    if isinstance(action, Prune) and {kept.backup for kept in action.keep} & set(action.backups):
        yield "what is kept is removed as well"


def _kinds_for(action: Action, known: Known) -> Collection[str]:
    """The kinds of what an action can be about; a run may have died making an entity, too."""
    match action:
        case Create() | Update() | Delete():
            return known.entities
        case Recover():
            return {*known.kinds, *known.entities}
        case _:
            return known.kinds


def _subject(action: Action) -> ResourceRef:
    match action:
        case Restore(to=ref) | Replace(to=ref):
            return ref
        case Pin() | Accept() | Undelete():
            return action.backup.ref
        case _:
            return action.ref


def _stored(action: Action) -> tuple[BackupId, ...]:
    """The backups an action is about."""
    match action:
        case Restore(source=source) | Replace(source=source) | Create(source=source) | Update(source=source):
            return (source,)
        case Rehearse(backup=BackupId() as backup):
            return (backup,)
        case Prune(backups=backups, keep=keep):
            return (*backups, *(kept.backup for kept in keep))
        case Copy(backups=backups) | Verify(backups=backups) | Purge(backups=backups):
            return backups
    return ()


def _wrong_of_hazards(step: Step, known: Known) -> str:
    """Say how the hazards of a step are not those of what it does; empty when they are."""
    given, least, most = frozenset(step.hazards), _least(step, known), _most(step, known)
    if missing := sorted(least - given):
        return f"what is done hurts, {', '.join(missing)} at least"
    if more := sorted(given - most):
        return f"what is done has no part in {', '.join(more)}"
    return ""


def _least(step: Step, known: Known) -> frozenset[Hazard]:
    """What no plan does without saying so. What is immutable may only come to be in more places."""
    match step.action:
        case Prune() | Purge():
            return frozenset({Hazard.DELETES_BACKUP})
        case Delete(ref=ref):
            return known.entities[ref.kind].hazards(ref) | {Hazard.DELETES_RESOURCE}
        case Replace(to=ref) if not known.kinds[ref.kind].is_immutable:
            stops = {Hazard.STOPS_INSTANCE} if ref.kind == VOLUME and _stopped(step, ref) else set()
            return frozenset({Hazard.REPLACES_RESOURCE, *stops})
        case Restore(options=options) | Replace(options=options) if options.takes_aliases:
            return frozenset({Hazard.REPLACES_RESOURCE})
        case Update(ref=ref) if _is_of_living(step):
            entity = known.entities[ref.kind]
            return entity.hazards(ref) or frozenset(
                () if _fills(step, entity, ref) else {Hazard.REPLACES_RESOURCE}
            )
    return frozenset()


def _most(step: Step, known: Known) -> frozenset[Hazard]:
    """All that an action can say; that a replaced instance runs is known only to who planned it."""
    least = _least(step, known)
    match step.action:
        case Replace(to=ref) if ref.kind == VOLUME:
            return least | {Hazard.REPLACES_RESOURCE, Hazard.LOSES_CONTENT}
        case Replace():
            more = {Hazard.STOPS_INSTANCE, Hazard.DELETES_RESOURCE, Hazard.LOSES_CONTENT}
            return least | {Hazard.REPLACES_RESOURCE} | more
    return least


def _stopped(step: Step, ref: ResourceRef) -> bool:
    """Whether others are stopped while this one is replaced."""
    return any(isinstance(each, Unchanged) and each.ref == ref and each.stops for each in step.expects)


def _is_of_living(step: Step) -> bool:
    return any(isinstance(each, Unchanged) for each in step.expects)


def _fills(step: Step, entity: Entity, ref: ResourceRef) -> bool:
    """Whether nothing is lost: it is what the server made by itself, and only more is said of it."""
    return entity.is_permanent(ref) and not loses(step.changes, entity.own_description(ref))


def _makes_sense(expectation: Expectation, known: Known) -> bool:
    match expectation:
        case Exists(ref=ref):
            return ref.kind in known.kinds
        case Absent(ref=ref) | Unchanged(ref=ref):
            return ref.kind in known.kinds or ref.kind in known.entities
    return True


def _is_deeper(value: Any, depth: int) -> bool:
    """Look a level at a time: a value from outside may be too deep for anything else."""
    level = [value]
    for _ in range(depth):
        level = [inner for each in level for inner in _inside(each)]
    return bool(level)


def _inside(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
