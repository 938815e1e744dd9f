"""Bring a volume back, beside or in place of another; each moment of it can be undone or finished.

The way of it, each step with what a killed run leaves:

=========  =====================================================  =========================================
phase      step                                                   undone by
=========  =====================================================  =========================================
IMPORTING  import under a temporary name                          delete the new one
IMPORTING  see that the server can change who uses the old one    -
SWAPPING   raise the limits of their root disks, if they are full put the limits back
SWAPPING   stop who uses the old one, take their devices away     put the devices back, start
SWAPPING   rename the old one aside, the new one into its place   rename both back
SWAPPING   put the devices back, start                            stop, take them away, then as above
COMPLETE   unmark the new one, delete the old one                 not undone: finished
=========  =====================================================  =========================================

A volume that nobody uses is renamed in no time; else the server would rewrite the devices of all who do,
which takes long and can't be undone half-way. The new one carries the record's id as a mark until it is
complete, the old one is known by the moment it was made. How each is undone: ``recovering``.
"""

import secrets
from collections.abc import Mapping

from attrs import evolve

from ...errors import ChangedMeanwhile
from ...model.backups import Manifest
from ...model.goals import RestoreOptions
from ...model.inventory import Resource
from ...model.policies import Identity
from ...model.records import Phase, VolumeRestoration, VolumeUser
from ...model.refs import ResourceRef
from ...model.results import Phased, StepResult
from ...ports import BackupFiles, KindContext, path_of
from ..archive.definitions import Names
from ..archive.renaming import readable, renamed
from ..archive.sparse import Holes
from ..archive.tar import largest, walk
from ..archive.transfer import counted, stored_archive, stored_holes
from ..common import custom_volumes
from ..common.cleanup import undo_after
from ..common.marks import TEMPORARY_PREFIX, temporary_marks
from ..common.paths import path
from ..common.replacement import advance, check_whole, name_snapshots, retire, told_names
from . import storage, users
from .definition import comparable, is_unfit, rewrites, to_temporary
from .exporting import ISO_FILE, STEM
from .recovering import finish, temporary_of, undo
from .storage import ISO
from .trying import prepare, tried


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
    record = _begun(manifest, to, current)
    tools.journal.write(record)
    try:
        kept = _import(tools, manifest, files, record, options)
        if current is not None:
            record = evolve(record, users=tried(tools, _users_of_unchanged(tools, current)))
        record = advance(tools, record, Phase.SWAPPING)
        _swap(tools, record)
        record = advance(tools, record, Phase.COMPLETE)
    except BaseException as error:
        undo_after(tools, error, lambda: undo(tools, record), is_begun=record.phase is not Phase.IMPORTING)
        raise
    retire(tools, record, finish)
    document = custom_volumes.find(tools.api, to)
    note = "; ".join(told_names(kept))
    return StepResult(identity=storage.identity(document or {}), size_bytes=manifest.size_bytes, note=note)


def _begun(manifest: Manifest, to: ResourceRef, current: Resource | None) -> VolumeRestoration:
    token = secrets.token_hex(6)
    name = TEMPORARY_PREFIX + token
    return VolumeRestoration(
        id=token,
        ref=to,
        temporary=name,
        aside=f"{name}-old",
        phase=Phase.IMPORTING,
        victim=current.document if current else None,
        source=manifest.id.address,
    )


# -- import -----------------------------------------------------------------------------------------


def _import(
    tools: KindContext,
    manifest: Manifest,
    files: BackupFiles,
    record: VolumeRestoration,
    options: RestoreOptions,
) -> Names:
    """Upload under the temporary name, marked.

    Returns:
        The snapshots that the server does not let be called as they were.
    """
    marks = temporary_marks(tools, run=record.id, source=manifest.id.address)
    tools.tell(Phased("uploading"))
    if manifest.captured.resource["content_type"] == ISO:
        _import_iso(tools, manifest, files, record, marks)
    else:
        _import_archive(tools, manifest, files, record, options, marks)
    called, found = _called(tools, manifest), storage.look(tools.api, temporary_of(record))
    check_whole(manifest, found.resource if found else None, what="the volume", called=called)
    return name_snapshots(tools, temporary_of(record), called)


