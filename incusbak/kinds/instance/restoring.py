"""Bring an instance back, beside or in place of another; each moment of it can be undone or finished.

The way of it, each step with what a killed run leaves:

=========  =====================================================  =========================================
phase      step                                                   undone by
=========  =====================================================  =========================================
IMPORTING  import under a temporary name, made harmless;          delete the new one, its scratch project
           into some projects by way of a scratch project
IMPORTING  see that the server can change the old one             -
SWAPPING   raise the limit of its root disk, if that is full      put the limit back
SWAPPING   stop the old one, rename it aside, free its MAC        rename back, put its definition back, start
SWAPPING   rename the volumes of old and new dependent disks      delete the new ones, rename or copy back
SWAPPING   rename the new one, give it its definition, start      delete the new one, then as above
COMPLETE   unmark the new one, delete the old one                 not undone: finished
=========  =====================================================  =========================================

What the server can refuse for reasons that are there beforehand, it refuses while the old one runs: it is
asked to give it the definition that it has. Where the root disk is full its limit is raised for the while.

A journal record tells the next run which instance is which: the new one carries the record's id as a mark
until it is complete, the old one is known by its volatile.uuid. How each is undone: ``recovering``.
"""

import secrets

from attrs import evolve

from ...errors import ChangedMeanwhile, ServerError
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.goals import RestoreOptions
from ...model.inventory import Resource
from ...model.policies import Identity
from ...model.records import Phase, Restoration
from ...model.refs import ResourceRef
from ...model.results import Phased, StepResult
from ...ports import BackupFiles, KindContext
from ..archive.definitions import Names
from ..common.cleanup import undo_after
from ..common.marks import BY, MARK
from ..common.paths import path
from ..common.replacement import advance, check_whole, name_snapshots, retire, told_names
from . import dependent_volumes, dependents, lifecycle
from .definition import definition, restored, set_aside
from .dependent_volumes import Disks
from .entering import choose_way, move_in, open_way, scratch_of
from .fitting import Fitted, fit
from .importing import import_archive, names_on_the_way
from .mounting import try_devices
from .recovering import finish, temporary_of, undo
from .retiring import aside_of
from .trying import lacks_room, make_room

_IDS = {"volatile.uuid": "uuid", "volatile.cloud-init.instance-id": "cloud-init id"}


def restore(
    tools: KindContext,
    manifest: Manifest,
    files: BackupFiles,
    *,
    to: ResourceRef,
    options: RestoreOptions,
    current: Resource | None,
) -> StepResult:
    """Carry out the table above; see ``ports.Kind.restore``."""
    record = _begun(manifest, to, options, current)
    disks = dependent_volumes.disks_of(tools.api, manifest, record, options)
    record = evolve(record, volumes=disks.volumes)
    tools.journal.write(record)
    try:
        fitted = fit(tools, manifest, record, options, disks)
        record = choose_way(tools, record, fitted)
        record = open_way(tools, record, fitted)
        called = _import(tools, manifest, files, record, fitted)
        snapshots = ({**s, "name": called.get(s["name"], s["name"])} for s in manifest.captured.snapshots)
        lifecycle.set_expiries(tools.api, temporary_of(record), snapshots)
        try_devices(tools, manifest, temporary_of(record), options.maps)
        dependent_volumes.make_ready(tools, record, disks)
        if current is not None:
            _check_unchanged(tools, current)
            record = evolve(record, widened=lacks_room(tools, record.ref))
        record = advance(tools, record, Phase.SWAPPING)
        if record.victim is not None:
            _set_aside(tools, record, disks)
        dependent_volumes.swap(tools, record, disks)
        kept = _put_in_place(tools, record, fitted, called)
        record = advance(tools, record, Phase.COMPLETE)
    except BaseException as error:
        undo_after(tools, error, lambda: undo(tools, record), is_begun=record.phase is not Phase.IMPORTING)
        raise
    retire(tools, record, finish)
    document = lifecycle.find(tools.api, to)
    return StepResult(
        identity=lifecycle.uuid(document or {}),
        size_bytes=manifest.size_bytes,
        note="; ".join(filter(None, (_new_ids(fitted, options, document or {}), *told_names(kept)))),
    )


