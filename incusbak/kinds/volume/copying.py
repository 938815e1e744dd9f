"""Hold a copy of a volume in use that shows one moment, in a project of its own.

Where the driver's snapshots are of one moment, the copy is put back to such a snapshot. Everywhere else the
copy is made in two passes: during the second, which only brings over what changed during the first, those
who use the volume are frozen, and a guard wakes them if this process does not live to do it.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import evolve

from ...errors import Disturbed, NotAuthorized, NotFound
from ...model.records import ScratchVolume
from ...model.refs import ResourceRef, volume_ref
from ...model.results import Phased
from ...ports import IncusApi, KindContext, path_of
from ..archive.definitions import Names
from ..common import custom_volumes
from ..common.cleanup import clean_up, watch
from ..common.lost_mounts import check_deletable
from ..common.marks import LIFETIME, TEMPORARY_PREFIX, temporary_marks
from ..common.operations import is_settled, settle_project
from ..common.paths import path
from ..common.scratch_projects import SCRATCH_PROJECT, make_project, remove_project
from ..common.values import is_true
from ..instance import lifecycle
from . import storage
from .storage import Look

_SNAPSHOTTING = ("btrfs", "ceph", "lvm", "zfs")
"""Drivers whose snapshots show one moment. ``dir`` copies the files one by one for it, and stops nobody."""


@contextmanager
def temporary_copy(tools: KindContext, source: Look, driver: str, names: Names) -> Iterator[ResourceRef]:
    """Copy with all snapshots.

    Args:
        names: what snapshots are called in the copy, where it could not be removed otherwise.
    """
    token = secrets.token_hex(6)
    name = TEMPORARY_PREFIX + token
    ref = source.resource.ref
    copy = volume_ref(SCRATCH_PROJECT + token, ref.pool, name)
    is_snapped = driver in _SNAPSHOTTING and _allows_snapshots(tools, ref.project)
    record = ScratchVolume(token, copy, ref, snapshot=name if is_snapped else "")
    tools.journal.write(record)
    try:
        record = _place(tools, record)
        copy = record.ref
        check_deletable(source.resource.snapshots, driver, copy, copy.pool)
        if record.snapshot:
            _copy_from_snapshot(tools, source, record)
        else:
            tools.tell(Phased("copying, first pass"))
            _copy(tools, source, record)
            record = _name_paused(tools, source, record)
            _copy_again_paused(tools, source, record)
        for old, new in names.items():
            tools.api.create(path(copy, "snapshots", old), {"name": new}, project=copy.project)
        yield copy
    finally:
        clean_up(tools, lambda: remove_scratch(tools, record))


def _allows_snapshots(tools: KindContext, project: str) -> bool:
    """Whether a project lets anybody take snapshots; without one, those who use the volume are paused."""
    config = tools.api.get(path_of("projects", project)).body.get("config") or {}
    return not is_true(config.get("restricted")) or config.get("restricted.snapshots") == "allow"


def _place(tools: KindContext, record: ScratchVolume) -> ScratchVolume:
    """Make the project for a copy; who may make none has it beside its source."""
    try:
        make_project(tools, record.ref.project, "storage.volumes")
    except NotAuthorized:
        beside = volume_ref(record.source.project, record.ref.pool, record.ref.name)
        record = evolve(record, ref=beside)
        tools.journal.write(record)
    return record


def _copy_from_snapshot(tools: KindContext, source: Look, record: ScratchVolume) -> None:
    """Copy a snapshot along, and put the copy back to it."""
    tools.tell(Phased("taking a temporary snapshot"))
    body = {"name": record.snapshot, "expires_at": (tools.clock() + LIFETIME).isoformat()}
    tools.api.create(path(record.source, "snapshots"), body, project=record.source.project)
    tools.tell(Phased("copying"))
    _copy(tools, source, record)
    storage.restore_snapshot(tools.api, record.ref, record.snapshot)
    storage.remove_snapshot(tools.api, record.ref, record.snapshot)
    storage.remove_snapshot(tools.api, record.source, record.snapshot)


def _name_paused(tools: KindContext, source: Look, record: ScratchVolume) -> ScratchVolume:
    """Record who will be frozen: nobody whom a user has frozen, since they would be woken again."""
    running = _running(tools, source)
    record = evolve(record, paused=tuple(ref for ref, status in running.items() if status != "Frozen"))
    tools.journal.write(record)
    return record


def _copy_again_paused(tools: KindContext, source: Look, record: ScratchVolume) -> None:
    tools.tell(Phased("copying, second pass: those who use the volume pause"))
    with tools.guard(record.paused):
        try:
            lifecycle.freeze(tools.api, record.paused)
            _copy(tools, source, record, refresh=True)
            states = _running(tools, source).values()
        finally:
            lifecycle.thaw(tools.api, record.paused)
    if any(state != "Frozen" for state in states):
        raise Disturbed(f"someone began to use {record.source} while it was copied")


def _running(tools: KindContext, source: Look) -> dict[ResourceRef, str]:
    """Tell who uses the volume right now, and in what state."""
    present = storage.look(tools.api, source.resource.ref)
    if present is None:
        raise Disturbed(f"{source.resource.ref} was removed while it was backed up")
    return {user.ref: str(user.document["status"]) for user in present.users if user.ran}


def _copy(tools: KindContext, source: Look, record: ScratchVolume, **how: bool) -> None:
    document = source.resource.document
    marks = temporary_marks(tools, source=record.source.address)
    body: dict[str, Any] = {
        "name": record.ref.name,
        "content_type": document["content_type"],
        "config": {**document["config"], **marks},
        "source": {
            "type": "copy",
            "name": record.source.name,
            "pool": record.source.pool,
            "project": record.source.project,
            "volume_only": False,
            **how,
        },
    }
    where = path_of("storage-pools", record.ref.pool, "volumes", "custom")
    tools.api.create(where, body, project=record.ref.project, watch=watch(tools, "copying"))


def remove_scratch(tools: KindContext, record: ScratchVolume) -> str:
    """Wake whom a dead run left frozen; remove a temporary copy, its snapshot and its record."""
    woken = lifecycle.thaw(tools.api, record.paused)
    for ref in record.paused:
        is_settled(tools.api, ref, ref.name)
    woken += lifecycle.thaw(tools.api, record.paused)  # whose freeze was under way when its client died
    settle_project(tools.api, record.ref.project)
    if record.snapshot:
        is_settled(tools.api, record.source, record.snapshot)
        storage.remove_snapshot(tools.api, record.source, record.snapshot)
    remove_copy(tools, record.ref)
    tools.journal.remove(record.id)
    return ", ".join([f"removed the temporary copy {record.ref.name}", *(f"unfroze {ref}" for ref in woken)])


def remove_copy(tools: KindContext, copy: ResourceRef) -> None:
    """Remove a temporary copy with its project; fine if either is gone."""
    custom_volumes.remove(tools.api, copy)
    remove_project(tools, copy.project)


def has_snapshot(api: IncusApi, record: ScratchVolume) -> str:
    """Say so where the temporary snapshot of the source is still there."""
    try:
        if record.snapshot:
            api.get(path(record.source, "snapshots", record.snapshot), project=record.source.project)
            return f"; {record.snapshot}: there"
    except NotFound:
        pass
    return ""
