"""Backups of long ago, without waiting: they are made now and dated back."""

import hashlib
from datetime import timedelta

from attrs import evolve

from incusbak import codec
from incusbak.model.backups import Manifest
from incusbak.model.refs import BackupId, format_timestamp
from tests.fakes import Disk

_MANIFEST = "manifest.json"


def date_back(disk: Disk, backup: BackupId, by: timedelta) -> BackupId:
    """Have a backup been made so much earlier."""
    older = BackupId(backup.ref, format_timestamp(backup.created - by))
    files = disk.backups.pop(backup)
    manifest = evolve(codec.load(files[_MANIFEST], Manifest), id=older)
    data = codec.dump(manifest).encode()
    disk.backups[older] = {**files, _MANIFEST: data}
    disk.hashes[older] = hashlib.sha256(data).hexdigest()
    return older
