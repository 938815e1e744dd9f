"""Resources whose content can't change: only their definition is compared, project by project."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from incusbak.engine.planning.world import World
from incusbak.errors import Unplannable
from incusbak.model.backups import ExportOptions, StoredManifest
from incusbak.model.documents import Json
from incusbak.model.goals import BackedUp, Goal, Restored, RestoreOptions
from incusbak.model.inventory import Resource
from incusbak.model.plans import Hazard
from incusbak.model.policies import IfPresent
from incusbak.model.refs import BackupId, ResourceRef, format_timestamp
from tests.samples import manifest_of
from tests.unit.toys import NOW, ToyKind
from tests.unit.worlds import plan, world

IMAGE = ResourceRef("image", name="f" * 64)
SOURCE = BackupId(IMAGE, format_timestamp(NOW - timedelta(days=9)))
Projects = Mapping[str, str]


class Gallery(ToyKind):
    """Resources defined for each project they are in."""

    def comparable(self, document: Json) -> Json:
        projects: Json = document["projects"]
        return projects

    def requires(self, *_: Any) -> frozenset[ResourceRef]:
        return frozenset()


def there(stored: Projects, living: Projects) -> World:
    manifest = manifest_of(SOURCE, ())
    captured = evolve(manifest.captured, resource={"config": {}, "projects": stored}, pool="")
    manifests = {SOURCE: StoredManifest(evolve(manifest, captured=captured), "s")}
    image = [Resource(IMAGE, {"config": {}, "projects": living})] if living else []
    made = world(*image, backups=[SOURCE], manifests=manifests)
    return evolve(made, kinds={"image": Gallery(name="image", rank=20, is_immutable=True)})


def steps(goal: Goal, stored: Projects, living: Projects) -> list[tuple[str, tuple[Hazard, ...]]]:
    return [(step.id.partition(":")[0], step.hazards) for step in plan([goal], there(stored, living)).steps]


def brought_back(if_present: IfPresent) -> Restored:
    return Restored(IMAGE, SOURCE, if_present, RestoreOptions(), insist=True)


def test_a_backup_with_the_same_definition_is_enough_however_old() -> None:
    now = BackedUp(IMAGE, None, ExportOptions())
    assert steps(now, {"a": "1"}, {"a": "1"}) == []
    assert steps(now, {"a": "1"}, {"a": "2"}) == [("back-up", ())]
    assert steps(now, {"a": "1"}, {"a": "1", "b": "1"}) == [("back-up", ())]


@pytest.mark.parametrize("if_present", IfPresent)
def test_what_is_as_wanted_is_not_restored(if_present: IfPresent) -> None:
    assert steps(brought_back(if_present), {"a": "1"}, {"a": "1", "b": "2"}) == []


@pytest.mark.parametrize("if_present", IfPresent)
def test_what_is_missing_in_a_project_is_added_without_a_hazard(if_present: IfPresent) -> None:
    assert steps(brought_back(if_present), {"a": "1", "b": "1"}, {"a": "1"}) == [("replace", ())]
    assert steps(brought_back(if_present), {"a": "1"}, {}) == [("restore", ())]


def test_another_definition_is_refused_skipped_or_replaced_as_told() -> None:
    with pytest.raises(Unplannable, match=f"{IMAGE} is on the server already"):
        steps(brought_back(IfPresent.FAIL), {"a": "1"}, {"a": "2"})
    assert steps(brought_back(IfPresent.SKIP), {"a": "1"}, {"a": "2"}) == []
    [(step, hazards)] = steps(brought_back(IfPresent.REPLACE), {"a": "1"}, {"a": "2"})
    assert (step, Hazard.REPLACES_RESOURCE in hazards) == ("replace", True)


def test_a_backup_that_is_enough_is_not_overdue_either() -> None:
    daily = BackedUp(IMAGE, timedelta(days=1), ExportOptions())
    for living, overdue in (({"a": "1"}, ()), ({"a": "2"}, (IMAGE.address,))):
        made = plan([daily], there({"a": "1"}, living))
        assert (made.drift.overdue, len(made.steps)) == (overdue, len(overdue))
