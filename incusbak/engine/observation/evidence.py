"""Read what particular goals need to be planned: manifests, living targets, earlier restores, free space."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from attrs import define, field

from ...errors import (
    Corrupt,
    RepositoryDenied,
    RepositoryError,
    RepositoryLocked,
    RepositoryMissing,
    RepositoryUnavailable,
    ServerError,
    ServerUnavailable,
    Unplannable,
)
from ...model.admissions import Room
from ...model.backups import Catalog, StoredManifest
from ...model.facts import Evidence, Foreseen
from ...model.goals import BackedUp, Configured, Copied, Goal, Rehearsed, Restored
from ...model.inventory import Inventory, Resource
from ...model.policies import IfPresent
from ...model.refs import CONFIG, BackupId, ResourceRef
from ...model.results import RestoreFact
from ...ports import Entity, IncusApi, Kind, Repository, path_of
from ..planning.attached_volumes import goal_for, needs_of
from ..planning.backup import copied_on
from ..planning.configuration import differences
from ..planning.parts import places_of
from ..planning.project_limits import has_limits
from ..planning.rehearsal import last_rehearsal
from ..planning.requirements import target_pool


def gather(
    goals: Iterable[Goal],
    *,
    api: IncusApi,
    repository: Repository,
    inventory: Inventory,
    catalog: Catalog,
    kinds: Mapping[str, Kind],
    entities: Mapping[str, Entity],
    now: datetime | None = None,
    unreported: Mapping[ResourceRef, RestoreFact] | None = None,
) -> Evidence:
    """Read what these goals need to be planned.

    Where that finds damage (``Evidence.damaged``), goals have to be chosen again, by a catalog that knows.

    Args:
        now: what is not due then is not looked into; None: whatever is asked for is.
        unreported: the newest restores, where the repository does not know of them: of killed runs.
    """
    goals = list(goals)
    gatherer = _Gatherer(api, repository, inventory, catalog, kinds, entities, now, unreported or {})
    for goal in goals:
        match goal:
            case BackedUp():
                gatherer.for_backup(goal)
            case Copied():
                gatherer.for_copy()
            case Rehearsed():
                gatherer.for_rehearsal(goal)
            case Restored():
                gatherer.for_restore(goal)
            case Configured():
                gatherer.for_configuration(goal)
    if len(goals) == sum(isinstance(goal, Restored | Configured) for goal in goals):
        gatherer.check_readable(goals)
    return gatherer.evidence()


_OF_ALL = (RepositoryMissing, RepositoryLocked, RepositoryDenied, RepositoryUnavailable)
"""What is wrong with a repository as a whole, and not with one of its backups."""


@define
class _Gatherer:
    _api: IncusApi
    _repository: Repository
    _inventory: Inventory
    _catalog: Catalog
    _kinds: Mapping[str, Kind]
    _entities: Mapping[str, Entity]
    _now: datetime | None
    _unreported: Mapping[ResourceRef, RestoreFact]
    _manifests: dict[BackupId, StoredManifest] = field(factory=dict)
    _targets: dict[ResourceRef, Resource] = field(factory=dict)
    _facts: dict[ResourceRef, RestoreFact] = field(factory=dict)
    _pools: set[str] = field(factory=set)
    _rooms: dict[str, Mapping[str, Room]] = field(factory=dict)
    _foreseen: dict[ResourceRef, Foreseen] = field(factory=dict)
    _damaged: dict[BackupId, str] = field(factory=dict)
    _unreadable: dict[BackupId, str] = field(factory=dict)
    _failures: list[RepositoryError] = field(factory=list)
    _stores: bool = False

    def evidence(self) -> Evidence:
        free = {pool: size for pool in sorted(self._pools) if (size := self._free_bytes(pool)) is not None}
        return Evidence(
            self._manifests,
            self._targets,
            self._facts,
            free,
            self._repository.secret() if self._manifests else b"",
            self._repository.free_bytes() if self._stores else None,
            usual_compression=self._repository.usual_compression,
            rooms=self._rooms,
            foreseen=self._foreseen,
            damaged=self._damaged,
            unreadable=self._unreadable,
        )

    def for_backup(self, goal: BackedUp) -> None:
        """The last backup tells how large the next may be, the last full one how much it shall hold.

        One that can't be read tells nothing.
        """
        self._stores = True
        newest, full = self._catalog.newest(goal.ref), self._catalog.yardstick(goal.ref)
        if newest and goal.ref != CONFIG and self._is_young(newest.created, goal.max_age):
            return
        can_read = [self._read(backup) for backup in sorted({*filter(None, (newest, full))})]
        if newest is None or not all(can_read):
            return
        self._pools |= copied_on(self._manifests[newest].manifest).keys()
        if goal.ref == CONFIG:  # to tell what is not as in the last backup
            self._look_at(CONFIG, self._kinds[CONFIG.kind])

    def for_copy(self) -> None:
        self._stores = True

    def for_restore(self, goal: Restored) -> None:
        stored = self._wanted(goal.source)
        if stored is None:
            return
        if pool := target_pool(goal.ref, stored.manifest, goal.options):
            self._pools |= places_of(stored.manifest, pool, goal.options.maps.pools).keys()
        self._measure(goal.ref.project)
        if goal.ref in self._inventory.resources:
            kind = self._kinds[goal.ref.kind]
            self._look_at(goal.ref, kind)
            if goal.ref in self._targets and goal.if_present is IfPresent.REPLACE:
                self._foresee(goal.ref, kind)
            if fact := self._unreported.get(goal.ref) or self._repository.restore_fact(goal.ref.address):
                self._facts[goal.ref] = fact
        if goal.if_present is IfPresent.REPLACE:
            self._look_at_holders(goal, stored)
        for need in needs_of(goal, stored.manifest, self._inventory, self._catalog, self._kinds):
            if wanted := goal_for(need, goal):
                self.for_restore(wanted)
        self._read_configuration()

    def _foresee(self, ref: ResourceRef, kind: Kind) -> None:
        found = self._foreseen[ref] = kind.foresee(self._api, self._targets[ref])
        for growth in found.grows:
            self._measure(growth.ref.project)

    def _read_configuration(self) -> None:
        """Which of what is missing could be brought back; whether that backup is any good is not asked."""
        newest = self._catalog.newest(CONFIG)
        if newest is not None and newest not in self._manifests:
            with suppress(RepositoryError):
                self._manifests[newest] = self._repository.manifest(newest)

    def _look_at_holders(self, goal: Restored, stored: StoredManifest) -> None:
        """What has an alias that is to move is changed by that."""
        kind = self._kinds[goal.ref.kind]
        with suppress(Unplannable):  # which the planner says
            wanted = kind.aliases(kind.wanted(stored.manifest, goal.options))
            for ref, resource in self._inventory.resources.items() if wanted else ():
                if ref.kind == goal.ref.kind and wanted & kind.aliases(kind.comparable(resource.document)):
                    self._look_at(ref, kind)

    def _measure(self, project: str) -> None:
        """Ask how much of its limits a project has left."""
        ref = ResourceRef("project", name=project)
        if project in self._rooms or not has_limits(self._inventory.surroundings.get(ref)):
            return
        found = self._api.get(path_of("projects", project, "state")).body["resources"]
        self._rooms[project] = {
            name: Room(int(each["Limit"]), int(each["Usage"])) for name, each in found.items()
        }

    def for_rehearsal(self, goal: Rehearsed) -> None:
        """What its manifest does not tell, the rehearsal will: that it can't be read."""
        source = goal.source or self._catalog.newest(goal.ref)
        if source is None or self._is_young(last_rehearsal(goal.ref, self._catalog), goal.max_age):
            return
        stored = self._read(source)
        if stored is not None and stored.manifest.captured.pool:
            self._pools |= stored.manifest.content_by_pool.keys()

    def for_configuration(self, goal: Configured) -> None:
        """Read the present state, and those entities again that differ: lists tell no ETags."""
        stored = self._wanted(goal.source)
        if stored is None:
            return
        self._look_at(CONFIG, self._kinds[CONFIG.kind])
        living, wanted = self._targets[CONFIG].document, stored.manifest.captured.resource
        for difference in differences(goal, wanted, living, self._entities):
            if difference.living is not None:
                self._look_at(difference.ref, difference.entity)
            if difference.wanted is None:
                self._foreseen[difference.ref] = difference.entity.foresee_end(self._api, difference.ref)

    def _read(self, backup: BackupId) -> StoredManifest | None:
        """Read a manifest; note why, if that can't be done and nobody knew."""
        try:
            self._manifests[backup] = self._repository.manifest(backup)
        except Corrupt as error:
            if not self._catalog.health(backup).damaged:
                self._damaged[backup] = error.message
        except RepositoryError as error:
            self._unreadable[backup] = error.message
        return self._manifests.get(backup)

    def _wanted(self, backup: BackupId) -> StoredManifest | None:
        """Read a manifest that is needed; None if it can't be read, or turns out damaged, which nobody knew.

        Raises:
            RepositoryError: none can.
        """
        try:
            self._manifests[backup] = self._repository.manifest(backup)
        except _OF_ALL:
            raise
        except RepositoryError as error:
            if isinstance(error, Corrupt) and not self._catalog.health(backup).damaged:
                self._damaged[backup] = error.message
            else:
                self._unreadable[backup] = "; ".join(filter(None, (error.message, error.hint)))
                self._failures.append(error)
        return self._manifests.get(backup)

    def check_readable(self, goals: Iterable[Goal]) -> None:
        """See that there is something left to do.

        Raises:
            RepositoryError: none of the backups that are asked for can be read.
        """
        asked = [goal.source for goal in goals if isinstance(goal, Restored | Configured)]
        if self._failures and self._unreadable.keys() >= set(asked):
            raise self._failures[0]

    def _is_young(self, moment: datetime | None, max_age: timedelta | None) -> bool:
        """Whether nothing is due, so that what a manifest tells is not needed."""
        if moment is None or max_age is None or self._now is None:
            return False
        return self._now - moment <= max_age

    def _look_at(self, ref: ResourceRef, looker: Kind | Entity) -> None:
        if seen := looker.inspect(self._api, ref):
            self._targets[ref] = seen

    def _free_bytes(self, pool: str) -> int | None:
        """Ask for the free space of a pool; not every driver knows, and it may be still to be made."""
        try:
            space = self._api.get(path_of("storage-pools", pool, "resources")).body.get("space") or {}
        except ServerUnavailable:
            raise
        except ServerError:
            return None
        used = space.get("used", 0)  # left out where it is 0
        return int(space["total"]) - int(used) if space.get("total") else None
