"""Finish or undo a restore: at once when it fails, in the next run when it was killed.

Everything here may be cut short at any point, and run again from its start: each step looks at the server
for what is still to be done, and the record goes last. The marks on an instance go after what they stand for.
"""

from ...model.documents import Json
from ...model.policies import Maps
from ...model.records import Phase, Restoration
from ...model.refs import ResourceRef, instance_ref
from ...model.results import Made
from ...ports import Tools
from ..marks import BY, MARK, RUN
from ..operations import is_settled, settle
from ..tidying import mention
from . import dependent_volumes, lifecycle
from .definition import mapped, restored

_INSTANCE_ID = "volatile.cloud-init.instance-id"


def aside_of(record: Restoration) -> ResourceRef:
    return instance_ref(record.ref.project, record.aside)


def temporary_of(record: Restoration) -> ResourceRef:
    return instance_ref(record.ref.project, record.temporary)


def recover(tools: Tools, record: Restoration) -> Made:
    """Finish what is complete, undo what is not.

    Raises:
        ServerError: not possible now; nothing is lost, and the record stays for another try.
    """
    _await_server(tools, record)
    new = lifecycle.find(tools.api, record.ref)
    if record.phase is not Phase.COMPLETE or new is None:
        return Made(note=_undo(tools, record))
    return Made(backup=record.source, identity=lifecycle.uuid(new), note=finish(tools, record))


def finish(tools: Tools, record: Restoration) -> str:
    """Unmark the new instance, which is whole and in its place, and retire the old one."""
    new = lifecycle.find(tools.api, record.ref)
    if new is not None and lifecycle.mark(new, RUN) == record.id:
        if record.start:
            lifecycle.start(tools.api, record.ref)
        lifecycle.change_config(tools.api, record.ref, drop=MARK)
    dependent_volumes.unmark(tools, record)
    if _is_old_one(lifecycle.find(tools.api, aside_of(record)), record):
        mention(tools, "removing the replaced one")
        lifecycle.remove(tools.api, aside_of(record))
    dependent_volumes.retire(tools, record)
    tools.journal.remove(record.id)
    return f"finished the restore of {record.ref}"


def undo(tools: Tools, record: Restoration) -> str:
    """Remove the new instance and put the old one back as it was."""
    _await_server(tools, record)
    return _undo(tools, record)


def _undo(tools: Tools, record: Restoration) -> str:
    for ref in (temporary_of(record), record.ref):
        _remove_if_new(tools, ref, record)
    dependent_volumes.remove_new(tools, record)
    words = f"removed an unfinished restore of {record.ref}"
    if record.victim is not None:
        words += f", {_put_back(tools, record, record.victim)}"
    tools.journal.remove(record.id)
    return words


def _await_server(tools: Tools, record: Restoration) -> None:
    """Wait for what the server still does with these instances: it goes on after the run that asked is dead.

    What it is importing would else appear after the record is gone, what it stops would pass for running.
    """
    settle(tools.api, temporary_of(record))
    dependent_volumes.settle_copies(tools, record)
    if record.phase is not Phase.IMPORTING:
        for ref in (record.ref, aside_of(record)):
            is_settled(tools.api, ref, ref.name, seconds=2 * lifecycle.STOP_SECONDS)


def _remove_if_new(tools: Tools, ref: ResourceRef, record: Restoration) -> None:
    """Remove what this restore imported: its temporary name is its own, any other needs the mark."""
    document = lifecycle.find(tools.api, ref)
    if document is None:
        return
    if ref.name == record.temporary or lifecycle.mark(document, RUN) == record.id:
        lifecycle.remove(tools.api, ref)


def _is_old_one(document: Json | None, record: Restoration) -> bool:
    """Whether this is the instance to be replaced; the new one has the same uuid, but a mark."""
    if document is None or record.victim is None or lifecycle.mark(document, RUN):
        return False
    same = lifecycle.uuid(document) == lifecycle.uuid(record.victim)
    return same and lifecycle.mark(document, BY) in ("", record.id)


def _put_back(tools: Tools, record: Restoration, victim: Json) -> str:
    """Give the old one its name, its definition and its state back, whichever of them it has lost."""
    if record.phase is Phase.IMPORTING:
        return "the original was not touched"
    aside = aside_of(record)
    if _is_old_one(lifecycle.find(tools.api, aside), record):
        lifecycle.stop(tools.api, aside)
        lifecycle.rename(tools.api, aside, record.ref.name)
    present = lifecycle.find(tools.api, record.ref)
    if present is None or not _is_old_one(present, record):
        return "the original was removed meanwhile, by someone else"
    dependent_volumes.put_back(tools, record, victim)
    if _lost_definition(present, victim):
        ordinary = {**mapped(victim, Maps()), "ephemeral": False}
        lifecycle.put(tools.api, record.ref, restored(ordinary, present))
        lifecycle.change_config(tools.api, record.ref, drop=MARK)
    dependent_volumes.forget(tools, record, victim)
    _put_back_state(tools, record.ref, victim)
    return "the original is in its place"


def _lost_definition(present: Json, victim: Json) -> bool:
    """Whether it was made to wait, or renamed: that alone gives it another cloud-init id."""
    config, before = present["config"], victim["config"]
    renamed = present["status"] == "Stopped" and config.get(_INSTANCE_ID) != before.get(_INSTANCE_ID)
    return bool(lifecycle.mark(present, BY)) or renamed


def _put_back_state(tools: Tools, ref: ResourceRef, victim: Json) -> None:
    if lifecycle.is_running(victim):
        lifecycle.start(tools.api, ref)
    lifecycle.set_ephemeral(tools.api, ref, bool(victim.get("ephemeral")))
    if victim["status"] == "Frozen" and (lifecycle.find(tools.api, ref) or {}).get("status") != "Frozen":
        lifecycle.change_state(tools.api, ref, "freeze", timeout=lifecycle.STOP_SECONDS)
