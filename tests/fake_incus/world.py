"""What the server keeps, and how a test puts it there."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define, field

from incusbak.errors import Conflict, NotFound, ServerError
from incusbak.model.documents import Json

NEVER = "0001-01-01T00:00:00Z"
RUNNING = ("Running", "Frozen")
Document = dict[str, Any]
Files = dict[str, bytes]

_FEATURES = ("images", "profiles", "networks", "networks.zones", "storage.volumes", "storage.buckets")
_OFF_BY_DEFAULT = ("networks", "networks.zones")
_STATUS_CODES = {"Running": 103, "Frozen": 110, "Stopped": 102}


@define
class Snapshot:
    """``is_stuck``: mounted, and not found again among the mounts."""

    document: Document
    files: Files
    is_stuck: bool = False


@define
class Instance:
    """``files`` maps paths below the instance's folder, ``rootfs/etc/hostname``, to contents."""

    document: Document
    files: Files
    pool: str
    snapshots: dict[str, Snapshot] = field(factory=dict)
    backups: dict[str, tuple[Document, bytes]] = field(factory=dict)
    broken: bool = False
    """An import of its name onto another pool made its volume unreachable."""
    commands: list[tuple[str, ...]] = field(factory=list)
    said: Files = field(factory=dict)
    """What its commands said, by the name of the recording."""

    @property
    def config(self) -> dict[str, str]:
        config: dict[str, str] = self.document["config"]
        return config

    @property
    def name(self) -> str:
        return str(self.document["name"])

    @property
    def status(self) -> str:
        return str(self.document["status"])

    @status.setter
    def status(self, status: str) -> None:
        self.document |= {"status": status, "status_code": _STATUS_CODES[status]}


@define
class Image:
    """``files`` maps names of parts to contents: one without a name, or ``metadata`` and ``rootfs``."""

    document: Document
    files: Files

    @property
    def aliases(self) -> frozenset[str]:
        return frozenset(str(alias["name"]) for alias in self.document["aliases"])


@define
class Content:
    """What is in a volume: ``files`` maps paths to contents; "" is the whole of a disk or an ISO image."""

    files: Files = field(factory=dict)
    snapshots: dict[str, Snapshot] = field(factory=dict)
    backups: dict[str, tuple[Document, bytes]] = field(factory=dict)


