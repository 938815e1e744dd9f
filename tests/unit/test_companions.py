"""What is backed up together with instances, and what is left out."""

from typing import Any

import pytest
from attrs import evolve

from incusbak.engine.selection.policy import Selection, select_goals
from incusbak.engine.selection.requests import Request, backup_goals
from incusbak.errors import Unplannable
from incusbak.model.backups import Catalog, ExportOptions
from incusbak.model.documents import Json
from incusbak.model.inventory import Inventory, Resource, ServerInfo
from incusbak.model.plans import Missed
from incusbak.model.policies import Images, Policy, ProtectRule, Select
from incusbak.model.refs import CONFIG, ResourceRef, instance_ref, volume_ref
from tests.unit.test_selecting import KINDS as INSTANCE_KINDS
from tests.unit.test_selecting import PLACE

KINDS = dict.fromkeys(("instance", "volume", "image", "config"), INSTANCE_KINDS["instance"])
WEB, SHOP = instance_ref("default", "web"), instance_ref("shop", "web")
DATA, SPARE = volume_ref("default", "fast", "data"), volume_ref("default", "fast", "spare")
USED, IDLE, CACHED = (ResourceRef("image", name=letter * 64) for letter in "abc")
SERVER = ServerInfo("f", "server", "6.0")


def resource(ref: ResourceRef, **document: Any) -> Resource:
    return Resource(ref, {"config": {}, **document})


def server(*more: Resource) -> Inventory:
    """Two instances with a volume and an image each; ``shop`` uses the volumes of ``default``."""
    there = [
        resource(WEB, companions=[DATA, USED]),
        resource(SHOP, companions=[volume_ref("shop", "fast", "data"), ResourceRef("image", name="0" * 64)]),
        resource(DATA, labels=["fast/data"]),
        resource(SPARE, labels=["fast/spare"]),
        resource(USED, projects={"default": {}}, labels=["debian"]),
        resource(IDLE, projects={"shop": {}}),
        resource(CACHED, projects={"default": {}}, cached=True),
        Resource(CONFIG, {"config": {}}),
        *more,
    ]
    projects: dict[ResourceRef, Json] = {
        ResourceRef("project", name="default"): {"config": {}},
        ResourceRef("project", name="shop"): {"config": {"features.storage.volumes": "false"}},
    }
    return Inventory(SERVER, {each.ref: each for each in there}, projects)


def asked(
    *kinds: str, names: tuple[str, ...] = (), project: str = "default", images: Images = Images.NONE
) -> list[ResourceRef]:
    goals, warnings = backup_goals(
        Request(kinds, names, project), server(), ExportOptions(), images=images, kinds=KINDS
    )
    assert warnings == ()
    return [goal.ref for goal in goals]


def selected(*rules: ProtectRule, inventory: Inventory | None = None) -> Selection:
    return select_goals(Policy(protect=rules), inventory or server(), Catalog(), kinds=KINDS)


def rule(kind: str = "instance", **more: Any) -> ProtectRule:
    select = Select((kind,), more.pop("projects", ("default",)), more.pop("names", ("*",)))
    return ProtectRule(kind, select, ExportOptions(), PLACE, **more)


@pytest.mark.parametrize(
    ("images", "found"),
    [(Images.NONE, []), (Images.REFERENCED, [USED]), (Images.ALL, [USED])],
)
def test_images_come_with_instances_as_told(images: Images, found: list[ResourceRef]) -> None:
    assert asked("instance", images=images) == sorted([WEB, *found])


def test_all_images_of_a_project_are_not_those_that_were_only_cached() -> None:
    assert asked("image", project="*") == [USED, IDLE]
    assert asked("image", names=("debian",)) == [USED]


def test_everything_is_all_but_images_nobody_needs() -> None:
    everything = ("config", "image", "volume", "instance")
    assert asked(*everything, project="*", images=Images.REFERENCED) == sorted(
        [CONFIG, USED, DATA, SPARE, WEB, SHOP]
    )
    assert IDLE in asked(*everything, project="*", images=Images.ALL)


def test_a_project_without_volumes_of_its_own_means_those_it_uses() -> None:
    assert asked("volume", project="shop") == [DATA, SPARE]
    assert asked("volume", names=("fast/data",)) == [DATA]


def test_what_the_server_can_not_export_is_left_out_with_a_word_or_refused_by_name() -> None:
    iso = resource(volume_ref("default", "fast", "iso"), labels=["fast/iso"], obstacle="it is an ISO image")
    request = Request(("volume",), ("fast/iso",))
    with pytest.raises(Unplannable, match="volume/default/fast/iso: it is an ISO image"):
        backup_goals(request, server(iso), ExportOptions(), kinds=KINDS)
    goals, missed = backup_goals(evolve(request, names=()), server(iso), ExportOptions(), kinds=KINDS)
    assert [goal.ref for goal in goals] == [DATA, SPARE]
    assert missed == (Missed("volume/default/fast/iso", "can't be backed up: it is an ISO image"),)
    told = selected(rule("volume"), inventory=server(iso))
    assert told.warnings == ("volume/default/fast/iso can't be backed up: it is an ISO image",)


def test_a_rule_for_instances_covers_their_volumes_and_images() -> None:
    found = selected(rule())
    assert [goal.ref for goal in found.goals] == [USED, WEB, DATA]
    assert found.drift.unprotected == (IDLE.address, SHOP.address, SPARE.address)
    plain = selected(rule(images=Images.NONE, attached_volumes=False))
    assert [goal.ref for goal in plain.goals] == [WEB]


def test_a_volume_in_the_default_project_comes_with_an_instance_of_another() -> None:
    assert [goal.ref for goal in selected(rule(projects=("shop",))).goals] == [SHOP, DATA]


def test_the_first_rule_that_means_a_volume_has_it() -> None:
    volumes = rule("volume", names=("fast/*",))
    first = selected(volumes, rule(images=Images.NONE))
    assert {goal.ref for goal in first.goals} == {DATA, SPARE, WEB}
    assert first.warnings == ()


def test_rules_name_images_by_fingerprint_or_alias() -> None:
    assert [g.ref for g in selected(rule("image", names=("deb*",))).goals] == [USED]
    assert [g.ref for g in selected(rule("image", projects=("*",))).goals] == [USED, IDLE]
    assert [g.ref for g in selected(rule("image", projects=("*",), names=("*", "!deb*"))).goals] == [IDLE]


def test_the_configuration_is_one_resource_whatever_the_project() -> None:
    assert [goal.ref for goal in selected(rule("config")).goals] == [CONFIG]
