"""Disks: quotas, holes, dependent and shared volumes, blocks and ISO images, several pools."""

import contextlib
import os
from functools import partial
from pathlib import Path

from tests.live.custom_volume import EXPIRES, Volume
from tests.live.portrait import rootfs
from tests.live.support import servers
from tests.live.support.project import Project

from .scene import COPY, EMPTY, REPLACE, Scene
from .subjects import CustomVolume, Instance, WithDependents

MEBIBYTE = 1 << 20


def _sized(project: Project, size: str, *, start: bool = False) -> Path:
    root = {"type": "disk", "path": "/", "pool": "bt", "size": size}
    project.launch("web", devices={"root": root}, start=start)
    return rootfs(project, "web") / "root"


def _full(project: Project, *, but_for: int = 0) -> None:
    """Its files leave nothing of its quota, or that much."""
    folder = _sized(project, "24MiB")
    ballast = folder / "ballast"
    _write(ballast, but_for)
    with contextlib.suppress(OSError):
        _write(folder / "bulk", 24 * MEBIBYTE)
    ballast.unlink()


def _write(file: Path, size: int) -> None:
    """Write what can't be compressed, and have it counted piece by piece."""
    with file.open("wb", buffering=0) as stream:
        for _ in range(0, size, 64 << 10):
            stream.write(os.urandom(64 << 10))
            os.fsync(stream.fileno())


def _holes(project: Project) -> None:
    """A file that is larger than the quota, were it not for its holes, which are small."""
    folder = _sized(project, "32MiB")
    with (folder / "sparse").open("wb") as file:
        for number in range(48 * 16):
            file.seek(number << 16)
            file.write(b"x" * 4096)
        file.truncate(48 * MEBIBYTE)


def _dependent(pool: str, *, start: bool) -> Scene:
    def build(project: Project) -> None:
        volume = Volume(project, "depends", pool)
        device = {"type": "disk", "pool": pool, "source": "depends", "path": "/data", "dependent": "true"}
        volume.make()
        project.launch("web", pool=pool, devices={"data": device}, start=start)
        (volume.folder() / "file").write_bytes(b"of the snapshot")
        project.api("POST", "/1.0/instances/web/snapshots", {"name": "s1"})
        (volume.folder() / "file").write_bytes(b"of now")

    return Scene(
        name=f"dependent-{pool}-{'running' if start else 'stopped'}",
        build=build,
        subject=WithDependents(),
        versions=("7.0",),
        differs={"volumes.*.created_at": "one with snapshots is copied when it is replaced"},
        copy_differs={
            "volumes.*.name": "a copy has volumes of its own",
            "volumes.*.used_by": "as above",
            "*devices.data.source": "as above",
            "volumes.*.snapshots.*.name": "as above",
        },
    )


def _several_pools(project: Project) -> None:
    """The root disk on btrfs, a volume each on dir and btrfs."""
    devices = {}
    for pool in ("default", "bt"):
        volume = Volume(project, f"on-{pool}", pool)
        volume.make(description=f"on {pool}")
        devices[pool] = {"type": "disk", "pool": pool, "source": volume.name, "path": f"/{pool}"}
    project.launch("web", pool="bt", devices=devices)
    for pool in devices:
        project.exec("web", ["sh", "-c", f"echo {pool} > /{pool}/file"])


def _through_a_profile(project: Project) -> None:
    """Two instances share a volume; each has it from a profile."""
    volume = Volume(project)
    volume.make()
    project.api("POST", "/1.0/profiles", {"name": "shares", "devices": {"data": volume.device}})
    for name in ("web", "other"):
        project.launch(name, profiles=["default", "shares"])
    project.exec("web", ["sh", "-c", "echo shared > /data/file"])
    volume.snapshot("s1", expires_at=EXPIRES)


def _block(project: Project) -> None:
    volume = Volume(project, "disk")
    volume.make(content_type="block", config={"size": "8MiB"}, description="a disk")
    with (volume.folder() / "root.img").open("r+b") as file:
        file.seek(5 * MEBIBYTE)
        file.write(b"\2" * 4096)
    volume.snapshot("s1", expires_at=EXPIRES)


def _iso(project: Project) -> None:
    headers = {"Content-Type": "application/octet-stream", "X-Incus-name": "disc", "X-Incus-type": "iso"}
    url = Volume(project, "disc").url.rpartition("/")[0]
    project.api("POST", url, data=bytes(range(256)) * 400, headers=headers)


def _optimized(project: Project) -> None:
    project.launch("web", pool="bt", config={"user.note": "kept"})
    project.exec("web", ["sh", "-c", "echo old > /srv/file"])
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "s1", "expires_at": EXPIRES})
    project.exec("web", ["sh", "-c", "echo new > /srv/file"])


DEPENDENT = tuple(_dependent(pool, start=start) for pool in ("default", "bt") for start in (False, True))
SCENES = (
    # the server has no room for the definition that it puts beside the files
    Scene(name="full-disk", build=_full, kept_out=servers.VERSIONS),
    Scene(name="nearly-full-disk", build=partial(_full, but_for=MEBIBYTE // 2)),
    Scene(name="small-holes", build=_holes),
    *DEPENDENT,
    Scene(
        name="several-pools",
        build=_several_pools,
        beside=(CustomVolume("on-default"), CustomVolume("on-bt", "bt")),
    ),
    Scene(
        name="shared-through-a-profile",
        build=_through_a_profile,
        beside=(CustomVolume(), Instance("other")),
    ),
    Scene(
        name="shared-volume",
        build=_through_a_profile,
        subject=CustomVolume(),
        beside=(Instance("web"), Instance("other")),
        replace_flags=("--force",),
        modes=(REPLACE, COPY, EMPTY),  # it can't be gone while it is in use
    ),
    Scene(name="block-volume", build=_block, subject=CustomVolume("disk", content="block")),
    Scene(
        name="iso-volume",
        build=_iso,
        subject=CustomVolume("disc", content="iso"),
        kept_out=("6.0",),
    ),
    Scene(name="optimized", build=_optimized, flags=("--optimized",)),
)
