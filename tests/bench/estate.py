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
from incusbak.kinds.compression import compressed
from incusbak.model.backups import Compression, StoredFile
from incusbak.model.documents import Json
from incusbak.model.notes import Inspection
from incusbak.model.policies import Keep
from incusbak.model.refs import BackupId, ResourceRef, format_timestamp, instance_ref
from incusbak.repositories.layout import CHECKSUMS, MANIFEST, NOTES, place_of
from incusbak.repositories.metadata import make_metadata
from incusbak.repositories.notes import NoteFile
from incusbak.repositories.writing import format_checksums
from tests.fake_incus import FakeIncus
from tests.samples import ARCHIVE, manifest_of

PROJECTS = ("default", "shop", "web", "lab")
VERIFIED = timedelta(days=3)
"""How long ago all that was there then was read again."""
_NEWEST = timedelta(hours=1)
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
    """Make a server, and below ``folder`` a repository with so many backups of each of its instances."""
    fake, root = make_server(instances), Path(tempfile.mkdtemp(dir=folder))
    keep, timestamps = _history(backups, now)
    make_metadata(root, b"0" * 32)
    for document in fake.list("instances", project="*"):
        ref = instance_ref(document["project"], document["name"])
        _store_all(root, ref, document, timestamps, now - VERIFIED)
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


def _store_all(
    root: Path, ref: ResourceRef, document: Json, timestamps: list[str], verified: datetime
) -> None:
    """Write backups that ``verify`` finds good; what outlives a power cut is not asked for here."""
    data = _archive(str(document["name"]))
    files = (StoredFile(ARCHIVE, len(data), hashlib.sha256(data).hexdigest()),)
    first = BackupId(ref, timestamps[0])
    manifest = manifest_of(first, files)
    manifest = evolve(manifest, captured=evolve(manifest.captured, resource=document, pool="default"))
    manifest_text, note_text = dump(manifest), dump(NoteFile(Inspection(first, verified)))
    for backup in (BackupId(ref, timestamp) for timestamp in timestamps):
        text = manifest_text.replace(first.address, backup.address).encode()
        hashes = {ARCHIVE: files[0].sha256, MANIFEST: hashlib.sha256(text).hexdigest()}
        content = {ARCHIVE: data, MANIFEST: text, CHECKSUMS: format_checksums(hashes)}
        _write(root.joinpath(*place_of(backup)), content)
        if backup.created < verified:
            note = note_text.replace(first.address, backup.address).encode()
            name = f"{format_timestamp(verified)}-good-{hashes[MANIFEST][:8]}.json"
            _write(root.joinpath(NOTES, *place_of(backup)), {name: note})


def _write(folder: Path, content: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, mode=0o700)
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
