"""What is known of volumes without a server: who uses them, how they are exported, marked and compared."""

import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from incusbak.kinds.archive.definitions import INDEX
from incusbak.kinds.volume import VolumeKind, storage, users
from incusbak.kinds.volume.definition import is_unfit, rewrites, to_original, to_temporary
from incusbak.kinds.volume.exporting import choose_method
from incusbak.kinds.volume.storage import Look
from incusbak.model.backups import Consistency, ExportOptions, Method
from incusbak.model.documents import Json
from incusbak.model.goals import RestoreOptions
from incusbak.model.inventory import Resource, ServerInfo
from incusbak.model.plans import Hazard
from incusbak.model.policies import Destination, Maps
from incusbak.model.refs import BackupId, ResourceRef, instance_ref, volume_ref
from tests.fake_incus import FakeIncus
from tests.samples import manifest_of

KIND = VolumeKind()
REF = volume_ref("shop", "fast", "data")
WEB = instance_ref("shop", "web")
INDEX_TEXT = b"""
name: incusbak-0123
snapshots: [s1]
config:
  volume:
    name: incusbak-0123
    config: {user.incusbak.run: x, volatile.idmap.last: on-disk}
    description: ''
    created_at: 2026-03-01T00:00:00Z
  volume_snapshots:
  - {name: s1, created_at: 2026-01-01T00:00:00.5Z, expires_at: 2040-01-01T00:00:00Z}
"""


def document(content_type: str = "filesystem", **config: str) -> dict[str, Any]:
    return {
        "name": "data",
        "project": "shop",
        "config": config,
        "content_type": content_type,
        "description": "d",
        "created_at": "2026-01-01T00:00:00.123Z",
        "used_by": [],
    }


def look(content_type: str = "filesystem", *, running: bool = True) -> Look:
    return Look(Resource(REF, document(content_type), stops=(WEB,) if running else ()), ())


# -- addresses and plans ----------------------------------------------------------------------------


def test_a_volume_is_asked_for_by_pool_and_name() -> None:
    assert KIND.labels(Resource(REF, document())) == {"fast/data"}


def test_where_it_goes_is_said_or_mapped_or_as_it_was() -> None:
    maps = Maps(pools={"fast": "slow"}, projects={"shop": "mall"})
    assert KIND.relocated(REF, Maps(), Destination()) == REF
    assert KIND.relocated(REF, maps, Destination()) == volume_ref("mall", "slow", "data")
    to = Destination(name="new", project="lab", pool="bt")
    assert KIND.relocated(REF, maps, to) == volume_ref("lab", "bt", "new")


def test_a_replacement_stops_instances_only_if_any_run() -> None:
    hazards = {running: KIND.replace_hazards(look(running=running).resource) for running in (True, False)}
    assert hazards[True] - hazards[False] == {Hazard.STOPS_INSTANCE}
    assert hazards[False] == {Hazard.REPLACES_RESOURCE}


def test_what_the_server_or_this_tool_keeps_in_the_config_is_not_compared() -> None:
    kept = {"size": "1GiB", "volatile.idmap.last": "[]", "user.incusbak.run": "x"}
    assert KIND.comparable(document(**kept)) == {
        "config": {"size": "1GiB"},
        "content_type": "filesystem",
        "description": "d",
    }


SERVER = ServerInfo("f", "s", "7")


def obstacle(
    content_type: str,
    *,
    server: ServerInfo = SERVER,
    driver: str = "dir",
    is_optimized: bool = False,
) -> str:
    volume, options = Resource(REF, document(content_type)), ExportOptions(optimized=is_optimized)
    return KIND.obstacle(volume, options, server, driver_of={"fast": driver}.__getitem__)


def test_only_isos_need_a_newer_server() -> None:
    old, new = (ServerInfo("f", "s", "6.0.4", frozenset(has)) for has in ((), ("backup_iso",)))
    assert "can't back up ISO volumes" in obstacle("iso", server=old)
    assert (obstacle("iso", server=new), obstacle("filesystem", server=old)) == ("", "")


def test_only_some_pools_have_an_optimized_format() -> None:
    words = "pool 'fast' (dir) has no optimized format; only btrfs and zfs pools have one"
    assert obstacle("filesystem", is_optimized=True) == words
    others = [
        obstacle("filesystem"),
        obstacle("filesystem", driver="zfs", is_optimized=True),
        obstacle("iso", server=ServerInfo("f", "s", "7", frozenset({"backup_iso"})), is_optimized=True),
    ]
    assert others == ["", "", ""]


# -- users ------------------------------------------------------------------------------------------


def test_users_are_read_from_urls() -> None:
    urls = ["/1.0/instances/a", "/1.0/instances/b?project=p+q%2Fr", "/1.0/profiles/x%20y", "/1.0/images/f"]
    assert list(users.refs_in({"used_by": urls})) == [
        instance_ref("default", "a"),
        instance_ref("p q/r", "b"),
        ResourceRef("profile", project="default", name="x y"),
    ]


