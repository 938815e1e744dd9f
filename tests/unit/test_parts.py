"""What is part of a resource is planned with it, and never by itself."""

from datetime import timedelta

import pytest
from attrs import define, evolve

from incusbak.engine.planning.world import World
from incusbak.engine.selection.requests import Request, backup_goals
from incusbak.errors import Unplannable
from incusbak.model.backups import ExportWishes, Manifest
from incusbak.model.documents import Json
from incusbak.model.goals import RestoreOptions
from incusbak.model.inventory import Resource, ServerInfo
from incusbak.model.plans import Absent, Hazard, Plan
from incusbak.model.policies import IfPresent, Maps
from incusbak.model.records import Phase, Restoration
from incusbak.model.refs import BackupId, ResourceRef, format_timestamp, volume_ref
from tests.unit.toys import NOW, ToyKind, resource
from tests.unit.worlds import STORED, SURROUNDINGS, WEB, plan, restored, stored_manifest, world

DV, NEWER = volume_ref("default", "fast", "dv"), volume_ref("default", "fast", "newer")
STORED_DV = BackupId(DV, format_timestamp(NOW - timedelta(hours=20)))


@define(eq=False)
class Whole(ToyKind):
    """Instances of which the volume ``dv`` is a part."""

    obstacle_here: str = ""

    def parts(self, document: Json) -> tuple[ResourceRef, ...]:
        return (DV,) if "whole" in document["config"] else ()

    def brings(self, manifest: Manifest, to: ResourceRef, options: RestoreOptions) -> tuple[ResourceRef, ...]:
        return (evolve(DV, name="dv" if to == WEB else f"{to.name}-dv"),)

    def unrestorable(
        self, manifest: Manifest, options: RestoreOptions, server: ServerInfo, current: Resource | None
    ) -> str:
        return self.obstacle_here


class Needy(Whole):
    """Instances that used ``dv`` before it was a part of them."""

    def requires(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions
    ) -> frozenset[ResourceRef]:
        return frozenset({DV})

    def brings(self, manifest: Manifest, to: ResourceRef, options: RestoreOptions) -> tuple[ResourceRef, ...]:
        return ()


@define(eq=False)
class Partly(ToyKind):
    """Instances that have other parts now than their backup holds."""

    has: tuple[ResourceRef, ...] = ()
    stored: tuple[ResourceRef, ...] = ()

    def parts(self, document: Json) -> tuple[ResourceRef, ...]:
        return self.has

    def brings(self, manifest: Manifest, to: ResourceRef, options: RestoreOptions) -> tuple[ResourceRef, ...]:
        return tuple(evolve(ref, pool=options.maps.pools.get(ref.pool, ref.pool)) for ref in self.stored)


class Volumes(ToyKind):
    def part_of(self, document: Json) -> ResourceRef | None:
        return WEB if "part" in document["config"] else None

    def requires(
        self, manifest: Manifest, to: ResourceRef, options: RestoreOptions
    ) -> frozenset[ResourceRef]:
        return frozenset()


def there(*living: Resource, obstacle: str = "", volume: bool = False, part: bool = False) -> World:
    surroundings = {**SURROUNDINGS, **({DV: {}} if volume else {})}
    made = world(*living, backups=(STORED, STORED_DV), surroundings=surroundings)
    kinds = {"instance": Whole(obstacle_here=obstacle), "volume": Volumes(name="volume", rank=30)}
    inventory = evolve(made.inventory, parts={DV: WEB} if part else {})
    return evolve(made, kinds=kinds, inventory=inventory)


def test_a_restore_expects_the_places_of_its_parts_to_be_empty() -> None:
    (step,) = plan([restored()], there()).steps
    assert Absent(DV) in step.expects


@pytest.mark.parametrize("of_another", [False, True])
def test_a_part_that_is_in_the_way_is_found(of_another: bool) -> None:
    with pytest.raises(Unplannable, match="volume/default/fast/dv along, which is on the server already"):
        plan([restored()], there(volume=not of_another, part=of_another))


def test_the_parts_of_the_one_that_is_replaced_are_not_in_the_way() -> None:
    (step,) = plan([restored()], there(resource(WEB, whole="yes"), volume=True, part=True)).steps
    assert Absent(DV) not in step.expects


