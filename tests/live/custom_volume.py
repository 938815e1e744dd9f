"""Custom volumes as their users see them: what the API says, what lies in them, who uses them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import frozen

from tests.live.portrait import Entry, files_below
from tests.live.support.project import Project

EXPIRES = "2091-01-02T03:04:05Z"


@frozen
class Volume:
    """A volume of a test's project."""

    project: Project
    name: str = "data"
    pool: str = "default"

    @property
    def url(self) -> str:
        return f"/1.0/storage-pools/{self.pool}/volumes/custom/{quote(self.name)}"

    @property
    def label(self) -> str:
        """What the command line calls it."""
        return f"{self.pool}/{self.name}"

    def make(self, **parts: Any) -> None:
        self.project.api("POST", self.url.rpartition("/")[0], {"name": self.name, **parts})

    def snapshot(self, name: str, **parts: Any) -> None:
        self.project.api("POST", f"{self.url}/snapshots", {"name": name, **parts})

    def remove(self) -> None:
        self.project.api("DELETE", self.url)

    def document(self) -> dict[str, Any]:
        """The API's document with those of the snapshots; who uses it is in no order."""
        document: dict[str, Any] = self.project.api("GET", self.url)
        snapshots = self.project.api("GET", f"{self.url}/snapshots?recursion=1")
        named = {snapshot["name"].split("/")[-1]: snapshot for snapshot in snapshots}
        return {**document, "used_by": sorted(document["used_by"]), "snapshots": named}

    def folder(self, snapshot: str = "") -> Path:
        """Where it lies, without the server's help."""
        base = self.project.server.dir / "storage-pools" / self.pool
        mine = f"{self.project.name}_{self.name}"
        below = f"custom-snapshots/{mine}/{snapshot}" if snapshot else f"custom/{mine}"
        return self.project.server.pod.inside(base / below)

    def files(self, snapshot: str = "") -> dict[str, Entry]:
        """Every file of the volume or of a snapshot, with owners as they are on the disk; "" is itself."""
        folder = self.folder(snapshot)
        status = folder.stat()
        own = Entry("folder", f"{status.st_mode:o}", (status.st_uid, status.st_gid), 0, "", (), "")
        return {"": own, **files_below(folder, 0)}

    def seen_by(self, name: str, file: str) -> str:
        """What a running container reads in a file that is not empty.

        The client loses the output of about one short command in 200.
        """
        tries = (self.project.exec(name, ["cat", f"/data/{file}"]) for _ in range(5))
        return next(filter(None, tries), "")

    @property
    def device(self) -> dict[str, str]:
        """One that puts it at /data."""
        return {"type": "disk", "pool": self.pool, "source": self.name, "path": "/data"}

    def attach(self, names: Sequence[str] = ("direct", "through")) -> None:
        """Have running containers use it: ``direct`` by a device of its own, ``through`` by a profile."""
        if "through" in names:
            profile = {"name": "user", "devices": {"data": self.device}}
            self.project.api("POST", "/1.0/profiles", profile)
            self.project.launch("through", profiles=["default", "user"])
        if "direct" in names:
            more = {"data": self.device, "null2": NULL}
            self.project.launch("direct", devices=more, config={"user.note": "kept"})


NULL = {"type": "unix-char", "source": "/dev/null", "path": "/dev/null2"}
