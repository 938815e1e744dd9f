"""What a restricted project forbids in the definition of an instance. Pure.

The server checks all of it when something comes in or is changed; known beforehand, it is said beforehand.
"""

from collections.abc import Iterator, Mapping
from posixpath import normpath

from ...model.documents import Json
from ..common.values import is_true

_INTERCEPTED = tuple(
    f"security.syscalls.intercept.{name}"
    for name in ("bpf", "bpf.devices", "mknod", "mount", "mount.fuse", "setxattr", "sysinfo")
)
_LOW_LEVEL = {
    "container": [
        "boot.host_shutdown_action",
        "boot.host_shutdown_timeout",
        "limits.memory.swap",
        "linux.kernel_modules",
        "raw.apparmor",
        "raw.lxc",
        "raw.seccomp",
        "security.guestapi.images",
        "security.idmap.base",
        "security.idmap.size",
    ],
    "virtual-machine": [
        "boot.host_shutdown_action",
        "boot.host_shutdown_timeout",
        "limits.memory.hugepages",
        "raw.apparmor",
        "raw.qemu",
        "raw.qemu.conf",
        "raw.qemu.qmp.early",
        "raw.qemu.qmp.post-start",
        "raw.qemu.qmp.pre-start",
        "raw.qemu.scriptlet",
    ],
}
_BLOCKED_DEVICES = ("unix-char", "unix-block", "unix-hotplug", "infiniband", "gpu", "usb", "pci", "proxy")
_SERVERS_OWN = ("agent:config", "cloud-init:config")


def violations(whole: Json, config: Mapping[str, str], instance_type: str) -> Iterator[str]:
    """Say what a project with this configuration forbids of a definition, profiles applied.

    ``raw.idmap`` is left to the server: whether it is allowed depends on ranges.
    """
    for name, device in sorted(whole["devices"].items()):
        if pool := _closed_pool(device, config):
            yield f"device {name} is on pool {pool}, which is closed to the project"
    if not is_true(config.get("restricted")):
        return
    settings = {key: str(value) for key, value in whole["config"].items()}
    if config.get(f"restricted.{instance_type}s.lowlevel") != "allow":
        for key in sorted(settings):
            if key in _LOW_LEVEL[instance_type] or _is_other_interception(key, instance_type):
                yield f"{key} needs restricted.{instance_type}s.lowlevel=allow"
    if instance_type == "container":
        yield from _of_containers(settings, config)
    for name, device in sorted(whole["devices"].items()):
        if words := _of_device(device, config):
            yield f"device {name} {words}"


def _is_other_interception(key: str, instance_type: str) -> bool:
    is_interception = key.startswith("security.syscalls.intercept") and key not in _INTERCEPTED
    return instance_type == "container" and is_interception


def _of_containers(settings: Mapping[str, str], config: Mapping[str, str]) -> Iterator[str]:
    if is_true(settings.get("security.nesting")) and config.get("restricted.containers.nesting") != "allow":
        yield "security.nesting needs restricted.containers.nesting=allow"
    privilege = config.get("restricted.containers.privilege", "unprivileged")
    if is_true(settings.get("security.privileged")) and privilege != "allow":
        yield "security.privileged needs restricted.containers.privilege=allow"
    isolated = settings.get("security.idmap.isolated")
    if privilege == "isolated" and isolated is not None and not is_true(isolated):
        yield "restricted.containers.privilege=isolated needs security.idmap.isolated=true"
    if config.get("restricted.containers.interception") != "allow":
        for key in sorted(settings):
            if key in _INTERCEPTED and settings[key].lower() not in ("", "false", "0", "no", "off"):
                yield f"{key} needs restricted.containers.interception=allow"


def _of_device(device: Json, config: Mapping[str, str]) -> str:
    kind = str(device.get("type"))
    if kind in _BLOCKED_DEVICES and config.get(f"restricted.devices.{kind}") != "allow":
        return f"needs restricted.devices.{kind}=allow"
    if kind == "nic":
        return _of_nic(device, config)
    return _of_disk(device, config) if kind == "disk" else ""


def _of_nic(device: Json, config: Mapping[str, str]) -> str:
    allowed = config.get("restricted.devices.nic", "managed")
    if allowed == "block" or (allowed == "managed" and not device.get("network")):
        return "needs restricted.devices.nic=" + ("managed" if device.get("network") else "allow")
    access = _listed(config.get("restricted.networks.access", ""))
    network = device.get("network") or device.get("parent")
    if access and network and network not in access:
        return f"is on network {network}, which restricted.networks.access does not name"
    return ""


def _of_disk(device: Json, config: Mapping[str, str]) -> str:
    if device.get("path") == "/" or device.get("source") in _SERVERS_OWN:
        return ""
    allowed = config.get("restricted.devices.disk", "managed")
    if allowed == "block":
        return "needs restricted.devices.disk=managed"
    if device.get("pool"):
        return ""
    if allowed != "allow":
        return "needs restricted.devices.disk=allow"
    paths = _listed(config.get("restricted.devices.disk.paths", ""))
    source = normpath(str(device.get("source", ""))) + "/"
    if paths and not any(source.startswith(normpath(path) + "/") for path in paths):
        return f"has source {device.get('source')}, which restricted.devices.disk.paths does not name"
    return ""


def _closed_pool(device: Json, config: Mapping[str, str]) -> str:
    pool = str(device.get("pool") or "") if device.get("type") == "disk" else ""
    access = _listed(config.get("restricted.storage-pools.access", ""))
    is_listed = not is_true(config.get("restricted")) or not access or pool in access
    return pool if pool and (config.get(f"limits.disk.pool.{pool}") == "0" or not is_listed) else ""


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
