"""Where the suites of the Incus API do their work, and the words they do it in."""

import io
import tarfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from incusbak.model.documents import Json
from incusbak.ports import IncusApi, path_of

BACKUP: Json = {"compression_algorithm": "none", "instance_only": False, "optimized_storage": False}


@frozen
class Site:
    """Where a test may do what it likes: an empty project with a default profile of its own.

    ``network`` is a bridge that instances of the project can use.
    """

    api: IncusApi
    project: str
    network: str

    def make(self, name: str = "c1", **parts: Any) -> Json:
        """Create a stopped container."""
        body = {"name": name, "source": {"type": "image", "alias": "mini"}, **parts}
        return self.api.create("instances", body, project=self.project)

    def read(self, name: str = "c1") -> Json:
        return self.api.get(path_of("instances", name), project=self.project).body

    def names(self) -> set[str]:
        return {str(each["name"]) for each in self.api.list("instances", project=self.project)}

    def put(self, name: str, **changes: Any) -> None:
        """PUT an instance as it is but for some parts."""
        self.api.replace(path_of("instances", name), {**self.read(name), **changes}, project=self.project)

    def act(self, name: str, action: str, **how: Any) -> None:
        """Start, stop, freeze or unfreeze an instance."""
        body = {"action": action, **how}
        self.api.replace(path_of("instances", name, "state"), body, project=self.project)

    def stop(self, name: str = "c1") -> None:
        self.act(name, "stop", force=True)

    def rename(self, name: str, new: str) -> None:
        self.api.create(path_of("instances", name), {"name": new}, project=self.project)

    def copy(self, source: str, name: str, *, refresh: bool = False, **parts: Any) -> None:
        """Copy an instance with its snapshots."""
        how = {"type": "copy", "source": source, "project": self.project, "refresh": refresh}
        self.api.create("instances", {"name": name, "source": how, **parts}, project=self.project)

    def stage(self, name: str = "c1", backup: str = "b1", **how: Any) -> str:
        """Have the server stage an export; return the path of the archive."""
        body = {**BACKUP, "name": backup, **how}
        self.api.create(path_of("instances", name, "backups"), body, project=self.project)
        return path_of("instances", name, "backups", backup, "export")

    def archive(self, name: str = "c1", **how: Any) -> bytes:
        with self.api.download(self.stage(name, **how), project=self.project) as chunks:
            return b"".join(chunks)

    def upload(self, archive: bytes, name: str, pool: str = "default") -> Json:
        headers = {"X-Incus-name": name, "X-Incus-pool": pool}
        return self.api.upload("instances", pieces(archive), headers=headers, project=self.project)

    def nic(self, **parts: str) -> Mapping[str, Json]:
        return {"eth0": {"type": "nic", "name": "eth0", "network": self.network} | parts}


def pieces(archive: bytes, size: int = 1 << 16) -> Iterator[bytes]:
    return (archive[start : start + size] for start in range(0, len(archive), size))


def layout(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getmembers()


def members(archive: bytes) -> set[str]:
    return {member.name for member in layout(archive)}


def eventually(holds: Any, seconds: float = 10) -> bool:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
