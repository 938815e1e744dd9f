"""Bring an instance up from a backup, to see that it can be, and remove it.

It comes into a scratch project of its own, without any device but its own disks, so that nothing of it can
reach or disturb anything. A journal record is written before anything is made: whatever a killed run leaves,
the next one removes.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from uuid import uuid4

from attrs import evolve

from ...errors import CommandFailed, OperationFailed, Refused, ServerError, Unfit
from ...model.backups import Manifest
from ...model.policies import Maps
from ...model.records import ScratchRestore
from ...model.refs import ResourceRef, instance_ref
from ...model.results import Phased, RehearsalTimes
from ...ports import BackupFiles, KindContext
from ..common.cleanup import clean_up
from ..common.marks import temporary_marks
from ..common.operations import settle
from ..common.scratch_projects import SCRATCH_PROJECT, NoProject
from . import commands, dependents, lifecycle, room
from .copying import make_room, remove_copy
from .importing import import_archive, names_on_the_way
from .sandbox import sandboxed, sandboxed_snapshot

_STEADY_SECONDS = 5
"""For how long what is not probed must go on running."""
_OF_THE_BACKUP = (Refused, OperationFailed)
"""How the server ends what it has tried with what the backup holds; all else may pass."""
_OF_THE_HOST = ("cannot allocate memory", "too many open files", "resource temporarily unavailable")


def rehearse(
    tools: KindContext,
    manifest: Manifest,
    files: BackupFiles,
    *,
    probe: Sequence[Sequence[str]],
    timeout_seconds: int,
) -> RehearsalTimes:
    """See ``ports.Kind.rehearse``."""
    token = secrets.token_hex(6)
    ref = instance_ref(SCRATCH_PROJECT + token, f"incusbak-{token}")
    record = ScratchRestore(token, ref, manifest.id)
    tools.journal.write(record)
    is_made = True
    try:
        return _bring_up(tools, manifest, files, record, probe=probe, timeout_seconds=timeout_seconds)
    except NoProject:  # nor may this client look for what there is not
        is_made = False
        raise
    finally:
        remove = remove_rehearsed if is_made else _forget
        clean_up(tools, lambda: remove(tools, record))


def _forget(tools: KindContext, record: ScratchRestore) -> str:
    tools.journal.remove(record.id)
    return ""


def remove_rehearsed(tools: KindContext, record: ScratchRestore) -> str:
    """Remove what was brought up, and its record; a probe that still runs in it ends with it."""
    lifecycle.stop_by_force(tools.api, record.ref)
    settle(tools.api, record.ref)
    remove_copy(tools, record.ref)
    tools.journal.remove(record.id)
    return f"removed what was brought up to rehearse {record.source}"


def _bring_up(
    tools: KindContext,
    manifest: Manifest,
    files: BackupFiles,
    record: ScratchRestore,
    *,
    probe: Sequence[Sequence[str]],
    timeout_seconds: int,
) -> RehearsalTimes:
    _make_room(tools, manifest, record)
    begun = tools.clock()
    with _blaming_the_backup(record, "it can't be brought in"):
        _bring_in(tools, manifest, files, record)
    there = tools.clock()
    deadline = time.monotonic() + timeout_seconds
    with _blaming_the_backup(record, "it does not start"):
        tools.tell(Phased("starting"))
        lifecycle.start(tools.api, record.ref)
    if probe:
        _await_probes(tools, record, probe, deadline)
    up = tools.clock()
    if not probe:
        _see_it_go_on(tools, record.ref)
    return RehearsalTimes((there - begun).total_seconds(), (up - there).total_seconds())


@contextmanager
def _blaming_the_backup(record: ScratchRestore, what: str) -> Iterator[None]:
    """Take what the server refuses for the backup's fault, unless it has no room, say."""
    try:
        yield
    except _OF_THE_BACKUP as error:
        if _is_of_the_host(error):
            raise
        words = error.message.replace(str(record.ref), "it")
        raise Unfit(f"{what}: {words}") from error


def _is_of_the_host(error: ServerError) -> bool:
    return room.is_why(error) or any(words in error.message.lower() for words in _OF_THE_HOST)


def _make_room(tools: KindContext, manifest: Manifest, record: ScratchRestore) -> None:
    """Make the project; an optimized archive comes in as it is, and names its profiles."""
    captured = manifest.captured
    named = (captured.resource, *captured.snapshots) if manifest.options.optimized else ()
    has_disks = bool(dependents.disks(captured.resource))
    make_room(tools, record.ref.project, named, volumes=has_disks)


def _bring_in(tools: KindContext, manifest: Manifest, files: BackupFiles, record: ScratchRestore) -> None:
    captured = manifest.captured
    marks = temporary_marks(tools, run=record.id, source=manifest.id.address)
    harmless = sandboxed(captured.resource, pool=captured.pool, marks=marks, identity=uuid4())
    disks = dependents.placed(captured.resource, Maps(), dependents.numbered(record.ref.name))
    import_archive(
        tools,
        manifest,
        files,
        to=record.ref,
        pool=captured.pool,
        harmless=dependents.in_definition(harmless, {}, disks),
        snapshot_of=lambda snapshot: sandboxed_snapshot(snapshot, seed=record.id),
        volumes=dependents.to_place(captured.resource, disks, project=record.ref.project, marks=marks),
        called=names_on_the_way(manifest),
    )


def _await_probes(
    tools: KindContext, record: ScratchRestore, probe: Sequence[Sequence[str]], deadline: float
) -> None:
    """Probe until all is well: what has just been started needs its time.

    Raises:
        Unfit: the time is up, or the instance stopped by itself.
    """
    trying = tools
    while problem := _failed_probe(trying, record, probe, deadline):
        if trying is tools:
            trying = _telling_once(tools, problem)
        _check_running(tools, record.ref, f"; {problem}")
        if time.monotonic() > deadline:
            raise Unfit(problem)
        time.sleep(1)


def _telling_once(tools: KindContext, problem: str) -> KindContext:
    """Say one thing of all that is tried from now on: who listens hears it once, and can still stop it."""
    waiting = Phased(f"waiting for it to be up: {problem}")
    return evolve(tools, tell=lambda _: tools.tell(waiting))


def _failed_probe(
    tools: KindContext, record: ScratchRestore, probe: Sequence[Sequence[str]], deadline: float
) -> str:
    """Run the probes in turn up to the first that fails; say why it does."""
    for command in probe:
        left = max(1, ceil(deadline - time.monotonic()))
        try:
            commands.run(tools, record.ref, command, timeout_seconds=left, token=record.id)
        except (CommandFailed, Refused) as error:
            return error.message.replace(f" in {record.ref}", "")
    return ""


def _see_it_go_on(tools: KindContext, ref: ResourceRef) -> None:
    for _ in range(_STEADY_SECONDS):
        tools.tell(Phased("seeing whether it goes on running"))
        time.sleep(1)
        _check_running(tools, ref, "")


def _check_running(tools: KindContext, ref: ResourceRef, more: str) -> None:
    document = lifecycle.find(tools.api, ref)
    if document is None or not lifecycle.is_running(document):
        raise Unfit(f"it stopped by itself after its start{more}")
