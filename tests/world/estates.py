"""Hypothesis strategies for estates: servers with things in several projects and pools, and their backups."""

from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define
from hypothesis import strategies as st

from tests.fake_incus import World, images
from tests.fake_incus.world import Content
from tests.image_samples import metadata_of, squashfs_of, unified_of
from tests.world.policy_texts import ENVIRONMENT, several
from tests.world.session import Estate, ShuffledIncus

EVERYTHING = """
version: 1
protect:
  - name: everything
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    backup: {images: all}
"""
_NIC = {"type": "nic", "network": "br0"}
_INSTANCES = [
    *(("default", name) for name in ("web", "db", "web-2")),
    *(("shop", name) for name in ("web", "till")),
    ("bare", "tool"),
]
_VOLUMES = [("default", "fast", "data"), ("default", "big", "data"), ("shop", "fast", "data")]
_PROTECT = ["true", "false", "maybe", ""]
_COMMANDS = ['[["sync"]]', '[["sh", "-c", "true"], ["x"]]', "nonsense", "[[]]", '[["\\ud800"]]', "[" * 5000]
_CONTENTS = {"os": (unified_of("os"),), "split": (metadata_of("split"), squashfs_of("split"))}

configs = st.fixed_dictionaries(
    {},
    optional={
        "user.tier": st.sampled_from(["gold", "silver"]),
        "user.incus-backup.protect": st.sampled_from(_PROTECT),
        "user.incus-backup.before": st.sampled_from(_COMMANDS),
        "user.incus-backup.after": st.sampled_from(_COMMANDS),
        "environment.TOKEN": st.just("t0ken"),
        "limits.cpu": st.sampled_from(["1", "2"]),
    },
)


@define
class Clock:
    """A clock that stands until it is set."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def furnished_server() -> ShuffledIncus:
    """A server with pools, projects, networks and profiles to put things in."""
    server = ShuffledIncus()
    world = server.world
    world.add_pool("fast", "btrfs")
    world.add_pool("big", "dir")
    world.add_project("shop", {"features.networks": "true"})
    off = ("images", "profiles", "storage.volumes")
    world.add_project("bare", {f"features.{feature}": "false" for feature in off})
    for project in ("default", "shop"):
        world.add_network("br0", project=project, config={"ipv4.address": "10.0.0.1/24"})
    world.add_profile("web", devices={"eth0": dict(_NIC)}, config={"user.tier": "gold"})
    return server


@st.composite
def estates(draw: st.DrawFn, *, least: int = 0, most: int = 4) -> Estate:
    """A server, backups of all it had once, and what became of it since."""
    estate = Estate(server=furnished_server(), clock=Clock(), environment=ENVIRONMENT)
    world = estate.server.world
    for key in draw(st.lists(st.sampled_from(_VOLUMES), unique=True, max_size=2)):
        _add_volume(draw, world, key)
    for name in draw(st.lists(st.sampled_from(sorted(_CONTENTS)), unique=True)):
        _add_image(draw, world, name)
    for project, name in draw(
        st.lists(st.sampled_from(_INSTANCES), unique=True, min_size=least, max_size=most)
    ):
        _add_instance(draw, world, project, name)
    if least or draw(st.booleans()):
        assert estate.apply(estate.plan(EVERYTHING)) == 0
        _live_on(draw, estate)
    return estate


def _add_volume(draw: st.DrawFn, world: World, key: tuple[str, str, str]) -> None:
    project, pool, name = key
    content = draw(st.sampled_from(["filesystem", "block"]))
    world.add_volume(name, pool=pool, project=project, content_type=content, config={"user.tier": "gold"})
    world.contents[key] = Content({"file" if content == "filesystem" else "": name.encode()})


def _add_image(draw: st.DrawFn, world: World, name: str) -> None:
    for project in draw(several(st.sampled_from(["default", "shop"]), 2).map(set).map(sorted)):
        aliases = [{"name": name, "description": ""}] if draw(st.booleans()) else []
        cached = not aliases and draw(st.booleans())
        properties = {"os": draw(st.sampled_from(["gold", "busybox"]))}
        images.add(
            world, *_CONTENTS[name], project=project, aliases=aliases, cached=cached, properties=properties
        )


def _add_instance(draw: st.DrawFn, world: World, project: str, name: str) -> None:
    devices: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "eth0": st.sampled_from([_NIC, {**_NIC, "ipv4.address": "10.0.0.7"}]),
                "data": st.sampled_from(_VOLUMES).map(
                    lambda key: {"type": "disk", "pool": key[1], "source": key[2], "path": "/data"}
                ),
            },
        )
    )
    owner = world.owner(project, "storage.volumes")
    if "data" in devices and (owner, devices["data"]["pool"], "data") not in world.volumes:
        del devices["data"]
    pools = ["default", "fast"] if project != "shop" else ["fast", "big"]
    if project == "shop" or draw(st.booleans()):
        devices["root"] = {"type": "disk", "path": "/", "pool": draw(st.sampled_from(pools))}
    base = draw(st.sampled_from(["f" * 64, *(fingerprint for _, fingerprint in world.images)]))
    world.add_instance(
        name,
        project=project,
        status=draw(st.sampled_from(["Stopped", "Running", "Frozen"])),
        type=draw(st.sampled_from(["container", "container", "virtual-machine"])),
        config={**draw(configs), "volatile.base_image": base},
        devices={key: dict(device) for key, device in devices.items()},
        profiles=["default"] if project == "shop" or draw(st.booleans()) else ["default", "web"],
    )


def _live_on(draw: st.DrawFn, estate: Estate) -> None:
    """Let some time pass, in which things go, change and come."""
    world, clock = estate.server.world, estate.clock
    assert isinstance(clock, Clock)
    clock.now += draw(st.sampled_from([timedelta(), timedelta(hours=1), timedelta(days=3)]))
    for key, instance in list(world.instances.items()):
        match draw(st.sampled_from(["stays", "stays", "goes", "changes", "is another"])):
            case "goes":
                del world.instances[key]
            case "changes":
                instance.config["user.tier"] = "changed"
                instance.files["rootfs/new"] = b"new"
            case "is another":
                del world.instances[key]
                _add_instance(draw, world, *key)
    for place in [key for key in world.volumes if not _is_used(world, key)]:
        if draw(st.booleans()):
            del world.volumes[place]
    for shelf in [key for key in world.images if draw(st.booleans())]:
        del world.images[shelf]
    if draw(st.booleans()):
        world.profiles["default", "web"]["config"] = {"user.tier": "changed"}
    if draw(st.booleans()):
        world.networks["default", "br0"]["config"]["ipv4.nat"] = "true"
        world.add_network("br1")


def _is_used(world: World, key: tuple[str, str, str]) -> bool:
    return any(
        device.get("pool") == key[1] and device.get("source") == key[2]
        for instance in world.instances.values()
        for device in instance.document["devices"].values()
    )
