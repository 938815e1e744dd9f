"""Containers of every sort: privileged, nested, isolated, ephemeral, protected, with all kinds of devices."""

import os
import struct

from tests.live.custom_volume import NULL
from tests.live.portrait import rootfs
from tests.live.support import servers
from tests.live.support.project import Project

from .scene import COPY, Build, Scene
from .subjects import Instance

BRIDGE = "gallery0"
IDS = "which ids of the host a container gets is the server's choice"
_ACL = struct.pack(
    "<I" + "HHI" * 5, 2, 1, 6, 2**32 - 1, 2, 6, 1000, 4, 4, 2**32 - 1, 16, 6, 2**32 - 1, 32, 0, 2**32 - 1
)
"""system.posix_acl_access: owner rw, user 1000 rw, group r, mask rw, others nothing."""


def _with(**config: str) -> Build:
    """Build one that is configured so; two underscores stand for a dot."""

    def build(project: Project) -> None:
        project.launch("web", config={key.replace("__", "."): value for key, value in config.items()})
        project.exec("web", ["sh", "-c", "touch /srv/mine && chown 1000:1001 /srv/mine"])
        project.api("POST", "/1.0/instances/web/snapshots", {"name": "s1"})

    return build


def _raw_idmap(project: Project) -> None:
    """A user of the host inside: a test machine lets no container start so, but be."""
    project.launch("web", config={"raw.idmap": "both 1000 1000"}, start=False)
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "s1"})


def _ephemeral(project: Project) -> None:
    project.incus("launch", "mini", "web", "--ephemeral", "--config", "user.note=kept")


def _never_started(project: Project) -> None:
    """What the image has to be done at its first start is still to be done."""
    project.launch("web", start=False)


def _add_bridge(project: Project) -> None:
    config = {"ipv4.address": "10.77.13.1/24", "ipv4.nat": "false", "ipv6.address": "none"}
    if f"/1.0/networks/{BRIDGE}" not in project.server.api("GET", "/1.0/networks"):
        project.server.api("POST", "/1.0/networks", {"name": BRIDGE, "type": "bridge", "config": config})


def _fixed_by_profile(project: Project) -> None:
    _add_bridge(project)
    nic = {"type": "nic", "network": BRIDGE, "ipv4.address": "10.77.13.20", "hwaddr": "10:66:6a:12:34:56"}
    project.api("POST", "/1.0/profiles", {"name": "fixed", "devices": {"eth0": nic}})
    project.launch("web", profiles=["default", "fixed"])


def _many_devices(project: Project) -> None:
    _add_bridge(project)
    devices = {
        "eth0": {"type": "nic", "network": BRIDGE, "ipv4.address": "10.77.13.21", "name": "eth0"},
        "eth1": {"type": "nic", "nictype": "p2p", "name": "eth1"},
        "host": {"type": "disk", "source": "/usr/share", "path": "/mnt/host", "readonly": "true"},
        "null2": NULL,
    }
    project.launch("web", devices=devices)


def _proxy(project: Project) -> None:
    """It has a port of the host, which no two can have."""
    listens = {"type": "proxy", "listen": "tcp:127.0.0.1:7077", "connect": "tcp:127.0.0.1:80"}
    project.launch("web", devices={"port": listens})


def _image_is_gone(project: Project) -> None:
    project.server.import_image(servers.image_file(), "own", project=project.name)
    project.launch("web", "own")
    (image,) = project.api("GET", "/1.0/images?recursion=1")
    project.api("DELETE", f"/1.0/images/{image['fingerprint']}")


def _access_lists(project: Project) -> None:
    project.launch("web", start=False)
    file = rootfs(project, "web") / "srv/listed"
    file.write_bytes(b"data")
    os.setxattr(file, "system.posix_acl_access", _ACL)
    folder = rootfs(project, "web") / "srv/folder"
    folder.mkdir()
    os.setxattr(folder, "system.posix_acl_default", _ACL)
    os.setxattr(folder, "trusted.note", b"\0\xff")


SCHEDULED = {"boot__autostart": "true", "boot__autostart__priority": "3"}
SCENES = (
    Scene(name="privileged", build=_with(security__privileged="true")),
    Scene(name="nested", build=_with(security__nesting="true")),
    Scene(
        name="isolated",
        build=_with(security__idmap__isolated="true"),
        differs={"*config.volatile.idmap.*": IDS, "*config.volatile.last_state.idmap": IDS},
    ),
    Scene(name="raw-idmap", build=_raw_idmap, subject=Instance(starts=False)),
    Scene(name="protected", build=_with(security__protection__delete="true")),
    Scene(
        name="scheduled",
        build=_with(
            **SCHEDULED,
            snapshots__schedule="@daily",
            snapshots__expiry="4w",
            snapshots__pattern="daily-%d",
        ),
    ),
    Scene(name="ephemeral", build=_ephemeral),
    Scene(name="never-started", build=_never_started),
    Scene(
        name="fixed-by-profile",
        build=_fixed_by_profile,
        copy_differs={"devices.eth0": "it has a card of its own, without the addresses of the profile's"},
    ),
    Scene(name="many-devices", build=_many_devices),
    Scene(name="proxy", build=_proxy, may_refuse={COPY: "the original has the port"}),
    Scene(name="image-is-gone", build=_image_is_gone, config={"features.images": "true"}),
    Scene(name="access-lists", build=_access_lists),
)
