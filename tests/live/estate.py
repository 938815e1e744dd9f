"""A server with something of everything that can be backed up, and what all of it looks like to the API."""

from pathlib import Path
from typing import Any

from tests.live.portrait import document_of, files_below, files_of, furnish, rootfs, shift_of
from tests.live.support import servers
from tests.live.support.daemon import Daemon
from tests.live.support.project import Project

EXPIRES = "2091-01-02T03:04:05Z"
_SHARED = ("images", "networks", "networks.zones", "profiles", "storage.buckets", "storage.volumes")
INSTANCES = (("default", "web"), ("shop", "db"), ("shop", "app"), ("lab", "job"))
VOLUMES = (("default", "default", "data"), ("shop", "bt", "db"), ("default", "fast", "spare"))


class Named(Project):
    """A project that is there already, with the helpers that tests use for one of their own."""

    def __init__(self, server: Daemon, name: str) -> None:
        self.server = server
        self.name = name


def build(server: Daemon) -> None:
    """Three projects, three pools of two drivers, a bridge with an ACL, volumes, images, instances."""
    _configure(server)
    _add_volumes(server)
    default, shop, lab = (Named(server, name) for name in ("default", "shop", "lab"))
    nic = {"type": "nic", "network": "br0", "ipv4.address": "10.77.9.20", "name": "eth0"}
    data = {"type": "disk", "pool": "default", "source": "data", "path": "/data"}
    default.launch("web", devices={"eth0": nic, "data": data}, profiles=["default", "web"])
    furnish(rootfs(default, "web") / "srv")
    server.import_image(servers.image_file(), "small", project="shop")
    database = {"type": "disk", "pool": "bt", "source": "db", "path": "/var/lib/db"}
    shop.launch("db", "small", pool="bt", devices={"db": database}, start=False)
    _publish(shop, "db", "golden/1")
    shop.launch("app", "golden/1", start=False)
    default.api("POST", "/1.0/instances/web/snapshots", {"name": "before", "expires_at": EXPIRES})
    shop.api("PUT", "/1.0/instances/db/state", {"action": "start", "timeout": 30})
    shop.exec("db", ["sh", "-c", "echo rows > /var/lib/db/table; mkdir /var/lib/db/more"])
    default.exec("web", ["sh", "-c", "echo page > /data/index.html; ln -s index.html /data/link"])
    snapshot = {"name": "monday", "expires_at": EXPIRES}
    default.api("POST", "/1.0/storage-pools/default/volumes/custom/data/snapshots", snapshot)
    default.exec("web", ["sh", "-c", "echo changed > /data/index.html"])
    lab.launch("job", profiles=["default", "web"], config={"user.note": "never started"}, start=False)


def _configure(server: Daemon) -> None:
    server.api("POST", "/1.0/storage-pools", {"name": "fast", "driver": "dir", "description": "quick"})
    rule = {"action": "allow", "state": "enabled", "protocol": "tcp", "destination_port": "80"}
    server.api("POST", "/1.0/network-acls", {"name": "web-only", "description": "HTTP", "ingress": [rule]})
    network = {
        "ipv4.address": "10.77.9.1/24",
        "ipv4.nat": "false",
        "ipv6.address": "none",
        "security.acls": "web-only",
        "user.owner": "ops",
    }
    server.api("POST", "/1.0/networks", {"name": "br0", "type": "bridge", "config": network})
    ports = [{"protocol": "tcp", "listen_port": "80", "target_port": "80", "target_address": "10.77.9.20"}]
    forward = {"listen_address": "198.51.100.7", "description": "the web", "ports": ports}
    server.api("POST", "/1.0/networks/br0/forwards", forward)
    server.api("POST", "/1.0/network-zones", {"name": "example.net", "config": {"user.owner": "ops"}})
    record = {"name": "www", "entries": [{"type": "TXT", "value": "hello", "ttl": 60}]}
    server.api("POST", "/1.0/network-zones/example.net/records", record)
    own = {"features.images": "true", "features.profiles": "true", "features.storage.volumes": "true"}
    server.api("POST", "/1.0/projects", {"name": "shop", "description": "till", "config": own})
    shared = {f"features.{feature}": "false" for feature in _SHARED}
    server.api("POST", "/1.0/projects", {"name": "lab", "config": shared})
    server.set_root_disk("fast", project="shop")
    null = {"type": "unix-char", "source": "/dev/null", "path": "/dev/null2"}
    profile = {"name": "web", "config": {"limits.memory": "200MiB"}, "devices": {"null2": null}}
    server.api("POST", "/1.0/profiles", profile)


