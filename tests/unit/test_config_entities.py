"""Entities of the configuration on a fake server: made, changed and deleted, killed at any request."""

from collections.abc import Callable
from typing import Any

import pytest

from incusbak.errors import Blocked, ChangedMeanwhile, NotFound, ServerError, ServerUnavailable
from incusbak.kinds.config import ENTITIES
from incusbak.model.documents import Json
from incusbak.model.policies import Maps
from incusbak.model.refs import ResourceRef, parse_address
from tests.config_samples import ALLOW, bring, comparables, furnished, in_order, listed, read
from tests.fake_incus import FakeIncus

STATE = read(furnished())
WHAT_IS_BROUGHT = {
    address: what for address, what in comparables(STATE).items() if "certificate" not in address
}
CHANGES: tuple[tuple[str, Json], ...] = (
    ("pool/fast", {"description": "other"}),
    ("project/shop", {"description": "other"}),
    ("integration/far", {"config": {}}),
    ("address-set/default/lan", {"addresses": []}),
    ("acl/default/app", {"egress": [ALLOW]}),
    ("zone/default/example.org", {"config": {"user.k": "v"}}),
    ("record/default/example.org/www", {"entries": []}),
    ("network/default/br1", {"config": {"user.k": "v"}}),
    ("forward/default/br1/198.51.100.1", {"ports": []}),
    ("load-balancer/shop/ovn1/198.51.100.2", {"backends": []}),
    ("peer/shop/ovn1/far", {"description": "other"}),
    ("profile/default/web", {"devices": {}}),
    ("profile/shop/default", {"config": {"user.k": "v"}}),
)


@pytest.fixture
def fake() -> FakeIncus:
    """A server to which everything was brought."""
    new = FakeIncus()
    bring(new, STATE)
    return new


def wanted(ref: ResourceRef) -> Json:
    return ENTITIES[ref.kind].wanted(listed(STATE)[ref].document, Maps())


def paths(ref: ResourceRef) -> tuple[str, str]:
    """The path and the project of an entity, as the fake's log tells them."""
    fake = furnished()
    fake.requests.clear()
    assert ENTITIES[ref.kind].inspect(fake, ref)
    return fake.requests[-1][1], ref.project


def put(fake: FakeIncus, ref: ResourceRef, **changes: Any) -> None:
    path, project = paths(ref)
    fake.replace(path, {**fake.get(path, project=project).body, **changes}, project=project)


# -- there and back ---------------------------------------------------------------------------------


def test_what_is_brought_equals_what_was_read(fake: FakeIncus) -> None:
    assert comparables(read(fake)) == WHAT_IS_BROUGHT


@pytest.mark.parametrize(("address", "change"), CHANGES, ids=[address for address, _ in CHANGES])
def test_an_update_brings_back_what_was_changed(fake: FakeIncus, address: str, change: Json) -> None:
    ref, before = parse_address(address), read(fake)
    entity = ENTITIES[ref.kind]
    seen = entity.inspect(fake, ref)
    assert seen is not None
    put(fake, ref, **change)
    with pytest.raises(ChangedMeanwhile):
        entity.update(fake, ref, wanted(ref), etag=seen.etag)
    changed = entity.inspect(fake, ref)
    assert changed is not None
    entity.update(fake, ref, wanted(ref), etag=changed.etag)
    assert read(fake) == before


def test_everything_that_was_made_can_be_deleted_in_reverse_order(fake: FakeIncus) -> None:
    empty = read(FakeIncus())
    for ref in reversed(in_order(listed(read(fake)))):
        if ref not in listed(empty) and not ENTITIES[ref.kind].is_permanent(ref):
            ENTITIES[ref.kind].delete(fake, ref)
            ENTITIES[ref.kind].delete(fake, ref)
    assert read(fake) == empty


def test_ranks_put_what_others_need_first() -> None:
    ranks = {name: entity.rank for name, entity in ENTITIES.items()}
    needed = {
        (ref.kind, other.kind)
        for ref, each in listed(STATE).items()
        for other in ENTITIES[ref.kind].requires(ref, each.document)
    }
    same = {("acl", "acl"), ("network", "network")}
    assert {(kind, other) for kind, other in needed - same if ranks[kind] <= ranks[other]} == set()


def test_what_can_not_be_made_whole_is_not_there_at_all() -> None:
    """Else the next restore would find it in the way, or leave it half as it is."""
    fake, network = FakeIncus(), parse_address("network/default/half")
    before = read(fake)
    fake.fail_on(lambda method, path: (method, path) == ("PUT", "networks/half"), ServerError("no"))
    quiet = {"type": "bridge", "config": {"ipv4.address": "none"}, "description": ""}
    with pytest.raises(ServerError, match=r"^no$"):
        ENTITIES["network"].create(fake, network, quiet)
    assert read(fake) == before


def test_what_can_not_be_made_whole_nor_removed_is_told() -> None:
    fake, network = FakeIncus(), parse_address("network/default/half")
    fake.fail_on(lambda method, _: method in ("PUT", "DELETE"), ServerError("no"))
    with pytest.raises(ServerError) as failed:
        ENTITIES["network"].create(fake, network, {"type": "bridge", "config": {}, "description": ""})
    assert failed.value.message == "no; network/default/half is there now, but not as it shall be: no"


