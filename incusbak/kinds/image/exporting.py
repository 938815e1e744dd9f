"""Export an image: its files as they are, known to be whole by the fingerprint."""

import hashlib
from collections.abc import Iterator

from attrs import define, field
from multipart import MultipartError

from ...errors import Corrupt, NotFound, ServerError
from ...model.backups import Captured, Consistency, Manifest, Method
from ...model.refs import ResourceRef
from ...model.results import Phased
from ...ports import BackupFiles, BackupWriter, KindContext
from ..archive.transfer import counted
from . import definition, shelf
from .formats import METADATA, ROOTFS, UNIFIED, is_split, parts, peeked, suffix


def export(tools: KindContext, ref: ResourceRef, into: BackupWriter) -> Captured:
    """Write ``image.*``, or ``metadata.*`` and ``rootfs.*``; see ``ports.Kind.export``.

    Raises:
        ServerError: what came is not what the fingerprint says; nothing of it is to be used.
    """
    found = shelf.inspect(tools.api, ref)
    if found is None:
        raise NotFound(f"{ref} is not there")
    tools.tell(Phased("exporting"))
    storage = _Storage(tools, into)
    project = shelf.reachable_in(tools.api, ref.name, found.document["projects"])
    with tools.api.download(shelf.path(ref.name, "export"), project=project) as chunks:
        head, whole = peeked(chunks)
        if is_split(head):
            _store_parts(storage, ref, whole)
        else:
            storage.store(UNIFIED, whole, otherwise=".tar")
    if storage.digest.hexdigest() != ref.name:
        raise ServerError(
            f"the server sent {ref} damaged: the SHA-256 of what came is {storage.digest.hexdigest()}",
            hint="remove it from the server and import it again from where it came from",
        )
    return Captured(
        resource=found.document,
        snapshots=(),
        consistency=Consistency.POINT_IN_TIME,
        method=Method.DIRECT,
        references=tuple(sorted(definition.references(definition.comparable(found.document)))),
        pool="",
        pool_driver="",
        content_bytes=sum(stored.size_bytes for stored in into.files),
    )


def examine(manifest: Manifest, files: BackupFiles) -> None:
    """See that the stored parts are those the fingerprint is of.

    Raises:
        Corrupt: they are not.
    """
    names = {stored.name.partition(".")[0]: stored.name for stored in manifest.files}
    digest = hashlib.sha256()
    for part in (UNIFIED,) if UNIFIED in names else (METADATA, ROOTFS):
        if part not in names:
            raise Corrupt(f"the image's {part} is not in the manifest")
        with files.open(names[part]) as chunks:
            for chunk in chunks:
                digest.update(chunk)
    if digest.hexdigest() != manifest.id.ref.name:
        raise Corrupt(f"the image's content is not of its fingerprint but of {digest.hexdigest()}")


def _store_parts(storage: "_Storage", ref: ResourceRef, whole: Iterator[bytes]) -> None:
    """Store metadata and root disk; the fingerprint tells later that it were these two in this order."""
    names = iter((METADATA, ROOTFS))
    try:
        for field_name, content in parts(whole):
            name = next(names, "")
            if not name or not field_name.startswith(name):
                raise ServerError(f"the server sent {ref} with an unexpected part {field_name!r}")
            storage.store(name, content, otherwise=".img")
    except MultipartError as error:
        raise ServerError(f"the server sent {ref} cut or damaged: {error}") from error


@define
class _Storage:
    """Where the files go, and the hash over all of them."""

    tools: KindContext
    into: BackupWriter
    digest: "hashlib._Hash" = field(factory=hashlib.sha256)

    def store(self, name: str, chunks: Iterator[bytes], *, otherwise: str) -> None:
        """Write one file, its suffix by its content."""
        head, whole = peeked(chunks)
        with self.into.file(name + suffix(head, otherwise)) as file:
            for chunk in counted(self.tools, whole):
                self.digest.update(chunk)
                file.write(chunk)
