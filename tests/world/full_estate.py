"""An estate with something of everything, the same each time, and what became of it after its backup."""

from datetime import timedelta
from functools import cache
from typing import Any

from tests.config_samples import EVERYTHING
from tests.fake_incus import FakeIncus, World, images
from tests.fake_incus.world import Content
from tests.fakes import Disk
from tests.image_samples import metadata_of, squashfs_of, unified_of
from tests.world.estates import Clock
from tests.world.session import Estate
from tests.world.twins import twin

BACK_UP = """
version: 1
protect:
  - name: everything
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    backup: {images: all}
"""
SECRET_CONFIG = {"environment.TOKEN": "hidden", "user.user-data": "#cloud-config"}


def full_estate() -> Estate:
    """Everything there is, not backed up yet."""
    server = FakeIncus()
    for collection, project, body in EVERYTHING:
        server.create(collection, body, project=project)
    server.world.add_pool("big", "dir")
    _add_volumes(server.world)
    image = _add_images(server.world)
    _add_instances(server.world, image)
    server.create("instances/web/snapshots", {"name": "before"})
    return Estate(server, Disk(repository_id="r" * 32, secret=b"k"), clock=Clock())


def _add_volumes(world: World) -> None:
    for project, pool, name, content_type in (
        ("default", "fast", "data", "filesystem"),
        ("default", "big", "spare", "filesystem"),
        ("shop", "fast", "disk", "block"),
    ):
        world.add_volume(name, pool=pool, project=project, content_type=content_type, config={"user.a": "b"})
        file = "file" if content_type == "filesystem" else ""
        world.contents[project, pool, name] = Content({file: name.encode()})


def _add_images(world: World) -> str:
    alias = {"name": "golden", "description": "as made"}
    for project in ("default", "shop"):
        fingerprint = images.add(world, unified_of("os"), project=project, aliases=[dict(alias)])
    images.add(world, metadata_of("split"), squashfs_of("split"), cached=True)
    return fingerprint


def _add_instances(world: World, image: str) -> None:
    def on(pool: str, **more: Any) -> dict[str, Any]:
        return {"root": {"type": "disk", "path": "/", "pool": pool}, **more}

    data = {"type": "disk", "pool": "fast", "source": "data", "path": "/data"}
    config = {**SECRET_CONFIG, "volatile.base_image": image, "user.tier": "gold"}
    world.add_instance(
        "web", status="Running", profiles=["default", "web"], devices={"data": data}, config=config
    )
    world.add_instance("db", devices=on("big"), config={"limits.cpu": "1"})
    world.add_instance("till", project="shop", status="Frozen", devices=on("fast"))
    world.add_instance("tool", project="bare", status="Running", type="virtual-machine")


def backed_up_estate() -> Estate:
    """Everything there is, backed up, and three days later."""
    return twin(_backed_up_estate())


@cache
def _backed_up_estate() -> Estate:
    estate = full_estate()
    assert estate.apply(estate.plan(BACK_UP)) == 0
    assert isinstance(estate.clock, Clock)
    estate.clock.now += timedelta(days=3)
    return estate


def changed_estate() -> Estate:
    """A backed up estate in which things have gone, changed and come since."""
    estate = backed_up_estate()
    world = estate.server.world
    world.instances["default", "web"].config.update({"environment.TOKEN": "changed", "user.tier": "silver"})
    world.instances["default", "web"].files["rootfs/new"] = b"new"
    del world.instances["default", "db"]
    world.add_instance("new")
    world.contents["default", "fast", "data"].files["file"] = b"changed"
    del world.volumes["default", "big", "spare"]
    [shop_image] = [key for key in world.images if key[0] == "shop"]
    del world.images[shop_image]
    world.networks["default", "br1"]["config"]["ipv4.nat"] = "false"
    world.profiles["default", "web"]["config"] = {"limits.cpu": "4"}
    del world.profiles["shop", "cart"]
    return estate
