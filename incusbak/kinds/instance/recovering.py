"""Finish or undo a restore: at once when it fails, in the next run when it was killed.

Everything here may be cut short at any point, and run again from its start: each step looks at the server
for what is still to be done, and the record goes last. The marks on an instance go after what they stand for.
What the server refuses keeps nothing else from being tried: above all, what ran shall run again.
"""

from attrs import evolve

from ...errors import ServerError, ServerUnavailable
from ...model.documents import Json
from ...model.policies import Maps
from ...model.records import Phase, Record, Restoration, ScratchExport, ScratchInstance
from ...model.refs import ResourceRef, instance_ref
from ...model.results import StepResult
from ...ports import IncusApi, KindContext
from ..common.attempts import Attempts
from ..common.cleanup import mention
from ..common.marks import BY, RUN, temporary_marks
from ..common.operations import is_settled, settle
from ..common.paths import path
from ..common.remains import remains, remains_of_export, runs, stands_still
from ..common.replacement import advance, retire_alone
from . import dependent_volumes, lifecycle, room
from .copying import remove_copy
from .definition import comparable, mapped, restored, set_aside
from .dependents import disks
from .entering import scratch_of
from .retiring import aside_of, by_hand, is_kept_for, is_old_one, retire

_INSTANCE_ID = "volatile.cloud-init.instance-id"


def temporary_of(record: Restoration) -> ResourceRef:
    return instance_ref(record.ref.project, record.temporary)


def remains_of(api: IncusApi, record: Record) -> str:
    """See ``ports.Kind.remains``."""
    match record:
        case ScratchExport():
            return remains_of_export(api, record)
        case Restoration():
            return _remains(api, record)
        case ScratchInstance(ref=ref, source=source, source_was_frozen=was_frozen):
            return remains(api, (ref,)) + ("" if was_frozen else stands_still(api, (source,)))
    return remains(api, (record.ref,))


def _remains(api: IncusApi, record: Restoration) -> str:
    """Tell what a restore still has to put in order; of what is in its place, only what that waits for."""
    temporary, aside = temporary_of(record), aside_of(record)
    match record.phase:
        case Phase.RETIRING:
            return remains(api, (aside, *dependent_volumes.set_aside(record)))
        case Phase.COMPLETE:
            return remains(api, (aside, *dependent_volumes.set_aside(record))) + runs(api, record.ref)
        case Phase.IMPORTING:
            instances = (temporary, scratch_of(record)) if record.scratch else (temporary,)
            return remains(api, (*instances, *record.volumes))
        case Phase.SWAPPING:
            return remains(api, (record.ref, temporary, aside, *dependent_volumes.concerned(record)))


def recover(tools: KindContext, record: Restoration) -> StepResult:
    """Finish what is complete, undo what is not.

    Raises:
        ServerError: not possible now, or not all of it; nothing is lost, and the record stays.
    """
    _await_server(tools, record)
    if record.phase is Phase.RETIRING:
        return StepResult(note=retire_alone(tools, record, retire))
    new = lifecycle.find(tools.api, record.ref)
    if record.phase is not Phase.COMPLETE or new is None:
        return StepResult(note=_undo(tools, record))
    return StepResult(backup=record.source, identity=lifecycle.uuid(new), note=finish(tools, record))


def finish(tools: KindContext, record: Restoration) -> str:
    """Unmark the new instance, which is whole and in its place, and retire the old one."""
    attempts = Attempts()
    new = lifecycle.find(tools.api, record.ref)
    if new is not None and lifecycle.mark(new, RUN) == record.id:
        tools.restored(record.ref, record.source)
        with attempts.at("starting the restored one", by_hand("start", record.ref)):
            if record.start:
                lifecycle.start(tools.api, record.ref, frozen=record.frozen)
        with attempts.at("taking its mark away"):
            lifecycle.unmark(tools.api, record.ref)
    with attempts.at("taking the marks of its volumes away"):
        dependent_volumes.unmark(tools, record)
    is_settled_so_far = not attempts.failed
    with attempts.at("removing the replaced one"):
        retire(tools, record)
    if attempts.failed and is_settled_so_far and not is_kept_for(tools, record):
        advance(tools, record, Phase.RETIRING)
    attempts.check()
    tools.journal.remove(record.id)
    return f"finished the restore of {record.ref}"


