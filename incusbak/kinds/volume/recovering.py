"""Finish or undo a restore: at once when it fails, in the next run when it was killed.

Everything here may be cut short at any point, and run again from its start: each step looks at the server
for what is still to be done, and the record goes last. The marks on a volume go after what they stand for.
"""

from attrs import evolve

from ...errors import ServerError
from ...model.documents import Json
from ...model.records import Phase, VolumeRestoration
from ...model.refs import ResourceRef, volume_ref
from ...model.results import StepResult
from ...ports import IncusApi, KindContext
from ..common import custom_volumes
from ..common.attempts import Attempts
from ..common.cleanup import mention
from ..common.marks import RUN
from ..common.operations import is_settled, settle
from ..common.remains import remains, runs
from ..common.replacement import advance, retire_alone
from ..instance.lifecycle import STOP_SECONDS
from . import storage, users


def aside_of(record: VolumeRestoration) -> ResourceRef:
    return volume_ref(record.ref.project, record.ref.pool, record.aside)


def temporary_of(record: VolumeRestoration) -> ResourceRef:
    return volume_ref(record.ref.project, record.ref.pool, record.temporary)


def remains_of(api: IncusApi, record: VolumeRestoration) -> str:
    """Tell what a restore still has to put in order; of what is in its place, only what that waits for."""
    match record.phase:
        case Phase.RETIRING:
            return remains(api, (aside_of(record),))
        case Phase.COMPLETE:
            ran = (user.ref for user in record.users if user.ran)
            return remains(api, (aside_of(record),)) + "".join(runs(api, ref) for ref in ran)
        case Phase.IMPORTING:
            return remains(api, (temporary_of(record),))
        case Phase.SWAPPING:
            users = (user.ref for user in record.users)
            return remains(api, (record.ref, temporary_of(record), aside_of(record), *users))


def recover(tools: KindContext, record: VolumeRestoration) -> StepResult:
    """Finish what is complete, undo what is not.

    Raises:
        ServerError: not possible now; nothing is lost, and the record stays for another try.
    """
    _await_server(tools, record)
    if record.phase is Phase.RETIRING:
        return StepResult(note=retire_alone(tools, record, _retire))
    new = custom_volumes.find(tools.api, record.ref)
    if record.phase is not Phase.COMPLETE or new is None:
        return StepResult(note=_undo(tools, record))
    return StepResult(backup=record.source, identity=storage.identity(new), note=finish(tools, record))


def finish(tools: KindContext, record: VolumeRestoration) -> str:
    """Unmark the new volume, which is whole and in its place, and retire the old one."""
    attempts = Attempts()
    if _is_new(custom_volumes.find(tools.api, record.ref), record):
        tools.restored(record.ref, record.source)
        _put_users_back(tools, record, attempts)
        with attempts.at("taking its mark away"):
            storage.unmark(tools.api, record.ref)
    is_settled_so_far = not attempts.failed
    with attempts.at("removing the replaced one"):
        _retire(tools, record)
    if attempts.failed and is_settled_so_far and not users.not_running(tools.api, record.users):
        advance(tools, record, Phase.RETIRING)
    attempts.check()
    tools.journal.remove(record.id)
    return f"finished the restore of {record.ref}"


def _retire(tools: KindContext, record: VolumeRestoration) -> None:
    """Remove the old one, unless it may be needed still."""
    aside = aside_of(record)
    if not _is_old_one(custom_volumes.find(tools.api, aside), record):
        return
    idle = users.not_running(tools.api, record.users)
    if idle and record.phase is not Phase.RETIRING:
        names = ", ".join(map(str, idle))
        raise ServerError(
            f"it is kept as {aside.name}, since {names} ran with it, and not with the new one",
            hint=f"when it is needed no more: `{_by_hand('delete', aside)}`",
        )
    mention(tools, "removing the replaced one")
    custom_volumes.remove(tools.api, aside)


def undo(tools: KindContext, record: VolumeRestoration) -> str:
    """Put the old volume back as it was, with all who use it, and remove the new one."""
    _await_server(tools, record)
    return _undo(tools, record)


def _undo(tools: KindContext, record: VolumeRestoration) -> str:
    words, attempts = f"removed an unfinished restore of {record.ref}", Attempts()
    if record.phase is not Phase.IMPORTING:
        with attempts.at("taking the new one out", _by_hand("rename", record.ref, record.temporary)):
            _take_out(tools, record)
    if record.victim is not None:
        words += f", {_put_back(tools, record, attempts)}"
    is_put_back = not attempts.failed
    with attempts.at("removing the new one"):
        custom_volumes.remove(tools.api, temporary_of(record))
    if attempts.failed and is_put_back:  # what becomes of the original and its users is nobody's here
        tools.journal.write(evolve(record, phase=Phase.IMPORTING, victim=None, users=()))
    attempts.check()
    tools.journal.remove(record.id)
    return words


def _by_hand(verb: str, ref: ResourceRef, *more: str) -> str:
    return " ".join(["incus storage volume", verb, ref.pool, ref.name, *more, "--project", ref.project])


def _await_server(tools: KindContext, record: VolumeRestoration) -> None:
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


def _take_out(tools: KindContext, record: VolumeRestoration) -> None:
    """Give the new volume its temporary name again, if it has been put in place."""
    if not _is_new(custom_volumes.find(tools.api, record.ref), record):
        return
    users.stop(tools.api, record.users)
    users.detach(tools.api, record.ref, record.users)
    custom_volumes.rename(tools.api, record.ref, record.temporary)


def _put_back(tools: KindContext, record: VolumeRestoration, attempts: Attempts) -> str:
    """Give the old one its name and its users back, whatever of that it has lost.

    Without its name nobody is started: who finds no data, or other data, may do harm.
    """
    if record.phase is Phase.IMPORTING:
        return "the original was not touched"
    aside, ref = aside_of(record), record.ref
    if _is_old_one(custom_volumes.find(tools.api, aside), record):
        with attempts.at("giving the original its name back", _by_hand("rename", aside, ref.name)):
            custom_volumes.rename(tools.api, aside, ref.name)
    if _is_old_one(custom_volumes.find(tools.api, ref), record):
        _put_users_back(tools, record, attempts)
        return "the original is in its place"
    return "the original was removed meanwhile, by someone else"


def _put_users_back(tools: KindContext, record: VolumeRestoration, attempts: Attempts) -> None:
    with attempts.at(f"putting back those who use {record.ref}, which is in its place"):
        users.attach(tools.api, record.ref, record.users)
    with attempts.at(f"starting those who use {record.ref}"):
        users.start(tools.api, record.ref, record.users)