def replacing(*parts: ResourceRef, brought: tuple[ResourceRef, ...], maps: Maps | None = None) -> Plan:
    """Plan to replace an instance that has ``parts`` by a backup that brings others."""
    there_now = there(resource(WEB), volume=True)
    kinds = {**there_now.kinds, "instance": Partly(has=parts, stored=brought)}
    return plan([restored(maps=maps or Maps())], evolve(there_now, kinds=kinds))


def test_a_part_that_nothing_comes_back_for_goes_by_consent_only() -> None:
    made = replacing(DV, NEWER, brought=(DV,))
    (step,) = made.steps
    words = f"{NEWER}, which depends on it, is in no part of what comes back and goes away"
    assert Hazard.DELETES_RESOURCE in step.hazards
    assert words in step.reason
    (warning,) = made.warnings
    assert warning.startswith(f"{WEB} is replaced to be as in {STORED}; {words}")
    assert str(DV) not in warning


def test_every_part_that_goes_is_named() -> None:
    (step,) = replacing(DV, NEWER, brought=()).steps
    assert all(f"{ref}, which depends on it" in step.reason for ref in (DV, NEWER))


@pytest.mark.parametrize("maps", [Maps(), Maps(pools={"fast": "big"})])
def test_a_part_that_comes_back_is_not_lost(maps: Maps) -> None:
    made = replacing(DV, brought=(DV,), maps=maps)
    (step,) = made.steps
    assert Hazard.DELETES_RESOURCE not in step.hazards
    assert step.reason == f"to be as in {STORED}"
    assert made.warnings == ()


def test_what_would_go_away_with_the_one_that_is_replaced_is_not_relied_on() -> None:
    alive = there(resource(WEB, whole="yes"), volume=True, part=True)
    kinds = {**alive.kinds, "instance": Needy()}
    with pytest.raises(Unplannable, match=f"needs {DV}, which is part of the one to be replaced"):
        plan([restored()], evolve(alive, kinds=kinds))


def test_what_can_not_be_restored_here_is_refused() -> None:
    with pytest.raises(Unplannable, match="can't be restored here: too old"):
        plan([restored()], there(obstacle="too old"))


def test_of_an_older_backup_the_part_is_not_restored_twice() -> None:
    both = [restored(), restored(DV, STORED_DV)]
    made = plan(both, there())
    assert [step.address for step in made.steps] == [WEB.address]
    assert made.warnings == (f"{DV} is not brought back by itself: it is part of {WEB}",)


def test_a_part_of_something_living_is_not_restored_by_itself() -> None:
    alive = there(resource(WEB, whole="yes"), volume=True, part=True)
    with pytest.raises(Unplannable, match=f"{DV} is part of {WEB}"):
        plan([restored(DV, STORED_DV)], alive)
    made = plan([restored(DV, STORED_DV, if_present=IfPresent.SKIP)], alive)
    assert made.steps == ()


def test_a_part_is_not_backed_up_by_its_name() -> None:
    alive = there(resource(WEB), part=True)
    with pytest.raises(Unplannable, match=f"{DV} is part of {WEB}, and is backed up with it"):
        backup_goals(Request(("volume",), ("fast/dv",)), alive.inventory, ExportWishes(), kinds=alive.kinds)


def test_content_is_counted_on_the_pool_it_goes_to() -> None:
    stored = stored_manifest(size=100, unpacked=400)
    captured = evolve(stored.manifest.captured, elsewhere={"big": 300})
    spread = evolve(stored, manifest=evolve(stored.manifest, captured=captured))
    manifests = {STORED: spread}

    def planned(**free: int) -> None:
        made = world(manifests=manifests, free_bytes=free)
        plan([restored()], evolve(made, kinds={"instance": Whole()}))

    planned(fast=25, big=75)
    with pytest.raises(Unplannable, match="pool fast has"):
        planned(fast=24, big=75)
    with pytest.raises(Unplannable, match="pool big has"):
        planned(fast=25, big=74)


def test_volumes_of_something_temporary_are_explained_by_its_record() -> None:
    name = "incusbak-0123456789ab"
    record = Restoration("r", WEB, name, f"{name}-old", Phase.SWAPPING, start=False, volumes=(DV,))
    strays = tuple(Resource(evolve(DV, name=n), {"config": {}}) for n in ("dv", f"{name}-0", f"{name}-0-old"))
    made = there()
    left = evolve(made, inventory=evolve(made.inventory, leftovers=(record,), strays=strays))
    assert plan([], left).warnings == ()