def undo(tools: KindContext, record: Restoration) -> str:
    """Remove the new instance and put the old one back as it was."""
    _await_server(tools, record)
    return _undo(tools, record)


def _undo(tools: KindContext, record: Restoration) -> str:
    attempts, of_original = Attempts(), Attempts()
    if record.scratch:
        with attempts.at("removing the scratch project"):
            remove_copy(tools, scratch_of(record))
    for ref in (temporary_of(record), record.ref):
        with attempts.at("removing the new one"):
            _remove_if_new(tools, ref, record)
    with attempts.at("removing the volumes of the new one"):
        dependent_volumes.remove_new(tools, record)
    words = f"removed an unfinished restore of {record.ref}"
    if record.victim is not None:
        words += f", {_put_back(tools, record, of_original)}"
        if attempts.failed and not of_original.failed:
            _note_put_back(tools, record)
    attempts.check(of_original)
    tools.journal.remove(record.id)
    return words


def _note_put_back(tools: KindContext, record: Restoration) -> None:
    """Note that only what is new is still to be removed: what becomes of the original is nobody's here."""
    tools.journal.write(evolve(record, phase=Phase.IMPORTING, victim=None))


def _await_server(tools: KindContext, record: Restoration) -> None:
    """Wait for what the server still does with these instances: it goes on after the run that asked is dead.

    What it is importing would else appear after the record is gone, what it stops would pass for running.
    """
    settle(tools.api, temporary_of(record))
    dependent_volumes.settle_copies(tools, record)
    if record.scratch:
        settle(tools.api, scratch_of(record))
    if record.phase is not Phase.IMPORTING:
        for ref in (record.ref, aside_of(record)):
            is_settled(tools.api, ref, ref.name, seconds=2 * lifecycle.STOP_SECONDS)


# -- the new one ------------------------------------------------------------------------------------


def _remove_if_new(tools: KindContext, ref: ResourceRef, record: Restoration) -> None:
    """Remove what this restore imported: its temporary name is its own, any other needs the mark."""
    document = lifecycle.find(tools.api, ref)
    if document is None:
        return
    if ref.name == record.temporary or lifecycle.mark(document, RUN) == record.id:
        try:
            lifecycle.remove(tools.api, ref)
        except ServerUnavailable:
            raise
        except ServerError:
            if ref == record.ref:
                _out_of_the_way(tools, record)
            raise


def _out_of_the_way(tools: KindContext, record: Restoration) -> None:
    """Have the new one, which can't be removed, give up the name and the addresses of the old one."""
    temporary = temporary_of(record)
    lifecycle.stop_by_force(tools.api, record.ref)
    lifecycle.rename_after_all(tools.api, record.ref, temporary.name)
    document = lifecycle.find(tools.api, temporary)
    if document is not None:
        marks = temporary_marks(tools, run=record.id, source=record.source)
        lifecycle.give(tools.api, temporary, set_aside(document, marks))


# -- the old one ------------------------------------------------------------------------------------


def _put_back(tools: KindContext, record: Restoration, attempts: Attempts) -> str:
    """Give the old one its name, its definition and its state back, whichever of them it has lost.

    Where its name can't be had it gets the others all the same: it may be needed.
    """
    if record.phase is Phase.IMPORTING:
        return "the original was not touched"
    aside, ref = aside_of(record), record.ref
    if is_old_one(lifecycle.find(tools.api, aside), record):
        with attempts.at("giving the original its name back", by_hand("rename", aside, ref.name)):
            lifecycle.stop(tools.api, aside)
            lifecycle.rename_after_all(tools.api, aside, ref.name)
    for place in (ref, aside):
        present = lifecycle.find(tools.api, place)
        if present is not None and is_old_one(present, record):
            _put_back_at(tools, place, record, present, attempts)
            return "the original is in its place" + _new_id(tools, place, record.victim or {})
    return "the original was removed meanwhile, by someone else"