@given(st.text(min_size=1).filter(lambda name: name not in (".", "..")))
def test_any_name_survives_its_url(name: str) -> None:
    profile = ResourceRef("profile", project=name, name=name)
    device = {"type": "disk", "pool": "fast", "source": "data", "path": "/d"}
    found = users.completed(
        evolve(REF, project=name), {}, {profile: {"devices": {"d": device}}}, lambda project: project
    )
    assert list(users.refs_in(found)) == [profile]


def test_only_disks_on_the_volume_are_its_devices() -> None:
    disk = {"type": "disk", "pool": "fast", "path": "/d"}
    devices = {
        "whole": {**disk, "source": "data"},
        "part": {**disk, "source": "data/sub"},
        "other": {**disk, "source": "data2"},
        "elsewhere": {**disk, "pool": "slow", "source": "data"},
        "root": disk,
        "masked": {"type": "none"},
    }
    assert set(users.devices_on(REF, {"devices": devices})) == {"whole", "part"}


def test_who_uses_a_volume_through_profiles_is_found() -> None:
    fake = FakeIncus()
    fake.world.add_pool("fast")
    fake.world.add_project("own", {"features.profiles": "false"})
    fake.world.add_project("none", {"features.profiles": "false", "features.storage.volumes": "false"})
    device = {"type": "disk", "pool": "fast", "source": "data", "path": "/d"}
    fake.world.add_profile("p", devices={"d": device})
    for project in ("default", "own", "none"):
        fake.world.add_instance(f"in-{project}", project=project, profiles=["default", "p"], status="Running")
    for project in ("default", "own"):
        fake.world.add_volume("data", pool="fast", project=project)
    seen = {resource.ref: KIND.holds(resource.document) for resource in KIND.observe(fake, "*")}
    through = {instance_ref("default", "in-default"), instance_ref("none", "in-none")}
    assert seen[volume_ref("default", "fast", "data")] == through
    inspected = [KIND.inspect(fake, volume_ref(project, "fast", "data")) for project in ("default", "own")]
    stops = [set(resource.stops) for resource in inspected if resource]
    assert stops == [through, {instance_ref("own", "in-own")}]


# -- method -----------------------------------------------------------------------------------------

BLOCK_MODE = Look(
    Resource(REF, document(**{"zfs.block_mode": "true"}), stops=(WEB,)),
    (),
)
DIRECT, COPY = Method.DIRECT, Method.TEMPORARY_COPY
STOPPED, MOMENT, LIVE = Consistency.STOPPED, Consistency.POINT_IN_TIME, Consistency.LIVE


@pytest.mark.parametrize(
    ("volume", "driver", "flag", "wanted"),
    [
        (look(), "dir", "", (COPY, MOMENT)),
        (look(running=False), "dir", "", (DIRECT, STOPPED)),
        (look(), "dir", "live", (DIRECT, LIVE)),
        (look(), "lvm", "", (COPY, MOMENT)),
        (look(), "btrfs", "", (DIRECT, MOMENT)),
        (look(), "zfs", "", (DIRECT, MOMENT)),
        (BLOCK_MODE, "zfs", "", (COPY, MOMENT)),
        (look("block"), "btrfs", "", (COPY, MOMENT)),
        (look("block"), "btrfs", "optimized", (DIRECT, MOMENT)),
        (look("iso"), "dir", "", (DIRECT, STOPPED)),
    ],
)
def test_the_method_depends_on_driver_content_and_users(
    volume: Look, driver: str, flag: str, wanted: tuple[Method, Consistency]
) -> None:
    pool: Json = {"name": "fast", "driver": driver}
    options = ExportOptions(snapshot=flag != "live", optimized=flag == "optimized")
    assert choose_method(volume, pool, options) == wanted


# -- archives ---------------------------------------------------------------------------------------


def rewritten(**how: Any) -> Any:
    return json.loads(rewrites(**how)[INDEX](INDEX_TEXT))


def test_the_archive_of_a_copy_says_it_is_the_original() -> None:
    original = document(size="1GiB", **{"volatile.idmap.last": "since then"})
    index = rewritten(name="data", change=to_original(original))
    volume = index["config"]["volume"]
    assert volume == {**original, "config": {"size": "1GiB", "volatile.idmap.last": "on-disk"}}
    assert (index["name"], index["snapshots"]) == ("data", ["s1"])
    assert index["config"]["volume_snapshots"][0]["created_at"] == "2026-01-01T00:00:00.5Z"


def test_an_import_is_marked_from_its_first_moment() -> None:
    marks = {"user.incusbak.run": "r"}
    volume = rewritten(name="t", change=to_temporary(marks))["config"]["volume"]
    assert (volume["name"], volume["created_at"]) == ("t", "2026-03-01T00:00:00Z")
    assert volume["config"] == {"user.incusbak.run": "r", "volatile.idmap.last": "on-disk"}


