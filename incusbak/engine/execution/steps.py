"""Carry out one step."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

from attrs import evolve, frozen

from ... import __version__
from ...errors import Disturbed, StalePlan
from ...model.actions import (
    Accept,
    BackUp,
    Copy,
    Create,
    Delete,
    Discard,
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
from ...model.backups import Manifest, Source
from ...model.courses import BackupMade
from ...model.inventory import Resource
from ...model.notes import Shrinkage
from ...model.plans import Step, Unchanged
from ...model.refs import BackupId, ResourceRef
from ...model.results import Phased, StepResult
from ...ports import KindContext, Repository
from ..planning.configuration import wanted_entity
from ..planning.shrinkage import has_shrunk, how_to_agree, what_shrank
from ..resumption import note_down
from .context import ExecutionContext
from .copy import transfer
from .entities import create_entity, recover_entity
from .hooks import hooked
from .recovery import recover
from .rehearse import prove
from .remove import remove
from .verify import in_number, inspect, noting_damage

_ATTEMPTS = 2


@frozen
class _Files:
    """The files of one backup."""

    repository: Repository
    backup: BackupId
    tools: KindContext

    def open(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        return self.repository.open_file(self.backup, name)

    def checkpoint(self) -> None:
        self.tools.checkpoint()


def perform(step: Step, context: ExecutionContext, *, made: BackupId | None = None) -> StepResult:
    """Carry out one step whose expectations were just checked.

    Args:
        made: the backup that an earlier step made of the same resource, if one did.
    """
    match step.action:
        case BackUp():
            return _back_up(step.action, context)
        case Copy(source=source):
            return transfer(step.action, context.tools, context.others(source.uri), context.repository)
        case Verify():
            return inspect(
                step.action, context.tools, context.repository, context.kinds[step.action.ref.kind]
            )
        case Rehearse(backup=backup):
            return _rehearse(step.action, backup or made, context)
        case Prune():
            return remove(step.action, context.tools, context.repository)
        case Pin() | Accept() | Undelete() | Purge():
            return _mark(step.action, context)
        case Restore(source=source, to=to):
            return _restore(step.action, source, to, None, context)
        case Replace(source=source, to=to):
            return _restore(step.action, source, to, context.inspect(to), context)
        case Recover():
            if entity := context.entities.get(step.action.ref.kind):
                return recover_entity(step.action, context.tools, entity)
            return recover(step.action, context.tools, context.kinds[step.action.ref.kind])
        case Discard(ref=ref):
            context.kinds[ref.kind].discard(context.tools, ref)
            return StepResult(note=f"removed {ref}")
        case Create() | Update():
            return _configure(step, step.action, context)
        case Delete(ref=ref):
            context.entities[ref.kind].delete(context.tools.api, ref)
            return StepResult(note="deleted")


def _rehearse(action: Rehearse, backup: BackupId | None, context: ExecutionContext) -> StepResult:
    if backup is None:
        raise StalePlan(f"no step of this plan made the backup of {action.ref} that it is to rehearse")
    files, kind = _Files(context.repository, backup, context.tools), context.kinds[action.ref.kind]
    with noting_damage(backup, context.tools, context.repository):
        return prove(action, backup, context.tools, context.repository, kind=kind, files=files)


def _mark(action: Pin | Accept | Undelete | Purge, context: ExecutionContext) -> StepResult:
    repository = context.repository
    match action:
        case Pin(backup=backup, pinned=pinned):
            repository.pin(backup, pinned=pinned)
            return StepResult(note=f"{'pinned' if pinned else 'unpinned'} {backup.timestamp}")
        case Accept(backup=backup):
            repository.note(Shrinkage(backup, context.tools.clock(), accepted=True))
            return StepResult(note=f"{backup.timestamp} is taken for what it shall be")
        case Undelete(backup=backup):
            repository.undelete(backup)
            return StepResult(note=f"{backup.timestamp} is there again")
        case Purge(backups=backups):
            for backup in backups:
                repository.purge(backup)
            return StepResult(note=f"deleted {in_number(len(backups))} for good")


def _back_up(action: BackUp, context: ExecutionContext) -> StepResult:
    """Export, once more if someone started or stopped the resource meanwhile."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _export(action, context)
        except Disturbed as error:
            if attempt == _ATTEMPTS:
                raise
            context.tools.tell(Phased(f"again: {error.message}"))
    raise AssertionError("unreachable: the loop returns or raises")


def _export(action: BackUp, context: ExecutionContext) -> StepResult:
    kind, server = context.kinds[action.ref.kind], context.tools.server
    with (
        hooked(context.tools, kind, action.ref, action.hooks) as tools,
        context.repository.new_backup(action.ref, tools.clock()) as writer,
    ):
        captured = kind.export(tools, action.ref, action.options, writer)
        manifest = Manifest(
            id=writer.id,
            source=Source(server.fingerprint, server.name, server.version),
            options=action.options,
            captured=captured,
            files=writer.files,
            tool_version=__version__,
        )
        context.tools.tell(Phased("committing"))
        notes = [_note_shrinkage(action, manifest, context), *kind.caveats(manifest)]
        note_down(tools.journal, BackupMade(tools.clock(), writer.id, kind.identity(captured.resource)))
        writer.commit(manifest, context.tools.tell)
    return StepResult(
        backup=writer.id.address,
        identity=kind.identity(captured.resource),
        size_bytes=manifest.size_bytes,
        note="; ".join(filter(None, (*notes, writer.remark))),
    )


def _note_shrinkage(action: BackUp, manifest: Manifest, context: ExecutionContext) -> str:
    """Keep what makes one doubt a backup, before anybody can see that: nothing is to be removed for it."""
    before, now = action.full_bytes, manifest.captured.own_bytes
    if before is None or now is None or not has_shrunk(before, now):
        return ""
    context.repository.note(Shrinkage(manifest.id, context.tools.clock(), before, now))
    return f"{what_shrank(before, now)}; nothing older is removed for it: {how_to_agree((manifest.id,))}"


def _restore(
    action: Restore | Replace,
    source: BackupId,
    to: ResourceRef,
    current: Resource | None,
    context: ExecutionContext,
) -> StepResult:
    """Verify first, then touch the server."""
    kind, files = context.kinds[to.kind], _Files(context.repository, source, context.tools)
    with noting_damage(source, context.tools, context.repository):
        manifest = context.repository.manifest(source).manifest
        context.repository.check(source, context.tools.tell)
        made = kind.restore(context.tools, manifest, files, to=to, options=action.options, current=current)
    return evolve(made, backup=source.address)


def _configure(step: Step, action: Create | Update, context: ExecutionContext) -> StepResult:
    """Make or change one entity of the configuration, from a backup that is verified first."""
    entity, ref = context.entities[action.ref.kind], action.ref
    state = context.repository.manifest(action.source).manifest.captured.resource
    context.repository.check(action.source, context.tools.tell)
    wanted = wanted_entity(entity, state, ref, action.options.maps)
    if wanted is None:
        raise StalePlan(f"{action.source} holds no {ref}")
    match action:
        case Create():
            create_entity(context.tools, entity, ref, wanted)
        case Update():
            seen = [e.etag for e in step.expects if isinstance(e, Unchanged)]
            entity.update(context.tools.api, ref, wanted, etag="".join(seen))
    return StepResult(backup=action.source.address)
