"""Projects with images of their own on a real server, and images of every sort to put there."""

import gzip
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.image_samples import tar_of
from tests.live.support.daemon import Daemon
from tests.live.support.project import FEATURES, Project
from tests.live.support.servers import image_file
from tests.live.tool import Tool

EXPIRES = "2091-01-02T03:04:05Z"
MOVES = ("uploaded_at", "last_used_at")
"""What the server sets by itself."""

MB = 1 << 20


@frozen
class Gallery:
    """Two projects with images of their own."""

    server: Daemon
    first: Project
    second: Project
    folder: Path

    @property
    def projects(self) -> tuple[Project, Project]:
        return self.first, self.second

    def add(self, *files: bytes, to: Project, **changes: Any) -> str:
        """Import an image with the official client, then change its definition; return its fingerprint."""
        paths = [self.folder / f"{os.urandom(4).hex()}-{number}" for number, _ in enumerate(files)]
        for path, content in zip(paths, files, strict=True):
            path.write_bytes(content)
        known = {each["fingerprint"] for each in to.api("GET", "/1.0/images?recursion=1")}
        to.incus("image", "import", *map(str, paths))
        found = {each["fingerprint"] for each in to.api("GET", "/1.0/images?recursion=1")}
        (fingerprint,) = found - known
        if changes:
            change(to, str(fingerprint), **changes)
        return str(fingerprint)

    def delete(self, fingerprint: str) -> None:
        for project in self.projects:
            if project.name in self.seen(fingerprint):
                project.api("DELETE", f"/1.0/images/{fingerprint}")

    def seen(self, fingerprint: str) -> dict[str, Any]:
        """The image's documents by project, but for what the server sets by itself."""
        images = self.server.api("GET", "/1.0/images?recursion=1&all-projects=true")
        for each in images:
            each["aliases"].sort(key=itemgetter("name"))
        return {
            each["project"]: {key: value for key, value in each.items() if key not in MOVES}
            for each in images
            if each["fingerprint"] == fingerprint
        }


def change(project: Project, fingerprint: str, **changes: Any) -> None:
    url = f"/1.0/images/{fingerprint}"
    project.api("PUT", url, {**project.api("GET", url), **changes})


@contextmanager
def make_gallery(server: Daemon, folder: Path) -> Iterator[Gallery]:
    first, second = Project(server), Project(server)
    for project in (first, second):
        config = {**FEATURES, "features.images": "true"}
        server.api("PUT", f"/1.0/projects/{project.name}", {"config": config})
    yield Gallery(server, first, second, folder)
    for project in (first, second):
        project.remove()


def unified_file() -> bytes:
    """The image ``mini`` in another packing, so that it is another image."""
    return gzip.compress(gzip.decompress(image_file().read_bytes()), mtime=1)


def split_files(folder: Path) -> tuple[bytes, bytes]:
    """The image ``mini`` as image servers have theirs: metadata and root disk apart."""
    with tarfile.open(image_file()) as whole:
        whole.extractall(folder / "mini", filter="fully_trusted")
    names = ("metadata.yaml", "templates/hostname.tpl")
    metadata = tar_of({name: (folder / "mini" / name).read_bytes() for name in names})
    argv = ["mksquashfs", "mini/rootfs", "rootfs.squashfs", "-quiet", "-no-progress"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    return metadata, (folder / "rootfs.squashfs").read_bytes()


def add_rich(gallery: Gallery, *files: bytes) -> str:
    """An image in both projects, defined differently in all that can be defined."""
    first, second = gallery.projects
    second.api("POST", "/1.0/profiles", {"name": "own"})
    fingerprint = gallery.add(*files, to=first, public=True, properties={"os": "ü & =", "note": "two\nlines"})
    again = {"auto_update": True, "expires_at": EXPIRES, "profiles": ["default", "own"]}
    gallery.add(*files, to=second, **again)
    for project, alias in ((first, "os/1"), (first, "latest"), (second, "latest")):
        body = {"name": alias, "target": fingerprint, "description": f"ü: {alias}"}
        project.api("POST", "/1.0/images/aliases", body)
    return fingerprint


def stored(tool: Tool, fingerprint: str) -> Path:
    """The folder of the only backup of an image."""
    (folder,) = (tool.repository / "images" / fingerprint).iterdir()
    return folder