def _add_volumes(server: Daemon) -> None:
    config = {"user.note": "pages"}
    volume = {"name": "data", "config": config, "description": "web pages"}
    server.api("POST", "/1.0/storage-pools/default/volumes/custom", volume)
    server.api("POST", "/1.0/storage-pools/bt/volumes/custom?project=shop", {"name": "db"})
    server.api("POST", "/1.0/storage-pools/fast/volumes/custom", {"name": "spare"})
    block = {"name": "disk", "content_type": "block", "config": {"size": "8MiB"}}
    server.api("POST", "/1.0/storage-pools/default/volumes/custom", block)
    _block_device(server).write_bytes(bytes(range(256)) * (8 << 12))


def _block_device(server: Daemon) -> Path:
    return _custom(server, ("default", "default", "disk")) / "root.img"


def _publish(project: Project, name: str, alias: str) -> None:
    """Make an image of a stopped instance that is named and described."""
    body = {
        "source": {"type": "instance", "name": name},
        "properties": {"os": "busybox", "note": "made here"},
        "public": True,
        "aliases": [{"name": alias, "description": "as published"}],
        "expires_at": EXPIRES,
    }
    project.api("POST", "/1.0/images", body)


# -- what it looks like -------------------------------------------------------------------------------


def portrait(server: Daemon) -> dict[str, Any]:
    """Every entity of a server with an estate by its address, as the API shows it."""
    found = _entities(server)
    for path in ("networks/br0/forwards", "network-zones", "network-zones/example.net/records"):
        for document in server.api("GET", f"/1.0/{path}?recursion=1"):
            found[f"{path}/{document.get('name', document.get('listen_address'))}"] = document
    for project, name in INSTANCES:
        found[f"instances/{project}/{name}"] = document_of(Named(server, project), name)
    return {address: _with_users_sorted(document) for address, document in found.items()}


def addresses(server: Daemon) -> set[str]:
    """The addresses of the projects, pools, networks, profiles, images, volumes and instances there are."""
    instances = server.api("GET", "/1.0/instances?recursion=1&all-projects=true")
    return {*_entities(server), *(f"instances/{each['project']}/{each['name']}" for each in instances)}


def _entities(server: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in ("projects", "storage-pools", "networks", "network-acls", "profiles", "images"):
        everywhere = "" if path in ("projects", "storage-pools") else "&all-projects=true"
        for document in server.api("GET", f"/1.0/{path}?recursion=1{everywhere}"):
            if document.get("managed", True):
                name = document.get("name") or document["fingerprint"]
                found[f"{path}/{document.get('project', '')}/{name}"] = document
    for pool in [key.rpartition("/")[2] for key in found if key.startswith("storage-pools/")]:
        url = f"/1.0/storage-pools/{pool}/volumes/custom"
        volumes = server.api("GET", f"{url}?recursion=1&all-projects=true")
        for volume in (each for each in volumes if "/" not in each["name"]):  # 6.0 lists snapshots as well
            address = f"volumes/{volume['project']}/{pool}/{volume['name']}"
            snapshots = server.api(
                "GET", f"{url}/{volume['name']}/snapshots?recursion=1&project={volume['project']}"
            )
            found[address] = volume | {"snapshots": {snapshot["name"]: snapshot for snapshot in snapshots}}
    return found


def _with_users_sorted(document: dict[str, Any]) -> dict[str, Any]:
    """Put users in an order; that an image lies unpacked on a pool is up to the server."""
    users = (user for user in document.get("used_by") or () if not user.startswith("/1.0/images/"))
    return document | {"used_by": sorted(users)}


def contents(server: Daemon, *, without: tuple[str, ...]) -> dict[str, Any]:
    """Every file of every instance and volume, and what lies on the block volume."""
    found: dict[str, Any] = {
        f"{project}/{name}": files_of(Named(server, project), name, without=without)
        for project, name in INSTANCES
    }
    for project, pool, name in VOLUMES:
        url = f"/1.0/storage-pools/{pool}/volumes/custom/{name}?project={project}"
        config = server.api("GET", url)["config"]
        shift = shift_of(config.get("volatile.idmap.last"))
        found[f"{project}/{pool}/{name}"] = files_below(_custom(server, (project, pool, name)), shift)
    found["block"] = _block_device(server).read_bytes()
    return found


def _custom(server: Daemon, volume: tuple[str, str, str]) -> Path:
    project, pool, name = volume
    return server.pod.inside(server.dir / "storage-pools" / pool / "custom" / f"{project}_{name}")
