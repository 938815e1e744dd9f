"""Fit the definition of a stored instance to the place where it goes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import frozen

from ...model.backups import Manifest
from ...model.documents import Json
from ...model.goals import RestoreOptions
from ...model.policies import Identity
from ...model.records import Restoration
from ...ports import KindContext, path_of
from ..common.marks import temporary_marks
from . import dependents
from .capacity import held_bytes
from .definition import adapted, mapped, neutral, pool_of, root_device, with_root, without_profile_addresses
from .dependent_volumes import Disks
from .project_rules import effective, is_limited


@frozen
class Fitted:
    """What an instance is to be, and what is there already.

    ``harmless``: its definition until it is whole, ``wanted``: the one it gets then; each with its ``type``.
    ``snapshot_of``: what becomes of the definition of a snapshot. ``project``: it goes into this one.
    ``profiles``: those that ``wanted`` names, as they are there, in order. ``needed``: those that must be
    there for the import, its snapshots' as well. ``disks``: those that depend on it, ``volumes``: what
    counts of theirs in its project. ``marks``: what it all carries for the while.
    """

    pool: str
    project: Json
    harmless: Json
    wanted: Json
    snapshot_of: Callable[[Json], Json]
    profiles: tuple[Json, ...]
    needed: tuple[Json, ...]
    disks: Disks
    volumes: Mapping[str, Json]
    marks: Mapping[str, str]


def fit(
    tools: KindContext, manifest: Manifest, record: Restoration, options: RestoreOptions, disks: Disks
) -> Fitted:
    """Look at the project it goes to: its profiles may say other things than when it was backed up."""
    captured, pool, seed = manifest.captured, target_pool(manifest, options), seed_of(record, options)
    project = tools.api.get(path_of("projects", record.ref.project)).body
    by_name = {each["name"]: each for each in tools.api.list("profiles", project=record.ref.project)}
    wanted = _adapted(captured.resource, options, seed, by_name)
    profiles = _used(wanted, by_name)
    stored = root_device(captured.resource)
    wanted = with_root(wanted, stored, pool, profiles, holds=held_bytes(captured))
    wanted = dependents.in_definition(wanted, captured.resource, disks.final)
    names = dependents.names_under(captured.resource, record.ref.name)
    marks = temporary_marks(tools, run=record.id, source=manifest.id.address)
    name, root = stored
    harmless = neutral(captured.resource, (name, {**root, "pool": pool}), marks)
    if is_limited(project):
        harmless = _within_limits(harmless, wanted, profiles, pool)
    harmless = dependents.in_definition(harmless, {}, disks.arriving)
    return Fitted(
        pool=pool,
        project=project,
        harmless={**harmless, "type": captured.resource["type"]},
        wanted={**wanted, "type": captured.resource["type"]},
        snapshot_of=lambda snapshot: {
            **snapshot,
            **dependents.in_snapshot(_adapted(snapshot, options, seed, by_name), names),
        },
        profiles=profiles,
        needed=tuple(by_name.get(n, {"name": n}) for n in sorted(_needed(manifest, options, wanted))),
        disks=disks,
        volumes=dependents.counted_volumes(captured, project),
        marks=marks,
    )


def _adapted(
    document: Json, options: RestoreOptions, seed: str, profiles: Mapping[str, Json]
) -> dict[str, Any]:
    """Fit a definition to its place; one with a new identity has nothing that its original has alone."""
    wanted = adapted(document, options.maps, seed=seed)
    return without_profile_addresses(wanted, _used(wanted, profiles)) if seed else wanted


def _used(wanted: Json, profiles: Mapping[str, Json]) -> tuple[Json, ...]:
    return tuple(profiles[name] for name in wanted["profiles"] if name in profiles)


def _within_limits(harmless: Json, wanted: Json, profiles: Iterable[Json], pool: str) -> dict[str, Any]:
    """Leave it its profiles, which may give what the project demands of it and of its snapshots.

    Snapshots have the profiles of their instance. The devices that come from profiles are masked.
    """
    devices = effective(wanted, profiles)["devices"]
    name, root = root_device({"expanded_devices": devices})
    masks = {each: {"type": "none"} for each in effective({}, profiles)["devices"]}
    quiet = {"snapshots.schedule": "", "security.protection.delete": "false"}
    return {
        **harmless,
        "config": {**quiet, **harmless["config"]},
        "devices": {**masks, name: {**root, "pool": pool}},
        "profiles": wanted["profiles"],
    }


def _needed(manifest: Manifest, options: RestoreOptions, wanted: Json) -> set[str]:
    """Name the profiles an archive speaks of; the definitions in an optimized one can't be changed before."""
    captured = manifest.captured
    if manifest.options.optimized:
        documents: list[Json] = [captured.resource, *captured.snapshots]
    else:
        documents = [mapped(snapshot, options.maps) for snapshot in captured.snapshots]
    return {name for document in (wanted, *documents) for name in document.get("profiles") or ()}


def seed_of(record: Restoration, options: RestoreOptions) -> str:
    """Tell what another identity is derived from; empty to keep the stored one."""
    return record.id if options.identity is Identity.REGENERATE else ""


def target_pool(manifest: Manifest, options: RestoreOptions) -> str:
    pool = pool_of(manifest.captured.resource)
    return options.pool or options.maps.pools.get(pool, pool)
