"""What an instance is while it is rehearsed."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from incusbak.kinds.instance.sandbox import sandboxed, sandboxed_snapshot

ROOT = {"type": "disk", "path": "/", "pool": "fast", "size": "9GiB"}
IDENTITY = UUID(int=7)
MASK = {"type": "none"}


def sandbox(
    *, devices: Mapping[str, Any] | None = None, config: Mapping[str, str] | None = None
) -> dict[str, Any]:
    document = {
        "name": "web",
        "config": {},
        "expanded_config": dict(config or {}),
        "devices": {},
        "expanded_devices": {"root": ROOT, **(devices or {})},
        "profiles": ["default"],
        "ephemeral": True,
        "stateful": False,
    }
    return sandboxed(document, pool="fast", marks={"user.incusbak.owner": "r"}, identity=IDENTITY)


@pytest.mark.parametrize(
    "device",
    [
        {"type": "nic", "network": "br0"},
        {"type": "proxy", "listen": "tcp:0.0.0.0:80", "connect": "tcp:127.0.0.1:80"},
        {"type": "unix-char", "path": "/dev/kvm"},
        {"type": "unix-hotplug"},
        {"type": "gpu"},
        {"type": "usb"},
        {"type": "pci", "address": "01:00.0"},
        {"type": "infiniband"},
        {"type": "disk", "pool": "fast", "source": "data", "path": "/data"},
        {"type": "disk", "source": "/srv", "path": "/srv"},
        {"type": "disk", "source": "tmpfs:", "path": "/srv"},
    ],
)
def test_what_reaches_out_is_masked(device: dict[str, str]) -> None:
    assert sandbox(devices={"other": device})["devices"] == {"root": ROOT, "other": MASK}


@pytest.mark.parametrize("device", [{"type": "tpm"}, {"type": "disk", "source": "agent:config"}])
def test_what_is_of_the_instance_alone_stays(device: dict[str, str]) -> None:
    assert sandbox(devices={"other": device})["devices"] == {"root": ROOT, "other": device}


def test_what_profiles_gave_is_its_own_and_it_neither_starts_nor_stays_by_itself() -> None:
    made = sandbox(
        config={
            "security.nesting": "true",
            "limits.memory": "1GiB",
            "boot.autostart": "true",
            "boot.autostart.priority": "9",
            "snapshots.schedule": "@daily",
            "security.protection.delete": "true",
            "security.protection.start": "true",
        }
    )
    identity = {"volatile.uuid": str(IDENTITY), "volatile.uuid.generation": str(IDENTITY)}
    assert made["config"] == {
        "security.nesting": "true",
        "limits.memory": "1GiB",
        "boot.autostart": "false",
        "snapshots.schedule": "",
        "user.incusbak.owner": "r",
        **identity,
    }
    assert (made["profiles"], made["ephemeral"]) == ([], False)


def test_raw_configuration_reaches_neither_the_host_nor_a_network() -> None:
    lines = ["lxc.mount.entry = /srv srv none bind", "lxc.cap.drop =", " lxc.net.0.type = veth"]
    made = sandbox(config={"raw.lxc": "\n".join(lines), "raw.qemu": "-netdev user"})
    assert made["config"]["raw.lxc"] == "lxc.cap.drop ="
    assert "raw.qemu" not in made["config"]


def test_a_snapshot_refers_to_nothing_and_is_another() -> None:
    nic = {"type": "nic", "network": "br0", "hwaddr": "10:66:6a:00:00:01"}
    snapshot = {
        "name": "s1",
        "config": {"volatile.eth0.hwaddr": "10:66:6a:00:00:02", "volatile.uuid": str(UUID(int=1))},
        "devices": {"eth0": nic},
        "expanded_devices": {"root": ROOT, "eth0": nic},
        "profiles": ["gone"],
    }
    made = sandboxed_snapshot(snapshot, seed="s")
    assert (made["devices"], made["profiles"]) == ({"root": ROOT, "eth0": MASK}, [])
    assert not set(made["config"].values()) & set(snapshot["config"].values())  # type: ignore[attr-defined]
