"""Small backups, reports and records that tests store and read back."""

from collections.abc import Mapping
from datetime import UTC, datetime

from incusbak.model.backups import Captured, Consistency, ExportOptions, Manifest, Method, Source, StoredFile
from incusbak.model.documents import Json
from incusbak.model.records import ScratchExport
from incusbak.model.refs import BackupId, ResourceRef, instance_ref
from incusbak.model.results import Report
from incusbak.ports import Repository

MOMENT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
WEB = instance_ref("default", "web")
ARCHIVE = "export.tar.zst"


_NOTED = {"config": {"user.note": "ä"}}
_RESOURCES: Mapping[str, Json] = {
    "instance": {"type": "container", "devices": {}},
    "volume": {"content_type": "filesystem", "description": ""},
    "image": {"fingerprint": "f" * 64, "type": "container", "projects": {}},
}


def _resource(ref: ResourceRef) -> Json:
    if ref.kind == "config":
        return {"profiles": [{"name": "default", **_NOTED}]}
    return {**_RESOURCES[ref.kind], "name": ref.name, **_NOTED}


def manifest_of(backup: BackupId, files: tuple[StoredFile, ...]) -> Manifest:
    captured = Captured(
        resource=_resource(backup.ref),
        snapshots=(),
        consistency=Consistency.STOPPED,
        method=Method.DIRECT,
        references=(ResourceRef("pool", name="fast"),),
        pool="fast",
        pool_driver="dir",
        content_bytes=sum(stored.size_bytes for stored in files),
    )
    return Manifest(
        id=backup,
        source=Source("f" * 64, "server", "6.0"),
        options=ExportOptions(),
        captured=captured,
        files=files,
        tool_version="0.0",
    )


def store(
    repository: Repository, ref: ResourceRef = WEB, *, at: datetime = MOMENT, data: bytes = b"archive"
) -> BackupId:
    """Make a backup with one file."""
    with repository.new_backup(ref, at) as writer:
        with writer.file(ARCHIVE) as file:
            file.write(data)
        writer.commit(manifest_of(writer.id, writer.files))
        return writer.id


def report_at(finished: datetime, *, digest: str = "0123456789abcdef") -> Report:
    return Report(started=MOMENT, finished=finished, digest=digest, outcomes=())


def export_record(record_id: str, *, name: str = "incus-backup-1") -> ScratchExport:
    return ScratchExport(id=record_id, ref=WEB, name=name)
