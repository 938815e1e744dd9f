"""A large server and a repository with backups of all that is on it, made in seconds."""

import hashlib
import io
import json
import os
import tarfile
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import evolve, frozen

from incusbak.codec import dump
from incusbak.engine.retention import simulate
from incusbak.kinds.archive.compression import compressed
from incusbak.model.backups import Compression, StoredFile
from incusbak.model.documents import Json
from incusbak.model.notes import Inspection
from incusbak.model.policies import Keep
from incusbak.model.refs import BackupId, ResourceRef, format_timestamp, instance_ref
from incusbak.repositories.directory.writing import format_checksums
from incusbak.repositories.layout import CHECKSUMS, MANIFEST, NOTES, REMOVED, folder_of, place_of
from incusbak.repositories.metadata import make_metadata
from incusbak.repositories.notes import NoteFile
from tests.fake_incus import FakeIncus
from tests.samples import ARCHIVE, manifest_of

PROJECTS = ("default", "shop", "web", "lab")
VERIFIED = timedelta(days=3)
"""How long ago all backups of then were read again."""
_NEWEST = timedelta(hours=1)
_GONE = timedelta(days=70, hours=6)
"""How long ago what is removed by now was made; at that time of day no other was."""
_DAY = timedelta(days=1)
_IMAGE = {
    "image.architecture": "amd64",
    "image.description": "Debian bookworm amd64 (20260301_05:24)",
    "image.os": "Debian",
    "image.release": "bookworm",
    "image.serial": "20260301_05:24",
    "image.type": "squashfs",
    "image.variant": "default",
}


@frozen
class Estate:
    """``keep``: rules of retention that want every backup of the repository."""

    fake: FakeIncus
    repository: Path
    keep: Keep


def make_server(instances: int) -> FakeIncus:
    """Make a server with so many containers in four projects; each has a network card and limits."""
    fake = FakeIncus()
    world = fake.world
    for project in PROJECTS:
        if project != "default":
            world.add_project(project)
        nic = {"type": "nic", "network": "incusbr0", "name": "eth0"}
        root = {"type": "disk", "path": "/", "pool": "default"}
        world.add_profile("default", project=project, devices={"root": root, "eth0": nic})
    world.add_network("incusbr0", config={"ipv4.address": "10.0.0.1/24", "ipv4.nat": "true"})
    for number in range(instances):
        limits = {"limits.cpu": "2", "limits.memory": "2GiB", "user.tier": "gold"}
        world.add_instance(
            f"machine-{number:04}",
            project=PROJECTS[number % len(PROJECTS)],
            status="Running",
            config={**_IMAGE, **limits},
        )
    return fake


def make_estate(folder: Path, *, instances: int, backups: int, now: datetime) -> Estate:
    """Make a server, and below ``folder`` a repository with so many backups of each of its instances.

    All but the newest were read again three days ago. Six more of each were removed in the last six days.
    """
    fake, root = make_server(instances), Path(tempfile.mkdtemp(dir=folder))
    keep, timestamps = _history(backups, now)
    removed = {
        format_timestamp(now - _GONE - day * _DAY): format_timestamp(now - day * _DAY) for day in range(6)
    }
    make_metadata(root, b"0" * 32)
    for document in fake.list("instances", project="*"):
        ref = instance_ref(document["project"], document["name"])
        sample = _sample(ref, document)
        for backup in (BackupId(ref, timestamp) for timestamp in timestamps):
            _write(root.joinpath(*place_of(backup)), sample.content(backup))
            if backup.created < now - VERIFIED:
                _write(root.joinpath(NOTES, *folder_of(ref)), _note(backup, now - VERIFIED))
        for timestamp, at in removed.items():
            place = root.joinpath(REMOVED, *folder_of(ref), f"{timestamp}-{at}")
            _write(place, sample.content(BackupId(ref, timestamp)))
    return Estate(fake, root, keep)


def _history(backups: int, now: datetime) -> tuple[Keep, list[str]]:
    """Find what a daily backup and retention leave: as many backups as wanted, the newest an hour old."""
    days = backups * 2 + 366
    start = now - _NEWEST - timedelta(days=days)
    for daily in range(max(1, backups // 2), backups + 1):
        keep = Keep(daily=daily, weekly=8, monthly=12)
        kept = simulate(keep, zone=UTC, start=start, days=days)
        if len(kept) >= backups:
            return keep, [each.backup.timestamp for each in kept][-backups:]
    raise AssertionError("as many daily backups are kept as there are days")


@frozen
class _Sample:
    """A backup of one resource, of which all others differ by their timestamp alone."""

    id: BackupId
    manifest: str
    archive: bytes

    def content(self, backup: BackupId) -> dict[str, bytes]:
        """Give the files of a backup that ``verify`` finds good."""
        manifest = self.manifest.replace(self.id.address, backup.address).encode()
        content = {ARCHIVE: self.archive, MANIFEST: manifest}
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
        return {**content, CHECKSUMS: format_checksums(hashes)}


def _sample(ref: ResourceRef, document: Json) -> _Sample:
    data, backup = _archive(str(document["name"])), BackupId(ref, "20260101T000000Z")
    manifest = manifest_of(backup, (StoredFile(ARCHIVE, len(data), hashlib.sha256(data).hexdigest()),))
    captured = evolve(manifest.captured, resource=document, pool="default")
    return _Sample(backup, dump(evolve(manifest, captured=captured)), data)


def _note(backup: BackupId, at: datetime) -> dict[str, bytes]:
    name = f"{backup.timestamp}-{format_timestamp(at)}-good-01234567.json"
    return {name: dump(NoteFile(Inspection(backup, at))).encode()}


def _write(folder: Path, content: dict[str, bytes]) -> None:
    """Write what need not outlive a power cut to a folder."""
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    for name, data in content.items():
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, data)
        os.close(descriptor)


def _archive(name: str) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
        index = json.dumps({"name": name, "snapshots": []}).encode()
        for member, data in (("backup/index.yaml", index), ("backup/container/rootfs/data", b"data")):
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return b"".join(compressed(iter([plain.getvalue()]), Compression.ZSTD))