def _called(tools: KindContext, manifest: Manifest) -> Names:
    """What snapshots have to be called for an import; an optimized archive is no tar of their files."""
    is_archive = manifest.captured.resource["content_type"] != ISO and not manifest.options.optimized
    snapshots = manifest.captured.snapshots if is_archive else ()
    return readable(snapshots, lambda name: is_unfit(name, tools.server))


def _import_archive(
    tools: KindContext,
    manifest: Manifest,
    files: BackupFiles,
    record: VolumeRestoration,
    options: RestoreOptions,
    marks: Mapping[str, str],
) -> None:
    # a copy beside its original would else pass for it: volumes have no other identity
    created_at = tools.clock().isoformat() if options.identity is Identity.REGENERATE else ""
    change = to_temporary(marks, created_at=created_at)
    called = _called(tools, manifest)
    changes = rewrites(name=record.temporary, change=change, snapshots=called, checkpoint=tools.checkpoint)
    limit = largest(manifest.captured.content_bytes)
    with stored_archive(tools, manifest, files, stem=STEM) as plain:
        tools.api.upload(
            _collection(record),
            renamed(walk(plain, changes, holes=_holes(manifest, files), most_bytes=limit), called),
            headers={"X-Incus-name": record.temporary},
            project=record.ref.project,
            watch=lambda words: tools.tell(Phased(f"the server unpacks {words}".rstrip())),
        )


def _import_iso(
    tools: KindContext,
    manifest: Manifest,
    files: BackupFiles,
    record: VolumeRestoration,
    marks: Mapping[str, str],
) -> None:
    """Upload the bytes alone; there is nowhere in them to put a definition or a mark."""
    with files.open(ISO_FILE) as stored:
        tools.api.upload(
            _collection(record),
            counted(tools, stored),
            headers={"X-Incus-name": record.temporary, "X-Incus-type": ISO},
            project=record.ref.project,
            watch=lambda words: tools.tell(Phased(f"the server imports {words}".rstrip())),
        )
    temporary = temporary_of(record)
    read = tools.api.get(path(temporary), project=temporary.project)
    described = {**read.body, "description": manifest.captured.resource["description"]}
    tools.api.replace(path(temporary), storage.marked(described, marks), project=temporary.project)


def _collection(record: VolumeRestoration) -> str:
    return path_of("storage-pools", record.ref.pool, "volumes", "custom")


def _holes(manifest: Manifest, files: BackupFiles) -> Holes:
    """Read what shall be sparse again: files only, a disk image is nothing for tar."""
    is_folder = manifest.captured.resource["content_type"] == "filesystem"
    return stored_holes(manifest, files) if is_folder else {}


# -- swap -------------------------------------------------------------------------------------------


def _users_of_unchanged(tools: KindContext, planned: Resource) -> tuple[VolumeUser, ...]:
    """See that the one to be replaced is still what was agreed to: the import may have taken long."""
    present = storage.look(tools.api, planned.ref)
    if present is None or _seen(present.resource) != _seen(planned):
        raise ChangedMeanwhile(f"{planned.ref} was changed while its replacement was imported")
    if more := set(present.resource.stops) - set(planned.stops):
        names = ", ".join(sorted(map(str, more)))
        raise ChangedMeanwhile(f"{names} began to use {planned.ref} while its replacement was imported")
    return present.users


def _seen(resource: Resource) -> tuple[object, ...]:
    names = [snapshot["name"] for snapshot in resource.snapshots]
    return comparable(resource.document), storage.identity(resource.document), names


def _swap(tools: KindContext, record: VolumeRestoration) -> None:
    """Have the new one in place of the old one, if there is one, while nobody uses either."""
    api = tools.api
    if record.victim is not None:
        prepare(tools, record)
        _tell_of_users(tools, record, "stopping those who use the present one")
        users.stop(api, record.users)
        tools.tell(Phased("swapping"))
        users.detach(api, record.ref, record.users)
        custom_volumes.rename(api, record.ref, record.aside)
    custom_volumes.rename(api, temporary_of(record), record.ref.name)
    users.attach(api, record.ref, record.users)
    _tell_of_users(tools, record, "starting those who use it")
    users.start(api, record.ref, record.users)


def _tell_of_users(tools: KindContext, record: VolumeRestoration, phase: str) -> None:
    """Say what is done with those who ran, where there are any."""
    if any(user.ran for user in record.users):
        tools.tell(Phased(phase))
