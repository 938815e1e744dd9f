"""What a scene backs up, an instance or a volume: how it looks, how it is changed, lost and brought back."""

from collections.abc import Mapping
from typing import Any, Protocol

from attrs import frozen

from tests.live.custom_volume import Volume
from tests.live.portrait import document_of, files_of, rootfs
from tests.live.support.project import Project
from tests.live.tool import Tool

MOVES = ("/run/*", "/etc/hostname")
"""Files that a start writes anew."""

DIFFERS: Mapping[str, str] = {
    "last_used_at": "it was started again",
    "created_at": "of a volume: a volume that is put in place is a new one",
    "used_by*": "who uses it is listed in no order",
    "*config.volatile.*.host_name": "the host's end of the cable is a new one at each start",
    "*config.volatile.*.last_state.*": "what the host saw of the device at its last start",
    "*config.volatile.last_state.ready": "said by an agent inside, after each start",
    "*config.volatile.last_state.power": "what the host last saw; of a stopped one there is nothing to see",
    "snapshots.*.size": "what a snapshot shares with others is up to the storage driver",
}
"""Paths in the API's documents that can't come back, each with the reason."""

OF_A_COPY: Mapping[str, str] = {
    "name": "it was given another",
    "snapshots.*.name": "a volume's snapshots are named after it",
    "*config.volatile.uuid*": "a copy is somebody else",
    "*config.volatile.cloud-init.instance-id": "as above",
    "*config.volatile.*.hwaddr": "two with one MAC address keep each other from starting",
    "*devices.*.hwaddr": "as above",
    "*devices.*.ipv4.address": "as above, with IP addresses",
    "*devices.*.ipv6.address": "as above",
}
"""What differs besides in a restore under another name, beside the original."""


class Subject(Protocol):
    """One thing that is backed up and comes back."""

    @property
    def words(self) -> tuple[str, str]:
        """What the command line calls its kind and itself."""
        ...

    @property
    def archives(self) -> str:
        """Where its archives are in a repository, as a glob with ``{project}``."""
        ...

    def look(self, project: Project, name: str = "") -> dict[str, Any]:
        """Its documents, or those of a copy of it."""
        ...

    def files(self, project: Project, name: str = "") -> dict[str, Any]:
        """Its files and those of its snapshots by the snapshot's name, "" for itself."""
        ...

    def change(self, project: Project) -> None:
        """Make it another than was backed up, in its files and in its definition."""
        ...

    def remove(self, project: Project, name: str = "") -> None:
        """Lose it, or a copy of it."""
        ...

    def take_in(self, project: Project, archive: str) -> None:
        """Import an archive with the official client."""
        ...

    def use(self, project: Project) -> None:
        """See that it is of use: it starts and obeys, if it can."""
        ...


@frozen
class Instance:
    """A container; ``starts`` tells whether a test machine can start it."""

    name: str = "web"
    starts: bool = True

    @property
    def words(self) -> tuple[str, str]:
        return "instance", self.name

    @property
    def archives(self) -> str:
        return f"instances/{{project}}/{self.name}/*/export.*"

    def look(self, project: Project, name: str = "") -> dict[str, Any]:
        return document_of(project, name or self.name)

    def files(self, project: Project, name: str = "") -> dict[str, Any]:
        name = name or self.name
        snapshots = sorted(document_of(project, name)["snapshots"])
        looked_at = {"", *snapshots[:2], *snapshots[-1:]}  # of very many these will do
        return {each: files_of(project, name, each, without=MOVES) for each in sorted(looked_at)}

    def change(self, project: Project) -> None:
        folder = rootfs(project, self.name)
        (folder / "root/since").write_bytes(b"made since the backup")
        (folder / "etc/passwd").write_bytes(b"lost since the backup")
        project.api("PATCH", f"/1.0/instances/{self.name}", {"description": "changed since the backup"})

    def remove(self, project: Project, name: str = "") -> None:
        """Whatever it is protected by."""
        url = f"/1.0/instances/{name or self.name}"
        document = project.api("GET", url)
        if document["status"] != "Stopped":
            project.stop(name or self.name, force=True)
        if document["ephemeral"] and document["status"] != "Stopped":
            return
        if document["config"].get("security.protection.delete"):
            project.api("PATCH", url, {"config": {"security.protection.delete": ""}})
        project.api("DELETE", url)

    def take_in(self, project: Project, archive: str) -> None:
        project.incus("import", archive)

    def use(self, project: Project) -> None:
        if not self.starts:
            return
        url = f"/1.0/instances/{self.name}"
        if project.api("GET", url)["status"] != "Running":
            project.api("PUT", f"{url}/state", {"action": "start", "timeout": 30})
        project.exec(self.name, ["test", "-e", "/etc/passwd"])


