"""Bring an instance back, beside or in place of another; each moment of it can be undone or finished.

The way of it, each step with what a killed run leaves:

=========  =====================================================  =========================================
phase      step                                                   undone by
=========  =====================================================  =========================================
IMPORTING  import under a temporary name, made harmless           delete the new one
SWAPPING   stop the old one, rename it aside, free its MAC        rename back, put its definition back, start
SWAPPING   rename the volumes of old and new dependent disks      delete the new ones, rename or copy back
SWAPPING   rename the new one, give it its definition, start      delete the new one, then as above
COMPLETE   unmark the new one, delete the old one                 not undone: finished
=========  =====================================================  =========================================

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
from ...model.results import Made, Phased
from ...ports import BackupFiles, Tools
from ..marks import BY, MARK, temporary_marks
from ..swapping import advance, retire
from ..tidying import undo_after
from . import dependent_volumes, dependents, lifecycle
from .definition import (
    adapted,
    definition,
    neutral,
    pool_of,
    restored,
    root_device,
    set_aside,
    with_root,
)
from .dependent_volumes import Disks
from .importing import import_archive
from .recovering import aside_of, finish, temporary_of, undo


def restore(
    tools: Tools,
    manifest: Manifest,
    files: BackupFiles,
    *,
    to: ResourceRef,
    options: RestoreOptions,
    current: Resource | None,
) -> Made:
    """Carry out the table above; see ``ports.Kind.restore``."""
    record = _begun(manifest, to, options, current)
    disks = dependent_volumes.disks_of(tools.api, manifest, record, options)
    record = evolve(record, volumes=disks.volumes)
    tools.journal.write(record)
    try:
        _import(tools, manifest, files, record, options, disks)
        dependent_volumes.make_ready(tools, record, disks)
        if current is not None:
            _check_unchanged(tools, current)
        record = advance(tools, record, Phase.SWAPPING)
        if record.victim is not None:
            _set_aside(tools, record, record.victim, disks)
        dependent_volumes.swap(tools, record, disks)
        _put_in_place(tools, manifest, record, options, disks)
        record = advance(tools, record, Phase.COMPLETE)
    except BaseException as error:
        undo_after(tools, error, lambda: undo(tools, record))
        raise
    retire(tools, record, finish)
    document = lifecycle.find(tools.api, to)
    return Made(identity=lifecycle.uuid(document or {}), size_bytes=manifest.size_bytes)


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
        source=manifest.id.address,
        victim=current.document if current else None,
    )


def _import(
    tools: Tools,
    manifest: Manifest,
    files: BackupFiles,
    record: Restoration,
    options: RestoreOptions,
    disks: Disks,
) -> None:
    """Upload the archive under the temporary name, so that nothing of it can clash or start."""
    pool = target_pool(manifest, options)
    marks = temporary_marks(tools, run=record.id, source=manifest.id.address)
    captured = manifest.captured.resource
    root_name, root = root_device(captured)
    harmless = neutral(captured, (root_name, {**root, "pool": pool}), marks)
    names = dependents.names_under(captured, record.ref.name)
    import_archive(
        tools,
        manifest,
        files,
        to=temporary_of(record),
        pool=pool,
        harmless=dependents.in_definition(harmless, {}, disks.arriving),
        snapshot_of=lambda snapshot: {
            **snapshot,
            **dependents.in_snapshot(adapted(snapshot, options.maps, seed=_seed(record, options)), names),
        },
        volumes=dependents.to_place(captured, disks.arriving, project=disks.project, marks=marks),
    )


def _check_unchanged(tools: Tools, planned: Resource) -> None:
    """See that the one to be replaced is still what was agreed to: the import may have taken long."""
    present = lifecycle.inspect(tools.api, planned.ref)
    if present is None or _look(present) != _look(planned):
        raise ChangedMeanwhile(f"{planned.ref} was changed while its replacement was imported")


def _look(resource: Resource) -> tuple[object, ...]:
    config = resource.document["config"]
    kept = {k: v for k, v in config.items() if not k.startswith("volatile.") or k.startswith("volatile.uuid")}
    names = [snapshot["name"] for snapshot in resource.snapshots]
    return {**definition(resource.document), "config": kept}, names


def _set_aside(tools: Tools, record: Restoration, victim: Json, disks: Disks) -> None:
    """Stop the old one and have it wait under another name, its addresses free."""
    tools.tell(Phased("stopping the present one"))
    lifecycle.set_ephemeral(tools.api, record.ref, False)
    lifecycle.stop(tools.api, record.ref)
    tools.tell(Phased("swapping"))
    lifecycle.rename(tools.api, record.ref, record.aside)
    marks = {MARK + "aside": record.ref.address, MARK + BY: record.id}
    wanted = dependent_volumes.waiting(victim, set_aside(victim, marks), disks)
    lifecycle.put(tools.api, aside_of(record), wanted)


def _put_in_place(
    tools: Tools, manifest: Manifest, record: Restoration, options: RestoreOptions, disks: Disks
) -> None:
    """Give the new one its name, its definition and its state."""
    lifecycle.rename(tools.api, temporary_of(record), record.ref.name)
    current = lifecycle.find(tools.api, record.ref)
    if current is None:
        raise ServerError(f"{record.ref} is not there after its rename")
    profiles = tools.api.list("profiles", project=record.ref.project)
    by_name = {profile["name"]: profile for profile in profiles}
    wanted = adapted(manifest.captured.resource, options.maps, seed=_seed(record, options))
    used = [by_name[name] for name in wanted["profiles"] if name in by_name]
    wanted = with_root(wanted, root_device(manifest.captured.resource), target_pool(manifest, options), used)
    wanted = dependents.in_definition(wanted, manifest.captured.resource, disks.final)
    lifecycle.put(tools.api, record.ref, restored(wanted, current))
    lifecycle.set_expiries(tools.api, record.ref, manifest.captured.snapshots)
    if record.start:
        tools.tell(Phased("starting"))
        lifecycle.start(tools.api, record.ref)


def _seed(record: Restoration, options: RestoreOptions) -> str:
    return record.id if options.identity is Identity.REGENERATE else ""


def target_pool(manifest: Manifest, options: RestoreOptions) -> str:
    pool = pool_of(manifest.captured.resource)
    return options.pool or options.maps.pools.get(pool, pool)