@define
class World:
    """Projects and all that is in them; keys are (project, name) or (project, pool, name)."""

    projects: dict[str, Document] = field(factory=dict)
    pools: dict[str, Document] = field(factory=dict)
    space: dict[str, Document] = field(factory=dict)
    """Of pools that can tell: ``total`` and ``used``, which is left out where it is 0."""
    profiles: dict[tuple[str, str], Document] = field(factory=dict)
    networks: dict[tuple[str, str], Document] = field(factory=dict)
    volumes: dict[tuple[str, str, str], Document] = field(factory=dict)
    contents: dict[tuple[str, str, str], Content] = field(factory=dict)
    instances: dict[tuple[str, str], Instance] = field(factory=dict)
    images: dict[tuple[str, str], Image] = field(factory=dict)
    entities: dict[tuple[str, str, str, str], Document] = field(factory=dict)
    config: dict[str, str] = field(factory=dict)
    """The server's own."""
    """The rest of the configuration: (collection, project, network or zone, name)."""
    writes_json: bool = False
    """Whether definitions in archives are JSON, which is YAML as well but read a hundred times as quickly."""
    takes_guarded: bool = True
    """Whether imports into projects that guard volatile keys lose these; else they are refused, as by 6.0."""
    _ticks: int = 0

    def __attrs_post_init__(self) -> None:
        self.add_pool("default")
        everything = {f"features.{feature}": "true" for feature in _FEATURES}
        self.add_project("default", everything, "Default Incus project")
        self.profiles["default", "default"]["devices"]["root"] = root_disk("default")

    # -- things that are never the same twice -------------------------------------------------------

    def now(self) -> str:
        """Tell a later moment at each call, the same ones in each run."""
        self._ticks += 1
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._ticks)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")

    def unique(self) -> str:
        digest = hashlib.md5(self.now().encode(), usedforsecurity=False).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"

    def new_mac(self) -> str:
        digits = self.unique()
        return f"10:66:6a:{digits[:2]}:{digits[2:4]}:{digits[4:6]}"

    # -- putting things there -----------------------------------------------------------------------

    def add_pool(self, name: str, driver: str = "dir") -> None:
        self.pools[name] = {
            "name": name,
            "driver": driver,
            "config": {"source": f"/var/lib/incus/storage-pools/{name}"},
            "description": "",
            "status": "Created",
            "locations": ["none"],
        }

    def add_project(self, name: str, config: Mapping[str, str] | None = None, description: str = "") -> None:
        if name in self.projects:
            raise Conflict(f"POST projects: UNIQUE constraint failed: {name}")
        defaults = {f"features.{f}": "true" for f in _FEATURES if f not in _OFF_BY_DEFAULT}
        features = {**defaults, **(config or {})}
        self.projects[name] = {"name": name, "description": description, "config": features}
        if features["features.profiles"] == "true":
            of = "" if name == "default" else f" for project {name}"
            self.add_profile("default", project=name, description=f"Default Incus profile{of}")

    def add_profile(self, name: str, *, project: str = "default", **parts: Any) -> None:
        empty = {"name": name, "project": project, "description": "", "config": {}, "devices": {}}
        self.profiles[project, name] = empty | parts

    def add_network(self, name: str, *, project: str = "default", **parts: Any) -> None:
        bridge = {"name": name, "project": project, "type": "bridge", "managed": True, "config": {}}
        self.networks[project, name] = bridge | {"description": "", "status": "Created"} | parts

    def add_volume(self, name: str, *, pool: str = "default", project: str = "default", **parts: Any) -> None:
        volume = {"name": name, "pool": pool, "project": project, "type": "custom", "config": {}}
        content = {"content_type": "filesystem", "description": "", "created_at": self.now()}
        self.volumes[project, pool, name] = volume | content | parts

    def add_instance(
        self, name: str, *, project: str = "default", files: Mapping[str, bytes] | None = None, **parts: Any
    ) -> Instance:
        """Put a stopped container there, as one made from an image would be."""
        document = self._blank(name, project)
        config = document["config"] | parts.get("config", {})
        document |= parts | {"config": config}
        instance = Instance(document, dict(files or {"rootfs/etc/hostname": name.encode()}), pool="")
        instance.status = parts.get("status", "Stopped")
        self.instances[project, name] = instance
        instance.pool = pool_of(self.expanded(instance.document)["expanded_devices"])
        self.give_addresses(instance)
        return instance

    def _blank(self, name: str, project: str) -> Document:
        identity = self.unique()
        config = {
            "image.os": "busybox",
            "volatile.base_image": "f" * 64,
            "volatile.cloud-init.instance-id": self.unique(),
            "volatile.idmap.base": "0",
            "volatile.idmap.next": "[]",
            "volatile.last_state.idmap": "[]",
            "volatile.uuid": identity,
            "volatile.uuid.generation": identity,
        }
        return {
            "name": name,
            "project": project,
            "type": "container",
            "architecture": "x86_64",
            "description": "",
            "config": config,
            "devices": {},
            "profiles": ["default"],
            "ephemeral": False,
            "stateful": False,
            "created_at": self.now(),
            "last_used_at": "1970-01-01T00:00:00Z",
            "location": "none",
        }

    def give_addresses(self, instance: Instance) -> None:
        """Invent the MAC addresses that are not there yet."""
        for name, device in self.expanded(instance.document)["expanded_devices"].items():
            if device["type"] == "nic" and "hwaddr" not in device:
                instance.config.setdefault(f"volatile.{name}.hwaddr", self.new_mac())

    def content(self, key: tuple[str, str, str]) -> Content:
        return self.contents.setdefault(key, Content())

    # -- looking things up --------------------------------------------------------------------------

    def owner(self, project: str, feature: str) -> str:
        """The project in which a project keeps things of this sort."""
        if project not in self.projects:
            raise NotFound("Project not found")
        return project if self.projects[project]["config"].get(f"features.{feature}") == "true" else "default"

    def instance(self, name: str, project: str = "default") -> Instance:
        if project not in self.projects:
            raise NotFound("Project not found")
        if (project, name) not in self.instances:
            raise NotFound(f'Failed to fetch instance "{name}" in project "{project}": Instance not found')
        return self.instances[project, name]

    def profile(self, name: str, project: str) -> Document:
        try:
            return self.profiles[self.owner(project, "profiles"), name]
        except KeyError:
            raise NotFound("Profile not found") from None

    def expanded(self, document: Json) -> Document:
        """A document with what its profiles give."""
        layers = [self.profile(name, document["project"]) for name in document.get("profiles") or ()]
        config, devices = dict[str, str](), dict[str, Document]()
        for layer in (*layers, document):
            config |= layer["config"]
            devices |= layer["devices"]
        return {**document, "expanded_config": config, "expanded_devices": devices}

    def is_taken(self, mac: str, document: Json, device: str, *, by_others_than: Instance) -> bool:
        """Whether another instance, running or not, has a MAC address on the network of this one's device."""
        wanted = (self._network_of(document, device), mac)
        others = (each for each in self.instances.values() if each is not by_others_than)
        return any(wanted in self._macs_of(self.expanded(other.document)) for other in others)

    def macs(self) -> Iterator[tuple[tuple[str, str], str]]:
        """The MAC addresses of all instances, running or not, each with its network."""
        for instance in self.instances.values():
            yield from self._macs_of(self.expanded(instance.document))

    def _macs_of(self, expanded: Json) -> Iterator[tuple[tuple[str, str], str]]:
        for name in expanded["expanded_devices"]:
            if mac := mac_of(expanded, name):
                yield self._network_of(expanded, name), mac

    def _network_of(self, expanded: Json, device: str) -> tuple[str, str]:
        nic = expanded["expanded_devices"][device]
        return self.owner(expanded["project"], "networks"), str(nic.get("network") or nic.get("parent"))

    def remove_project(self, name: str) -> None:
        owners = [key[0] for key in (*self.instances, *self.volumes, *self.images)]
        if name not in self.projects:
            raise NotFound("Project not found")
        if name == "default" or name in owners:
            raise ServerError(f"DELETE projects/{name}: Only empty projects can be removed")
        del self.projects[name]
        self.profiles.pop((name, "default"), None)


