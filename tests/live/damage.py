"""Ways to damage a stored backup of the running container ``web``, each given the backup's folder."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

from incusbak.kinds.archive.compression import compressed, decompressed
from incusbak.kinds.archive.renaming import renamed
from incusbak.kinds.archive.tar import walk
from incusbak.kinds.volume.definition import rewrites
from incusbak.model.backups import Compression

ARCHIVE = "export.tar.zst"
Damage = Callable[[Path], None]


def flip_a_byte(backup: Path) -> None:
    data = bytearray((backup / ARCHIVE).read_bytes())
    data[len(data) // 2] ^= 1
    (backup / ARCHIVE).write_bytes(data)


def cut_the_tail(backup: Path) -> None:
    data = (backup / ARCHIVE).read_bytes()
    (backup / ARCHIVE).write_bytes(data[:-100])


def lose_the_archive(backup: Path) -> None:
    (backup / ARCHIVE).unlink()


def empty_the_checksums(backup: Path) -> None:
    (backup / "checksums.txt").write_bytes(b"")


def edit_the_manifest(backup: Path) -> None:
    text = (backup / "manifest.json").read_text()
    assert "original" in text
    (backup / "manifest.json").write_text(text.replace("original", "0riginal"))


# -- garbage that the checksums vouch for -------------------------------------------------------------


def replace_archive(backup: Path, data: bytes, archive: str = ARCHIVE) -> None:
    """Put something else in the archive's place, with all hashes and sizes made to match."""
    (backup / archive).write_bytes(data)
    manifest = json.loads((backup / "manifest.json").read_text())
    [stored] = manifest["files"]
    stored.update(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    (backup / "manifest.json").write_text(json.dumps(manifest))
    hashes = {
        name: hashlib.sha256((backup / name).read_bytes()).hexdigest() for name in (archive, "manifest.json")
    }
    (backup / "checksums.txt").write_text("".join(f"{h}  {name}\n" for name, h in hashes.items()))


def plain(backup: Path, archive: str = ARCHIVE) -> bytes:
    return b"".join(decompressed([(backup / archive).read_bytes()], Compression.ZSTD))


def rename_snapshots(backup: Path, names: dict[str, str]) -> None:
    """Have the backup of a volume say that its snapshots were called otherwise; names of the same length."""
    archive, text = "volume.tar.zst", (backup / "manifest.json").read_text()
    manifest = json.loads(text)
    for snapshot in manifest["captured"]["snapshots"]:
        snapshot["name"] = names[snapshot["name"]]
    (backup / "manifest.json").write_text(json.dumps(manifest))
    changes = rewrites(name=manifest["captured"]["resource"]["name"], change=lambda _: None, snapshots=names)
    chunks = renamed(walk([plain(backup, archive)], changes), names)
    replace_archive(backup, b"".join(compressed(chunks, Compression.ZSTD)), archive)


def zipped(data: bytes) -> bytes:
    return b"".join(compressed([data], Compression.ZSTD))


def noise(_: Path) -> bytes:
    return bytes(range(256)) * 4000


def compressed_noise(backup: Path) -> bytes:
    return zipped(noise(backup))


def foreign_tar(_: Path) -> bytes:
    return zipped(tar_of({"somewhere/else": b"x" * 100_000}))


def tar_cut_between_two_members(backup: Path) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(plain(backup))) as tar:
        middle = tar.getmembers()[20]
    return zipped(plain(backup)[: middle.offset])


def index_that_is_no_yaml(backup: Path) -> bytes:
    return zipped(tar_with(backup, "backup/index.yaml", b"{[%"))


def definition_of_no_instance(backup: Path) -> bytes:
    return zipped(tar_with(backup, "backup/container/backup.yaml", b"container: {}\n"))


def tar_without_files(backup: Path) -> bytes:
    return zipped(tar_with(backup, "backup/container/rootfs", None))


def tar_of(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


def tar_with(backup: Path, changed: str, content: bytes | None) -> bytes:
    """The same archive with one member's content replaced, or without the member and what is below it."""
    made = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(plain(backup))) as old,
        tarfile.open(fileobj=made, mode="w") as new,
    ):
        for member in old:
            data = old.extractfile(member).read() if member.isreg() else b""  # type: ignore[union-attr]
            if member.name == changed and content is not None:
                data = content
                member.size = len(content)
            if content is not None or not member.name.startswith(changed):
                new.addfile(member, io.BytesIO(data))
    return made.getvalue()


# -- what others made, to do harm ------------------------------------------------------------------------

ROOM = 64 << 20
"""What the definitions in an archive may grow by."""


def header_of(kind: bytes, size: bytes, name: str = "a") -> bytes:
    """A POSIX header of any type with any text for a size."""
    member = tarfile.TarInfo(name)
    member.type = kind
    header = bytearray(member.tobuf(tarfile.USTAR_FORMAT))
    header[124 : 124 + len(size)] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def negative_size(backup: Path) -> bytes:
    """An extension header that is shorter than nothing, before the archive itself."""
    return header_of(b"x", b"-0000001000\0") + bytes(1024) + plain(backup)


def negative_size_in_a_record(backup: Path) -> bytes:
    """The same in what an extension header says of the next file."""
    record = b"14 size=-1000\n"
    return header_of(b"x", b"%011o\0" % len(record)) + record.ljust(512, b"\0") + plain(backup)


def zeros_at_the_end(backup: Path) -> bytes:
    """More of them than the manifest leaves room for; stored they take next to nothing."""
    return plain(backup) + bytes(ROOM + (1 << 20))


# -- what only a repository meets ---------------------------------------------------------------------


def cut_by_one_byte(backup: Path) -> None:
    with (backup / ARCHIVE).open("r+b") as file:
        file.truncate((backup / ARCHIVE).stat().st_size - 1)


def lose_the_checksums(backup: Path) -> None:
    (backup / "checksums.txt").unlink()


def put_a_path_into_the_checksums(backup: Path) -> None:
    with (backup / "checksums.txt").open("a") as file:
        file.write(f"{'0' * 64}  ../../secret\n")


def name_a_file_outside(backup: Path) -> None:
    """Have manifest and sums agree on a file that lies beside the backup."""
    outside = f"../{ARCHIVE}"
    (backup / ARCHIVE).rename(backup / outside)
    for name in ("manifest.json", "checksums.txt"):
        path = backup / name
        before = hashlib.sha256((backup / "manifest.json").read_bytes()).hexdigest()
        path.write_text(path.read_text().replace(ARCHIVE, outside))
        after = hashlib.sha256((backup / "manifest.json").read_bytes()).hexdigest()
        sums = (backup / "checksums.txt").read_text()
        (backup / "checksums.txt").write_text(sums.replace(before, after))


def link_to_a_file_outside(backup: Path) -> None:
    outside = backup.parents[3] / "outside"
    (backup / ARCHIVE).rename(outside)
    (backup / ARCHIVE).symlink_to(outside)


def garble(garbage: Callable[[Path], bytes]) -> Damage:
    """Replace the archive by something that the sums vouch for."""

    def damage(backup: Path) -> None:
        replace_archive(backup, garbage(backup))

    return damage