def test_a_copy_beside_its_original_is_younger() -> None:
    change = to_temporary({}, created_at="2027-01-01T00:00:00Z")
    assert rewritten(name="t", change=change)["config"]["volume"]["created_at"] == "2027-01-01T00:00:00Z"


# -- marks ------------------------------------------------------------------------------------------

MARKS = {"user.incusbak.run": "r", "user.incusbak.expires": "2026-03-02T00:00:00Z"}


@pytest.mark.parametrize("content_type", ["filesystem", "block", "iso"])
@given(description=st.text())
def test_marks_come_and_go(content_type: str, description: str) -> None:
    before = {**document(content_type, size="1"), "description": description}
    marked = {**before, **storage.marked(before, MARKS)}
    assert storage.marks_of(marked) == {"run": "r", "expires": "2026-03-02T00:00:00Z"}
    assert storage.unmarked(marked) == {"config": before["config"], "description": description}


def test_temporary_is_what_has_the_name_or_a_mark() -> None:
    def resource(name: str, **config: str) -> Resource:
        return Resource(evolve(REF, name=name), document(**config))

    ours = resource("incusbak-0123456789ab"), resource("incusbak-0123456789ab-old"), resource("data", **MARKS)
    theirs = resource("data"), resource("incusbak-backups")
    assert [KIND.is_temporary(each) for each in (*ours, *theirs)] == [True, True, True, False, False]


def test_only_what_is_both_named_and_marked_expires() -> None:
    named = evolve(REF, name="incusbak-0123456789ab")
    expiry = KIND.expiry(Resource(named, document(**MARKS)))
    assert expiry is not None
    assert expiry.isoformat() == "2026-03-02T00:00:00+00:00"
    assert KIND.expiry(Resource(REF, document(**MARKS))) is None
    assert KIND.expiry(Resource(named, document())) is None


@pytest.mark.parametrize(
    ("version", "name", "is_refused"),
    [
        ("6.0.4", ".hid", False),
        ("6.0.5", ".hid", True),
        ("6.10", "a b", False),
        ("6.16", "a b", True),
        ("7.0.2", "a\u2028b", True),
        ("7.0.2", "a$b", True),
        ("7.0.2", "a", False),
        ("7.0.2", "a\x01b", False),
        ("7.0.2", "a.b_c:d", False),
        ("7.0.2", "x" * 64, False),
        ("7.0.2", "x" * 65, True),
    ],
    ids=ascii,
)
def test_what_a_server_lets_no_volume_be_called(version: str, name: str, is_refused: bool) -> None:
    ref = volume_ref("default", "fast", name)
    assert bool(KIND.misnamed(ref, ServerInfo("", "", version))) == is_refused


@pytest.mark.parametrize(
    ("version", "names", "optimized", "said"),
    [
        ("6.0.4", ("x" * 65, "\ta", ".."), False, ""),
        ("7.0.1", ("x" * 65, "\ta", ".."), False, ""),
        ("7.0.2", ("x" * 64, "\ta", ".."), False, ""),
        ("7.0.2", ("x" * 65,), False, "lets no snapshot have a name as long"),
        ("7.1", ("x" * 65,), False, ""),
        ("7.3", ("x" * 65,), False, "lets no snapshot have a name as long"),
        ("6.0.4", ("\ta",), True, ""),
        ("6.0.4", ("..",), True, "its snapshot '..' has a name that this server does not take"),
        ("7.0.2", ("\ta",), True, "its snapshot '\\ta' has a name that this server does not take"),
    ],
    ids=ascii,
)
def test_of_what_name_no_server_imports_a_snapshot(
    version: str, names: tuple[str, ...], optimized: bool, said: str
) -> None:
    """Those which it only does not let be called so get another on the way; those of 7.0.2 were seen."""
    plain = manifest_of(BackupId(REF, "20260301T123000Z"), ())
    captured = evolve(plain.captured, snapshots=tuple({"name": name} for name in names))
    stored = evolve(plain, captured=captured, options=ExportOptions(optimized=optimized))
    server = ServerInfo("", "", version)
    words = KIND.unrestorable(stored, RestoreOptions(), server, None)
    assert (said in words, bool(words)) == (True, bool(said))
    in_archive = {name for name in names if is_unfit(name, server)}
    assert in_archive == ({*names} - {"x" * 64} if version in ("7.0.2", "7.3") else {*names} & {".."})


@pytest.mark.parametrize(
    ("project", "pool", "is_refused"),
    [("a\\b", "fast", True), ("shop", "a\\n", True), ("a\\q", "fast", False), ("a\tb", "fast", False)],
    ids=ascii,
)
def test_where_no_server_can_unpack_an_archive(project: str, pool: str, is_refused: bool) -> None:
    ref = volume_ref(project, pool, "data")
    assert bool(KIND.misnamed(ref, ServerInfo("", "", "7.0.2"))) == is_refused