def root_disk(pool: str) -> Document:
    return {"type": "disk", "path": "/", "pool": pool}


def pool_of(devices: Json) -> str:
    """The pool of the root disk; empty if there is no root disk."""
    roots = [d for d in devices.values() if d.get("type") == "disk" and d.get("path") == "/"]
    return str(roots[0].get("pool", "")) if roots else ""


def mebibytes(text: str) -> int:
    """Read a limit: a number, or one of MiB in bytes."""
    return int(text.removesuffix("MiB")) * (1 << 20 if text.endswith("MiB") else 1)


def mac_of(expanded: Json, name: str) -> str:
    """The MAC address of a device; empty if it has none."""
    device = expanded["expanded_devices"][name]
    if device["type"] != "nic":
        return ""
    return str(device.get("hwaddr") or expanded["config"].get(f"volatile.{name}.hwaddr") or "")


def etag_of(document: Json) -> str:
    """A hash of what a PUT can change, without the description, which Incus leaves out as well."""
    if "fingerprint" in document:
        keys: tuple[str, ...] = ("auto_update", "properties", "public")
    else:
        keys = ("architecture", "config", "devices", "ephemeral", "profiles", "expires_at")
    text = json.dumps({key: document.get(key) for key in keys}, sort_keys=True)
    return f'"{hashlib.sha256(text.encode()).hexdigest()}"'