WEB = Instance()


@frozen
class WithDependents(Instance):
    """A container with volumes that depend on it (7.0): they are backed up, removed and restored with it."""

    def look(self, project: Project, name: str = "") -> dict[str, Any]:
        document = document_of(project, name or self.name)
        volumes = {device: volume.document() for device, volume in _dependents(project, document).items()}
        return {**document, "volumes": volumes}

    def files(self, project: Project, name: str = "") -> dict[str, Any]:
        document = document_of(project, name or self.name)
        inside = {
            f"{device}/{snapshot}": volume.files(snapshot)
            for device, volume in _dependents(project, document).items()
            for snapshot in ("", *document["snapshots"])
        }
        return {**Instance.files(self, project, name), **inside}

    def change(self, project: Project) -> None:
        Instance.change(self, project)
        for volume in _dependents(project, document_of(project, self.name)).values():
            (volume.folder() / "since").write_bytes(b"made since the backup")


def _dependents(project: Project, document: Mapping[str, Any]) -> dict[str, Volume]:
    return {
        name: Volume(project, device["source"], device["pool"])
        for name, device in document["devices"].items()
        if device.get("dependent") == "true"
    }


@frozen
class CustomVolume:
    """A custom volume; ``block`` and ``iso`` tell what is in it, files if neither."""

    name: str = "data"
    pool: str = "default"
    content: str = "filesystem"

    @property
    def words(self) -> tuple[str, str]:
        return "volume", f"{self.pool}/{self.name}"

    @property
    def archives(self) -> str:
        return f"**/volumes/{{project}}/{self.pool}/*/*/volume.*"  # an odd name's in a part of its own

    def _of(self, project: Project, name: str = "") -> Volume:
        return Volume(project, name or self.name, self.pool)

    def look(self, project: Project, name: str = "") -> dict[str, Any]:
        return self._of(project, name).document()

    def files(self, project: Project, name: str = "") -> dict[str, Any]:
        volume = self._of(project, name)
        if self.content == "iso":
            return {}
        names = ("", *volume.document()["snapshots"])
        if self.content == "block":
            return {each: (volume.folder(each) / "root.img").read_bytes() for each in names}
        return {each: volume.files(each) for each in names}

    def change(self, project: Project) -> None:
        volume = self._of(project)
        if self.content == "filesystem":
            (volume.folder() / "since").write_bytes(b"made since the backup")
        config = project.api("GET", volume.url)["config"]
        project.api("PUT", volume.url, {"description": "changed since the backup", "config": config})

    def remove(self, project: Project, name: str = "") -> None:
        self._of(project, name).remove()

    def take_in(self, project: Project, archive: str) -> None:
        argv = ["storage", "volume", "import", self.pool, archive]
        if self.content == "iso":
            argv += [self.name, "--type", "iso"]
        project.incus(*argv)

    def use(self, project: Project) -> None:
        """What is in it was compared."""


def newest_archive(tool: Tool, project: Project, subject: Subject) -> str:
    """The archive of the newest backup."""
    found = tool.repository.glob(subject.archives.format(project=project.name))
    return str(max(found, key=lambda path: path.parent.name))
