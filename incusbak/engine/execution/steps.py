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
from ...model.results import Made, Moved, Phased
from ...ports import Repository, Tools
from ..planning.configuration import wanted_entity
from ..planning.shrinkage import has_shrunk, how_to_agree, what_shrank
from ..resumption import note_down
from .context import Workshop
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
    tools: Tools

    def open(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        return self.repository.open_file(self.backup, name)

    def pulse(self) -> None:
        self.tools.tell(Moved(0))


def perform(step: Step, shop: Workshop, *, made: BackupId | None = None) -> Made:
    """Carry out one step whose expectations were just checked.

    Args:
        made: the backup that an earlier step made of the same resource, if one did.
    """
    match step.action:
        case BackUp():
            return _back_up(step.action, shop)
        case Copy(source=source):
            return transfer(step.action, shop.tools, shop.others(source.uri), shop.repository)
        case Verify():
            return inspect(step.action, shop.tools, shop.repository, shop.kinds[step.action.ref.kind])
        case Rehearse(backup=backup):
            return _rehearse(step.action, backup or made, shop)
        case Prune():
            return remove(step.action, shop.tools, shop.repository)
        case Pin() | Accept() | Undelete() | Purge():
            return _mark(step.action, shop)
        case Restore(source=source, to=to):
            return _restore(step.action, source, to, None, shop)
        case Replace(source=source, to=to):
            return _restore(step.action, source, to, shop.inspect(to), shop)
        case Recover():
            if entity := shop.entities.get(step.action.ref.kind):
                return recover_entity(step.action, shop.tools, entity)
            return recover(step.action, shop.tools, shop.kinds[step.action.ref.kind])
        case Discard(ref=ref):
            shop.kinds[ref.kind].discard(shop.tools, ref)
            return Made(note=f"removed {ref}")
        case Create() | Update():
            return _configure(step, step.action, shop)
        case Delete(ref=ref):
            shop.entities[ref.kind].delete(shop.tools.api, ref)
            return Made(note="deleted")


def _rehearse(action: Rehearse, backup: BackupId | None, shop: Workshop) -> Made:
    if backup is None:
        raise StalePlan(f"no step of this plan made the backup of {action.ref} that it is to rehearse")
    files, kind = _Files(shop.repository, backup, shop.tools), shop.kinds[action.ref.kind]
    with noting_damage(backup, shop.tools, shop.repository):
        return prove(action, backup, shop.tools, shop.repository, kind=kind, files=files)


def _mark(action: Pin | Accept | Undelete | Purge, shop: Workshop) -> Made:
    repository = shop.repository
    match action:
        case Pin(backup=backup, pinned=pinned):
            repository.pin(backup, pinned=pinned)
            return Made(note=f"{'pinned' if pinned else 'unpinned'} {backup.timestamp}")
        case Accept(backup=backup):
            repository.note(Shrinkage(backup, shop.tools.clock(), accepted=True))
            return Made(note=f"{backup.timestamp} is taken for what it shall be")
        case Undelete(backup=backup):
            repository.undelete(backup)
            return Made(note=f"{backup.timestamp} is there again")
        case Purge(backups=backups):
            for backup in backups:
                repository.purge(backup)
            return Made(note=f"deleted {in_number(len(backups))} for good")


def _back_up(action: BackUp, shop: Workshop) -> Made:
    """Export, once more if someone started or stopped the resource meanwhile."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _export(action, shop)
        except Disturbed as error:
            if attempt == _ATTEMPTS:
                raise
            shop.tools.tell(Phased(f"again: {error.message}"))
    raise AssertionError("unreachable: the loop returns or raises")


def _export(action: BackUp, shop: Workshop) -> Made:
    kind, server = shop.kinds[action.ref.kind], shop.tools.server
    with (
        hooked(shop.tools, kind, action.ref, action.hooks) as tools,
        shop.repository.new_backup(action.ref, tools.clock()) as writer,
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
        shop.tools.tell(Phased("committing"))
        notes = [_note_shrinkage(action, manifest, shop), *kind.caveats(manifest)]
        note_down(tools.journal, BackupMade(tools.clock(), writer.id, kind.identity(captured.resource)))
        writer.commit(manifest, shop.tools.tell)
    return Made(
        backup=writer.id.address,
        identity=kind.identity(captured.resource),
        size_bytes=manifest.size_bytes,
        note="; ".join(filter(None, (*notes, writer.remark))),
    )


def _note_shrinkage(action: BackUp, manifest: Manifest, shop: Workshop) -> str:
    """Keep what makes one doubt a backup, before anybody can see that: nothing is to be removed for it."""
    before, now = action.full_bytes, manifest.captured.own_bytes
    if before is None or now is None or not has_shrunk(before, now):
        return ""
    shop.repository.note(Shrinkage(manifest.id, shop.tools.clock(), before, now))
    return f"{what_shrank(before, now)}; nothing older is removed for it: {how_to_agree((manifest.id,))}"


def _restore(
    action: Restore | Replace, source: BackupId, to: ResourceRef, current: Resource | None, shop: Workshop
) -> Made:
    """Verify first, then touch the server."""
    kind, files = shop.kinds[to.kind], _Files(shop.repository, source, shop.tools)
    with noting_damage(source, shop.tools, shop.repository):
        manifest = shop.repository.manifest(source).manifest
        shop.repository.check(source, shop.tools.tell)
        made = kind.restore(shop.tools, manifest, files, to=to, options=action.options, current=current)
    return evolve(made, backup=source.address)


def _configure(step: Step, action: Create | Update, shop: Workshop) -> Made:
    """Make or change one entity of the configuration, from a backup that is verified first."""
    entity, ref = shop.entities[action.ref.kind], action.ref
    state = shop.repository.manifest(action.source).manifest.captured.resource
    shop.repository.check(action.source, shop.tools.tell)
    wanted = wanted_entity(entity, state, ref, action.options.maps)
    if wanted is None:
        raise StalePlan(f"{action.source} holds no {ref}")
    match action:
        case Create():
            create_entity(shop.tools, entity, ref, wanted)
        case Update():
            seen = [e.etag for e in step.expects if isinstance(e, Unchanged)]
            entity.update(shop.tools.api, ref, wanted, etag="".join(seen))
    return Made(backup=action.source.address)