def _put_back_at(
    tools: KindContext, ref: ResourceRef, record: Restoration, present: Json, attempts: Attempts
) -> None:
    victim = record.victim or {}
    with attempts.at("giving the original its volumes back"):
        dependent_volumes.put_back(tools, record, victim)
    if _lost_definition(present, victim):
        with attempts.at("giving the original its definition back"):
            _give_back(tools, ref, record, victim)
        with attempts.at("taking its mark away"):
            lifecycle.unmark(tools.api, ref)
    if not disks(victim).keys() <= disks(lifecycle.find(tools.api, ref) or {}).keys():
        with attempts.at("starting the original"):
            raise ServerError("it has not got its volumes back, so it is not started")
        return
    with attempts.at("removing those of its old volumes that were copied"):
        dependent_volumes.forget(tools, record, victim)
    if lifecycle.is_running(victim):
        with attempts.at("starting the original", by_hand("start", ref)):
            record = _start(tools, ref, record)
    if record.widened:
        with attempts.at("putting the limit of its root disk back"):
            room.take_back(tools.api, ref, victim)
    with attempts.at("putting the state of the original back"):
        _put_back_state(tools, ref, victim)


def _new_id(tools: KindContext, ref: ResourceRef, victim: Json) -> str:
    """Say that its project did not let it keep its cloud-init id: each new name gives it another."""
    present, before = lifecycle.find(tools.api, ref), (victim.get("config") or {}).get(_INSTANCE_ID)
    if present is None or not before or present["config"].get(_INSTANCE_ID) == before:
        return ""
    words = "with a new cloud-init id, which its project lets nobody set back"
    mention(
        tools, f"the original runs on {words}" if lifecycle.is_running(present) else f"it is back {words}"
    )
    return f", {words}"


def _lost_definition(present: Json, victim: Json) -> bool:
    """Whether it was made to wait, or renamed: that alone gives it another cloud-init id."""
    has_other_id = present["config"].get(_INSTANCE_ID) != victim["config"].get(_INSTANCE_ID)
    # one that somebody has changed while it ran has got another id for that
    is_unchanged = present["status"] == "Stopped" or comparable(present) == comparable(victim)
    return bool(lifecycle.mark(present, BY)) or (has_other_id and is_unchanged)


def _give_back(tools: KindContext, ref: ResourceRef, record: Restoration, victim: Json) -> None:
    present = tools.api.get(path(ref), project=ref.project).body
    wanted: Json = restored({**mapped(victim, Maps()), "ephemeral": False}, present)
    lifecycle.give(tools.api, ref, room.keep(wanted, present) if record.widened else wanted)


def _start(tools: KindContext, ref: ResourceRef, record: Restoration) -> Restoration:
    """Start the old one; where it does not come up, once more with room on its root disk."""
    try:
        lifecycle.start(tools.api, ref)
    except ServerUnavailable:
        raise
    except ServerError:
        present = lifecycle.find(tools.api, ref)
        if record.widened or present is None or not room.can_be_made(tools.api, present):
            raise
        record = evolve(record, widened=True)
        tools.journal.write(record)
        room.make(tools.api, ref)
        lifecycle.start(tools.api, ref)
    return record


def _put_back_state(tools: KindContext, ref: ResourceRef, victim: Json) -> None:
    lifecycle.set_ephemeral(tools.api, ref, bool(victim.get("ephemeral")))
    if victim["status"] == "Frozen" and (lifecycle.find(tools.api, ref) or {}).get("status") != "Frozen":
        lifecycle.change_state(tools.api, ref, "freeze", timeout=lifecycle.STOP_SECONDS)
