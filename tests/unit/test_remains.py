"""What tells whether a leftover is to be tried again: it, and nothing of what lives beside it."""

from collections.abc import Callable

import pytest
from attrs import evolve

from incusbak.kinds.instance import InstanceKind
from incusbak.kinds.volume import VolumeKind
from incusbak.model.records import (
    Phase,
    Record,
    Restoration,
    ScratchInstance,
    ScratchVolume,
    VolumeRestoration,
    VolumeUser,
)
from incusbak.model.refs import instance_ref, volume_ref
from incusbak.ports import Kind
from tests.fake_incus import FakeIncus

WEB, DATA = instance_ref("default", "web"), volume_ref("default", "default", "data")
USER = VolumeUser(WEB, {}, ran=True)
RECORDS: dict[str, tuple[Kind, Record]] = {
    "a copy": (InstanceKind(), ScratchInstance("r", instance_ref("default", "own"), WEB)),
    "a volume's copy": (VolumeKind(), ScratchVolume("r", evolve(DATA, name="own"), DATA, paused=(WEB,))),
    "what came in": (InstanceKind(), Restoration("r", WEB, "own", "old", Phase.IMPORTING, start=True)),
    "what was replaced": (InstanceKind(), Restoration("r", WEB, "new", "own", Phase.RETIRING, start=True)),
    "a volume that came in": (
        VolumeKind(),
        VolumeRestoration("r", DATA, "own", "old", Phase.IMPORTING, users=(USER,)),
    ),
    "a volume that was replaced": (
        VolumeKind(),
        VolumeRestoration("r", DATA, "new", "own", Phase.RETIRING, users=(USER,)),
    ),
}
LIVING: dict[str, Callable[[FakeIncus], object]] = {
    "stopped": lambda api: api.replace("instances/web/state", {"action": "stop", "force": True}),
    "snapshot": lambda api: api.create("instances/web/snapshots", {"name": "new"}),
    "snapshot of the volume": lambda api: api.create(
        "storage-pools/default/volumes/custom/data/snapshots", {"name": "new"}
    ),
    "deleted": lambda api: api.world.instances.pop(("default", "web")),
}


@pytest.fixture
def api() -> FakeIncus:
    fake = FakeIncus()
    fake.world.add_instance("web", status="Running")
    for name in ("data", "own"):
        fake.world.add_volume(name, pool="default")
    fake.world.add_instance("own")
    return fake


@pytest.mark.parametrize("what", RECORDS)
def test_what_lives_changes_nothing(api: FakeIncus, what: str) -> None:
    kind, record = RECORDS[what]
    before = kind.remains(api, record)
    for change in LIVING.values():
        change(api)
        assert kind.remains(api, record) == before


@pytest.mark.parametrize("what", RECORDS)
def test_what_becomes_of_it_changes_them(api: FakeIncus, what: str) -> None:
    kind, record = RECORDS[what]
    before = kind.remains(api, record)
    api.world.instance("own").config["user.note"] = "looked at"
    api.world.volumes["default", "default", "own"]["description"] = "looked at"
    changed = kind.remains(api, record)
    del api.world.instances["default", "own"]
    del api.world.volumes["default", "default", "own"]
    assert len({before, changed, kind.remains(api, record)}) == 3


@pytest.mark.parametrize("what", ["a copy", "a volume's copy"])
def test_what_a_copy_may_have_left_frozen_is_a_reason(api: FakeIncus, what: str) -> None:
    kind, record = RECORDS[what]
    before = kind.remains(api, record)
    api.replace("instances/web/state", {"action": "freeze"})
    assert kind.remains(api, record) != before


def test_one_that_a_user_had_frozen_is_none(api: FakeIncus) -> None:
    kind, record = InstanceKind(), ScratchInstance("r", instance_ref("default", "own"), WEB, True)
    before = kind.remains(api, record)
    api.replace("instances/web/state", {"action": "freeze"})
    assert kind.remains(api, record) == before


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        (InstanceKind(), Restoration("r", WEB, "new", "own", Phase.COMPLETE, start=True)),
        (VolumeKind(), VolumeRestoration("r", DATA, "new", "own", Phase.COMPLETE, users=(USER,))),
    ],
)
def test_what_is_kept_for_one_that_does_not_run_is_tried_again_when_it_does(
    api: FakeIncus, kind: Kind, record: Record
) -> None:
    api.replace("instances/web/state", {"action": "stop", "force": True})
    before = kind.remains(api, record)
    api.replace("instances/web/state", {"action": "start"})
    assert kind.remains(api, record) != before
