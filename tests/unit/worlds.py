"""Worlds to plan in: a server, a repository and what was read of both, all made up."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from attrs import evolve

from incusbak.engine.planning.planner import make_plan
from incusbak.engine.planning.world import PlanContext, World
from incusbak.model.backups import (
    Captured,
    Consistency,
    Method,
    RepositoryIdentity,
    StoredFile,
    StoredManifest,
    catalog_of,
)
from incusbak.model.documents import Json
from incusbak.model.facts import Evidence
from incusbak.model.goals import Goal, Restored, RestoreOptions
from incusbak.model.inventory import Inventory, Resource, ServerInfo
from incusbak.model.plans import Plan, ServerIdentity
from incusbak.model.policies import IfPresent
from incusbak.model.refs import BackupId, ResourceRef, format_timestamp, instance_ref
from tests.samples import manifest_of
from tests.unit.toys import NOW, ToyKind, resource

WEB, COPY, DB = (instance_ref("default", name) for name in ("web", "copy", "db"))
STORED = BackupId(WEB, format_timestamp(NOW - timedelta(hours=10)))
ORIGIN = PlanContext(ServerIdentity("f", "host", "local"), RepositoryIdentity("r", "dir:/x"))
SURROUNDINGS: dict[ResourceRef, Json] = {
    ResourceRef("project", name="default"): {"config": {}},
    ResourceRef("project", name="plain"): {"config": {"features.profiles": "false"}},
    ResourceRef("project", name="own"): {"config": {"features.profiles": "true"}},
    ResourceRef("pool", name="fast"): {"driver": "dir"},
    ResourceRef("pool", name="big"): {"driver": "btrfs"},
    ResourceRef("profile", project="default", name="default"): {},
    ResourceRef("network", project="default", name="br0"): {},
}


def stored_manifest(
    backup: BackupId = STORED, *, size: int = 100, unpacked: int = 300, **config: Any
) -> StoredManifest:
    """What a backup of ``toys.resource`` says of itself."""
    made = manifest_of(backup, (StoredFile("export.tar.zst", size, "0" * 64),))
    captured = Captured(
        resource(backup.ref, **config).document,
        (),
        Consistency.STOPPED,
        Method.DIRECT,
        (),
        pool="fast",
        pool_driver="dir",
        content_bytes=unpacked,
    )
    return StoredManifest(evolve(made, captured=captured), f"sha-{backup.ref.name}")


def world(
    *living: Resource,
    backups: Iterable[BackupId] = (STORED,),
    surroundings: dict[ResourceRef, Json] | None = None,
    leftovers: tuple[Any, ...] = (),
    strays: tuple[Resource, ...] = (),
    **evidence: Any,
) -> World:
    """A server with these instances and a repository with these backups; everything was looked at."""
    resources = {each.ref: each for each in living}
    places = SURROUNDINGS if surroundings is None else surroundings
    quarantined = evidence.pop("quarantined", ())
    inventory = Inventory(ServerInfo("f", "host", "6.0"), resources, places, leftovers, strays, quarantined)
    manifests = evidence.pop("manifests", {backup: stored_manifest(backup) for backup in backups})
    seen = Evidence(**{"manifests": manifests, "targets": resources, "secret": b"k", **evidence})
    return World(inventory, catalog_of("r", backups, at=NOW), seen, {"instance": ToyKind()}, NOW)


def restored(
    to: ResourceRef = WEB,
    source: BackupId = STORED,
    if_present: IfPresent = IfPresent.REPLACE,
    *,
    insist: bool = False,
    **options: Any,
) -> Restored:
    return Restored(to, source, if_present, RestoreOptions(**options), insist)


def plan(goals: Iterable[Goal], there: World, origin: PlanContext = ORIGIN) -> Plan:
    return make_plan(goals, there, origin)
