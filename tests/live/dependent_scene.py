"""An instance with disks that depend on it (Incus 7.0), on the pool of its root and on another."""

from typing import Any

from attrs import frozen

from tests.live.custom_volume import EXPIRES, Volume
from tests.live.portrait import document_of, files_of, rootfs
from tests.live.support.project import Project
from tests.live.tool import Tool

MOVES = ("/run/*", "/etc/hostname")
PASSING = {
    "last_used_at": "it was started again",
    "*config.volatile.last_state.*": "what the host last saw",
    "snapshots.*.size": "what a snapshot shares with others is up to the storage driver",
    "status*": "looked at by itself",
}
"""What may differ between an instance and itself brought back."""


@frozen
class Dependent:
    """Instance ``web`` in a project of its own, with the volumes ``dv`` and ``more`` under its disks."""

    project: Project
    tool: Tool
    pool: str

    @property
    def other(self) -> str:
        return {"default": "bt", "bt": "default"}[self.pool]

    @property
    def volumes(self) -> tuple[Volume, Volume]:
        return Volume(self.project, "dv", self.pool), Volume(self.project, "more", self.other)

    def make(self, *, start: bool = False, snapshots: int = 1, size: str = "") -> "Dependent":
        """Launch it with a file everywhere; each snapshot has older ones.

        Args:
            size: of each volume; then its root disk has that of its profile.
        """
        config = {"size": size} if size else {}
        devices = {}
        for volume in self.volumes:
            volume.make(config={"user.note": volume.name, **config}, description=f"of {volume.name}")
            devices[volume.name] = disk(volume)
        self.project.launch("web", pool=None if size else self.pool, devices=devices, start=start)
        for number in range(snapshots):
            self.write(f"old {number}")
            body = {"name": f"s{number}", "expires_at": EXPIRES}
            self.project.api("POST", "/1.0/instances/web/snapshots", body)
        self.write("as backed up")
        return self

    def write(self, text: str, name: str = "web") -> None:
        """Have the same in the root and in every volume."""
        (rootfs(self.project, name) / "root/file").write_text(text)
        for volume in self.volumes:
            (volume.folder() / "file").write_text(text)

    def texts(self, name: str = "web") -> set[str]:
        """What stands in the root and in every volume."""
        files = [rootfs(self.project, name) / "root/file"]
        files += [volume.folder() / "file" for volume in self.disks_of(name)]
        return {file.read_text() for file in files}

    def disks_of(self, name: str) -> list[Volume]:
        devices = self.project.api("GET", f"/1.0/instances/{name}")["expanded_devices"]
        found = [device for device in devices.values() if device.get("dependent") == "true"]
        assert len(found) == 2
        return [Volume(self.project, device["source"], device["pool"]) for device in found]

    def look(self) -> dict[str, Any]:
        """All that its user could notice."""
        return {
            "document": document_of(self.project, "web"),
            "files": files_of(self.project, "web", without=MOVES),
            "volumes": {volume.name: volume.document() for volume in self.volumes},
            "contents": {
                volume.name: {name: volume.files(name) for name in ("", *snapshots_of(volume))}
                for volume in self.volumes
            },
        }

    def back_up(self, *more: str) -> dict[str, Any]:
        """Back it up; return what the manifest says of it."""
        self.tool.do("backup", "instances", "web", "--project", self.project.name, *more)
        return self.tool.manifest(f"instance/{self.project.name}/web")

    def restore(self, *more: str) -> None:
        self.tool.do("restore", "instance", "web", "--project", self.project.name, *more)

    def remove(self) -> None:
        """The server removes the volumes with the instance."""
        self.project.incus("delete", "--force", "web")
        assert self.names() == []

    def unmount_lost(self) -> int:
        """Unmount snapshots that the server has lost among the mounts, as a restart of its host does."""
        pod = self.project.server.pod
        paths = [line.split()[1] for line in pod.run("cat", "/proc/mounts").stdout.splitlines()]
        lost = [path.replace(r"\134", "\\") for path in paths if "-snapshots/" in path and r"\134" in path]
        for path in lost:
            pod.run("umount", path)
        return len(lost)

    def names(self) -> list[str]:
        """All volumes of the project, as POOL/NAME."""
        found = []
        for pool in ("bt", "default"):
            listed = self.project.api("GET", f"/1.0/storage-pools/{pool}/volumes/custom?recursion=1")
            found += [f"{pool}/{each['name']}" for each in listed if each["project"] == self.project.name]
        return sorted(found)


def disk(volume: Volume) -> dict[str, str]:
    return {**volume.device, "path": f"/srv/{volume.name}", "dependent": "true"}


def snapshots_of(volume: Volume) -> list[str]:
    return sorted(volume.document()["snapshots"])