def _new_ids(fitted: Fitted, options: RestoreOptions, present: Json) -> str:
    """Tell which ids its project did not let it keep."""
    wanted, config = fitted.wanted["config"], (present.get("config") or {})
    lost = [words for key, words in _IDS.items() if key in wanted and config.get(key) != wanted[key]]
    if not lost or options.identity is Identity.REGENERATE:
        return ""
    return f"with a new {' and a new '.join(lost)}: its project lets nobody set them"


def _begun(
    manifest: Manifest, to: ResourceRef, options: RestoreOptions, current: Resource | None
) -> Restoration:
    token = secrets.token_hex(6)
    return Restoration(
        id=token,
        ref=to,
        temporary=f"incusbak-{token}",
        aside=f"incusbak-{token}-old",
        phase=Phase.IMPORTING,
        start=options.start and lifecycle.is_running(manifest.captured.resource),
        frozen=manifest.captured.resource.get("status") == "Frozen",
        source=manifest.id.address,
        victim=current.document if current else None,
    )


def _import(
    tools: KindContext, manifest: Manifest, files: BackupFiles, record: Restoration, fitted: Fitted
) -> Names:
    """Upload the archive under the temporary name, so that nothing of it can clash or start.

    Returns:
        The snapshots that are called otherwise than they were: that the server does not let have their names,
        or that get them back in their place, since what is copied with them could not be removed.
    """
    is_copied = bool(fitted.disks.swapped)
    called = names_on_the_way(manifest, copied=is_copied or bool(record.scratch))
    import_archive(
        tools,
        manifest,
        files,
        to=scratch_of(record) if record.scratch else temporary_of(record),
        pool=fitted.pool,
        harmless=fitted.harmless,
        snapshot_of=fitted.snapshot_of,
        volumes=dependents.to_place(
            manifest.captured.resource,
            fitted.disks.arriving,
            project=record.scratch or fitted.disks.project,
            marks=fitted.marks,
        ),
        called=called,
    )
    temporary = temporary_of(record)
    if record.scratch:
        move_in(tools, record)
        check_whole(manifest, lifecycle.inspect(tools.api, temporary), what="the instance", called=called)
    return called if is_copied else name_snapshots(tools, temporary, called)


def _check_unchanged(tools: KindContext, planned: Resource) -> None:
    """See that the one to be replaced is still what was agreed to: the import may have taken long."""
    present = lifecycle.inspect(tools.api, planned.ref)
    if present is None or _look(present) != _look(planned):
        raise ChangedMeanwhile(f"{planned.ref} was changed while its replacement was imported")


def _look(resource: Resource) -> tuple[object, ...]:
    config = resource.document["config"]
    kept = {k: v for k, v in config.items() if not k.startswith("volatile.") or k.startswith("volatile.uuid")}
    names = [snapshot["name"] for snapshot in resource.snapshots]
    return {**definition(resource.document), "config": kept}, names


def _set_aside(tools: KindContext, record: Restoration, disks: Disks) -> None:
    """Stop the old one and have it wait under another name, its addresses free."""
    if record.widened:
        make_room(tools, record.ref)
    tools.tell(Phased("stopping the present one"))
    lifecycle.set_ephemeral(tools.api, record.ref, False)
    lifecycle.stop(tools.api, record.ref)
    tools.tell(Phased("swapping"))
    lifecycle.rename(tools.api, record.ref, record.aside)
    marks = {MARK + "aside": record.ref.address, MARK + BY: record.id}
    aside = aside_of(record)
    present = tools.api.get(path(aside), project=aside.project).body
    wanted = dependent_volumes.waiting(present, set_aside(present, marks), disks)
    tools.api.replace(path(aside), wanted, project=aside.project)


def _put_in_place(tools: KindContext, record: Restoration, fitted: Fitted, called: Names) -> Names:
    """Give the new one its name, its definition, the names of its snapshots, and its state.

    Returns:
        The snapshots that the server does not let be called as they were.
    """
    lifecycle.rename(tools.api, temporary_of(record), record.ref.name)
    current = lifecycle.find(tools.api, record.ref)
    if current is None:
        raise ServerError(f"{record.ref} is not there after its rename")
    lifecycle.put(tools.api, record.ref, definition(restored(fitted.wanted, current)))
    kept = name_snapshots(tools, record.ref, called) if fitted.disks.swapped else called
    if record.start:
        tools.tell(Phased("starting"))
        lifecycle.start(tools.api, record.ref, frozen=record.frozen)
    return kept