# -- what an update leaves alone --------------------------------------------------------------------


def test_what_the_server_keeps_for_itself_survives_an_update(fake: FakeIncus) -> None:
    ref = parse_address("network/shop/ovn1")
    fake.world.networks["shop", "ovn1"]["config"]["volatile.network.ipv4.address"] = "192.0.2.11"
    put(fake, ref, description="other")
    ENTITIES["network"].update(fake, ref, wanted(ref), etag="")
    assert fake.world.networks["shop", "ovn1"]["config"]["volatile.network.ipv4.address"] == "192.0.2.11"


def test_a_feature_that_is_off_stays_said_so(fake: FakeIncus) -> None:
    """The server fails when it is left out."""
    ref = parse_address("project/bare")
    assert "features.profiles" not in wanted(ref)["config"]
    put(fake, ref, description="other")
    ENTITIES["project"].update(fake, ref, wanted(ref), etag="")
    assert fake.world.projects["bare"]["config"]["features.profiles"] == "false"


# -- special creations ------------------------------------------------------------------------------


def test_a_bridge_without_addresses_is_made_without(fake: FakeIncus) -> None:
    ref = ResourceRef("network", project="default", name="plain")
    ENTITIES["network"].create(fake, ref, {"type": "bridge", "description": "", "config": {}})
    assert fake.world.networks["default", "plain"]["config"] == {}


def test_an_acl_that_names_itself_is_made_in_two_steps(fake: FakeIncus) -> None:
    ref = ResourceRef("acl", project="default", name="own")
    rules = [{**ALLOW, "source": "own,web"}, ALLOW]
    ENTITIES["acl"].create(fake, ref, {"description": "", "config": {}, "ingress": rules, "egress": []})
    found = ENTITIES["acl"].inspect(fake, ref)
    assert found is not None
    assert found.document["ingress"] == rules


def test_an_acl_does_not_require_itself() -> None:
    ref = ResourceRef("acl", project="default", name="own")
    found = ENTITIES["acl"].requires(ref, {"ingress": [{**ALLOW, "source": "own"}]})
    assert ref not in found


@pytest.mark.parametrize(
    "feature", ["features.images", "features.storage.volumes", "features.storage.buckets"]
)
def test_a_project_gets_no_feature_it_was_not_given(fake: FakeIncus, feature: str) -> None:
    ref = ResourceRef("project", name="new")
    ENTITIES["project"].create(fake, ref, {"description": "", "config": {}})
    assert fake.world.projects["new"]["config"][feature] == "false"


# -- whose it is ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["profile/bare/web", "acl/bare/web", "zone/bare/example.org", "network/bare/br1"]
)
def test_a_project_without_its_own_has_none_to_be_seen_or_changed(fake: FakeIncus, address: str) -> None:
    ref, before = parse_address(address), read(fake)
    entity = ENTITIES[ref.kind]
    nothing = entity.comparable({"type": "bridge"})
    assert entity.inspect(fake, ref) is None
    entity.delete(fake, ref)
    with pytest.raises(NotFound):
        entity.create(fake, ref, nothing)
    with pytest.raises(NotFound):
        entity.update(fake, ref, nothing, etag="")
    assert read(fake) == before


def test_certificates_are_listed_and_never_changed(fake: FakeIncus) -> None:
    entity, ref = ENTITIES["certificate"], ResourceRef("certificate", name="ab" * 32)
    assert [each.ref for each in entity.listed(STATE)] == [ref]
    assert entity.relocated(ref, Maps()) is None
    assert entity.is_permanent(ref)
    actions: list[Callable[[], None]] = [
        lambda: entity.create(fake, ref, {}),
        lambda: entity.update(fake, ref, {}, etag=""),
        lambda: entity.delete(fake, ref),
    ]
    for action in actions:
        with pytest.raises(Blocked):
            action()


# -- killed -----------------------------------------------------------------------------------------


def writes() -> int:
    fake = FakeIncus()
    bring(fake, STATE)
    return sum(method != "GET" for method, _ in fake.requests)


class Mortal:
    """Ends a run at its nth write, before or after the server did it."""

    def __init__(self, nth: int) -> None:
        self._left = nth

    def __call__(self, method: str, path: str) -> None:
        if method != "GET":
            self._left -= 1
            if self._left < 0:
                raise ServerUnavailable("killed")


@pytest.mark.parametrize("nth", range(writes()))
@pytest.mark.parametrize("moment", [FakeIncus.before, FakeIncus.after])
def test_a_run_killed_at_any_write_is_finished_by_the_next_one(
    nth: int, moment: Callable[[FakeIncus, Callable[[str, str], None]], None]
) -> None:
    fake = FakeIncus()
    moment(fake, Mortal(nth))
    with pytest.raises(ServerUnavailable):
        bring(fake, STATE)
    fake.forgive()
    bring(fake, STATE)
    assert comparables(read(fake)) == WHAT_IS_BROUGHT
