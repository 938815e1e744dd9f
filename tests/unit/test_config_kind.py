"""The configuration as one: what is read of a server, and what a backup of it holds."""

import json

import pytest
from attrs import evolve

from incusbak.errors import Blocked, NotFound, Stopped
from incusbak.kinds.config import ENTITIES, ConfigKind
from incusbak.model.backups import ExportOptions
from incusbak.model.inventory import Resource
from incusbak.model.refs import CONFIG, SHAPES, BackupId
from incusbak.model.results import StepEvent, Transferred
from incusbak.ports import Kind, KindContext, Tell
from tests.config_samples import furnished, listed, read
from tests.fake_incus import FakeIncus
from tests.fakes import MemoryRepository
from tests.samples import export_record, manifest_of
from tests.unit.toys import NOW, ToyKind, execution_context

KIND: Kind = ConfigKind()


@pytest.fixture
def fake() -> FakeIncus:
    return furnished()


def silent(event: StepEvent) -> None:
    """Say nothing."""


def tools_of(fake: FakeIncus, tell: Tell = silent) -> KindContext:
    return evolve(execution_context(ToyKind()).tools, api=fake, tell=tell)


def test_every_kind_of_entity_has_addresses_and_the_other_way_round() -> None:
    assert {"instance", "volume", "image", "config"} | ENTITIES.keys() == SHAPES.keys()


def test_entities_are_registered_under_their_names() -> None:
    assert [entity.name for entity in ENTITIES.values()] == list(ENTITIES)


def test_there_is_one_configuration_and_it_takes_no_request_to_know(fake: FakeIncus) -> None:
    fake.requests.clear()
    assert (list(KIND.observe(fake, "*")), fake.requests) == ([Resource(CONFIG, {})], [])


# -- reading ----------------------------------------------------------------------------------------


def test_a_state_holds_every_kind_of_entity(fake: FakeIncus) -> None:
    assert {ref.kind for ref in listed(read(fake))} == ENTITIES.keys()


def test_the_same_configuration_gives_the_same_bytes(fake: FakeIncus) -> None:
    assert json.dumps(read(fake)) == json.dumps(read(fake))


def test_a_state_knows_nothing_that_changes_by_itself(fake: FakeIncus) -> None:
    words = json.dumps(read(fake))
    assert [noise for noise in ("used_by", "status", "location", "volatile.") if noise in words] == []


def test_reading_takes_a_request_per_kind_and_per_network_and_zone(fake: FakeIncus) -> None:
    fake.requests.clear()
    read(fake)
    assert sorted(path for _, path in fake.requests) == [
        "certificates",
        "network-acls",
        "network-address-sets",
        "network-integrations",
        "network-zones",
        "network-zones/example.org/records",
        "network-zones/shop.example/records",
        "networks",
        "networks/br1/forwards",
        "networks/ovn1/forwards",
        "networks/ovn1/load-balancers",
        "networks/ovn1/peers",
        "profiles",
        "projects",
        "storage-pools",
    ]


def test_what_a_server_of_this_version_does_not_have_is_empty(fake: FakeIncus) -> None:
    fake.fail_on(lambda _, path: path == "network-address-sets", NotFound("not found"))
    assert read(fake)["network_address_sets"] == []


def test_an_interface_of_the_host_is_no_network(fake: FakeIncus) -> None:
    fake.world.add_network("lo", type="loopback", managed=False)
    assert "lo" not in {each["name"] for each in read(fake)["networks"]}


def test_temporary_projects_are_left_out_with_all_they_hold(fake: FakeIncus) -> None:
    before = read(fake)
    fake.world.add_project("incusbak-tmp-1", {"features.networks": "true"})
    fake.create("network-acls", {"name": "x"}, project="incusbak-tmp-1")
    assert read(fake) == before


# -- backups ----------------------------------------------------------------------------------------


def test_a_backup_has_a_file_for_each_list(fake: FakeIncus) -> None:
    repository = MemoryRepository()
    with repository.new_backup(CONFIG, NOW) as writer:
        captured = KIND.export(tools_of(fake), CONFIG, ExportOptions(), writer)
        writer.commit(evolve(manifest_of(writer.id, writer.files), captured=captured))
    state, names = read(fake), {stored.name for stored in writer.files}
    stored = {name.removesuffix(".json"): text_of(repository, writer.id, name) for name in names}
    assert captured.resource == state
    assert {part: json.loads(text) for part, text in stored.items()} == state
    assert {"projects", "profiles", "networks", "storage_pools"} <= stored.keys()
    assert all(text.endswith("]\n") for text in stored.values())
    assert captured.content_bytes == sum(each.size_bytes for each in writer.files)


def text_of(repository: MemoryRepository, backup: BackupId, name: str) -> str:
    with repository.open_file(backup, name) as chunks:
        return b"".join(chunks).decode()


def test_a_stop_in_the_middle_of_a_backup_changes_nothing(fake: FakeIncus) -> None:
    def stop(event: StepEvent) -> None:
        if isinstance(event, Transferred):
            raise Stopped

    fake.requests.clear()
    with MemoryRepository().new_backup(CONFIG, NOW) as writer, pytest.raises(Stopped):
        KIND.export(tools_of(fake, stop), CONFIG, ExportOptions(), writer)
    assert {method for method, _ in fake.requests} == {"GET"}


def test_it_is_neither_temporary_nor_of_any_record(fake: FakeIncus) -> None:
    assert not KIND.is_temporary(Resource(CONFIG, {}))
    with pytest.raises(Blocked):
        KIND.discard(tools_of(fake), CONFIG)
    with pytest.raises(Blocked):
        KIND.recover(tools_of(fake), export_record("1"))
