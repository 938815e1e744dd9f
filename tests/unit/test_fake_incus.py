"""What a test can do with the fake server beyond what a real one offers."""

import pytest

from incusbak.errors import NotFound, ServerUnavailable, Stopped
from tests.fake_incus import FakeIncus

BACKUP = {"compression_algorithm": "none", "name": "b1"}


class Killed(BaseException):
    """The client died here."""


def kill(method: str, path: str) -> None:
    raise Killed(f"{method} {path}")


def stop(words: str) -> None:
    raise Stopped(words)


@pytest.fixture
def fake() -> FakeIncus:
    made = FakeIncus()
    made.world.add_instance("c1", files={"rootfs/etc/motd": b"hello"})
    return made


def test_requests_are_logged(fake: FakeIncus) -> None:
    fake.get("instances/c1")
    fake.list("projects")
    fake.delete("instances/c1")
    assert fake.requests == [("GET", "instances/c1"), ("GET", "projects"), ("DELETE", "instances/c1")]


def test_a_client_killed_before_a_request_has_changed_nothing(fake: FakeIncus) -> None:
    fake.before(kill)
    with pytest.raises(Killed, match="DELETE instances/c1"):
        fake.delete("instances/c1")
    assert ("default", "c1") in fake.world.instances


def test_a_client_killed_after_a_request_has_changed_something(fake: FakeIncus) -> None:
    fake.after(kill)
    with pytest.raises(Killed, match="DELETE instances/c1"):
        fake.delete("instances/c1")
    assert ("default", "c1") not in fake.world.instances


def test_chosen_requests_fail_until_forgiven(fake: FakeIncus) -> None:
    fake.fail_on(lambda method, _: method == "DELETE", ServerUnavailable("gone"))
    with pytest.raises(ServerUnavailable, match="gone"):
        fake.delete("instances/c1")
    fake.forgive()
    fake.delete("instances/c1")
    assert fake.world.instances == {}


def test_an_operation_that_nobody_waits_for_ends_a_few_requests_later(fake: FakeIncus) -> None:
    with pytest.raises(Stopped):
        fake.create("instances/c1/backups", BACKUP, watch=stop)
    running = fake.get("operations").body["running"]
    operation = fake.get(running[0].removeprefix("/1.0/")).body
    assert operation["resources"] == {"instances": ["/1.0/instances/c1"]}
    assert fake.list("instances/c1/backups") == ()
    assert [each["name"] for each in fake.list("instances/c1/backups")] == ["b1"]
    assert fake.get("operations").body == {}
    with pytest.raises(NotFound):
        fake.get(running[0].removeprefix("/1.0/"))


def test_archives_can_be_spoilt_on_their_way(fake: FakeIncus) -> None:
    fake.spoil = lambda archive: archive[:700]
    fake.create("instances/c1/backups", BACKUP)
    with fake.download("instances/c1/backups/b1/export") as chunks:
        assert len(b"".join(chunks)) == 700


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd -3"])
@pytest.mark.parametrize("optimized", [False, True])
def test_files_and_snapshots_survive_export_and_import(
    fake: FakeIncus, compression: str, optimized: bool
) -> None:
    fake.world.add_pool("bt", "btrfs")
    devices = {"root": {"type": "disk", "path": "/", "pool": "bt"}}
    source = fake.world.add_instance("c2", devices=devices, files={"rootfs/a b/ü": bytes(range(256)) * 20})
    fake.create("instances/c2/snapshots", {"name": "s1"})
    source.files["rootfs/new"] = b"new"
    how = {"compression_algorithm": compression, "optimized_storage": optimized}
    with fake.download("instances/c2/backups", body=how) as chunks:
        fake.upload("instances", chunks, headers={"X-Incus-name": "c3", "X-Incus-pool": "bt"})
    found = fake.world.instance("c3")
    assert found.files == source.files
    assert found.snapshots["s1"].files == source.snapshots["s1"].files


def test_an_import_onto_another_pool_breaks_an_instance_of_that_name(fake: FakeIncus) -> None:
    fake.world.add_pool("other")
    with fake.download("instances/c1/backups", body={"compression_algorithm": "none"}) as chunks:
        archive = list(chunks)
    with pytest.raises(Exception, match="multiple storage pools"):
        fake.upload("instances", archive, headers={"X-Incus-name": "c1", "X-Incus-pool": "other"})
    assert fake.world.instance("c1").broken


def test_two_runs_give_the_same_bytes() -> None:
    def archive() -> bytes:
        server = FakeIncus()
        server.world.add_instance("c1")
        with server.download("instances/c1/backups", body={"compression_algorithm": "gzip"}) as chunks:
            return b"".join(chunks)

    assert archive() == archive()
