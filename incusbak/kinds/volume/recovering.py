"""Finish or undo a restore: at once when it fails, in the next run when it was killed.

Everything here may be cut short at any point, and run again from its start: each step looks at the server
for what is still to be done, and the record goes last. The marks on a volume go after what they stand for.
"""

from ...errors import ServerError
from ...model.documents import Json
from ...model.records import Phase, VolumeRestoration
from ...model.refs import ResourceRef, volume_ref
from ...model.results import Made
from ...ports import Tools
from .. import custom_volumes
from ..instance.lifecycle import STOP_SECONDS
from ..marks import RUN
from ..operations import is_settled, settle
from ..tidying import mention
from . import storage, users


def aside_of(record: VolumeRestoration) -> ResourceRef:
    return volume_ref(record.ref.project, record.ref.pool, record.aside)


def temporary_of(record: VolumeRestoration) -> ResourceRef:
    return volume_ref(record.ref.project, record.ref.pool, record.temporary)


def recover(tools: Tools, record: VolumeRestoration) -> Made:
    """Finish what is complete, undo what is not.

    Raises:
        ServerError: not possible now; nothing is lost, and the record stays for another try.
    """
    _await_server(tools, record)
    new = custom_volumes.find(tools.api, record.ref)
    if record.phase is not Phase.COMPLETE or new is None:
        return Made(note=_undo(tools, record))
    return Made(backup=record.source, identity=storage.identity(new), note=finish(tools, record))


def finish(tools: Tools, record: VolumeRestoration) -> str:
    """Unmark the new volume, which is whole and in its place, and retire the old one."""
    if _is_new(custom_volumes.find(tools.api, record.ref), record):
        _put_users_back(tools, record)
        storage.unmark(tools.api, record.ref)
    if _is_old_one(custom_volumes.find(tools.api, aside_of(record)), record):
        mention(tools, "removing the replaced one")
        custom_volumes.remove(tools.api, aside_of(record))
    tools.journal.remove(record.id)
    return f"finished the restore of {record.ref}"


def undo(tools: Tools, record: VolumeRestoration) -> str:
    """Put the old volume back as it was, with all who use it, and remove the new one."""
    _await_server(tools, record)
    return _undo(tools, record)


def _undo(tools: Tools, record: VolumeRestoration) -> str:
    words = f"removed an unfinished restore of {record.ref}"
    if record.phase is not Phase.IMPORTING:
        _take_out(tools, record)
    if record.victim is not None:
        words += f", {_put_back(tools, record)}"
    custom_volumes.remove(tools.api, temporary_of(record))
    tools.journal.remove(record.id)
    return words


def _await_server(tools: Tools, record: VolumeRestoration) -> None:
    """Wait for what the server still does: it goes on after the run that asked is dead.

    What it is importing would else appear after the record is gone, what it stops would pass for running.
    """
    settle(tools.api, temporary_of(record))
    if record.phase is not Phase.IMPORTING:
        for user in record.users:
            if user.ref.kind == "instance":
                is_settled(tools.api, user.ref, user.ref.name, seconds=2 * STOP_SECONDS)


def _is_new(document: Json | None, record: VolumeRestoration) -> bool:
    return document is not None and storage.marks_of(document).get(RUN) == record.id


def _is_old_one(document: Json | None, record: VolumeRestoration) -> bool:
    """Whether this is the volume to be replaced; the new one may be as old, but has a mark."""
    if document is None or record.victim is None or RUN in storage.marks_of(document):
        return False
    return storage.identity(document) == storage.identity(record.victim)


def _take_out(tools: Tools, record: VolumeRestoration) -> None:
    """Give the new volume its temporary name again, if it has been put in place."""
    if not _is_new(custom_volumes.find(tools.api, record.ref), record):
        return
    users.stop(tools.api, record.users)
    users.detach(tools.api, record.ref, record.users)
    custom_volumes.rename(tools.api, record.ref, record.temporary)


def _put_back(tools: Tools, record: VolumeRestoration) -> str:
    """Give the old one its name and its users back, whatever of that it has lost."""
    if record.phase is Phase.IMPORTING:
        return "the original was not touched"
    if _is_old_one(custom_volumes.find(tools.api, aside_of(record)), record):
        custom_volumes.rename(tools.api, aside_of(record), record.ref.name)
    if not _is_old_one(custom_volumes.find(tools.api, record.ref), record):
        return "the original was removed meanwhile, by someone else"
    _put_users_back(tools, record)
    return "the original is in its place"


def _put_users_back(tools: Tools, record: VolumeRestoration) -> None:
    users.attach(tools.api, record.ref, record.users)
    try:
        users.start(tools.api, record.users)
    except ServerError as error:
        error.message = f"{record.ref} is in its place, but not all who use it: {error.message}"
        raise
