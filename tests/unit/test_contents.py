"""An archive without the content that its definition promises is no backup."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from attrs import evolve, field, frozen

from incusbak.errors import Corrupt, Stopped
from incusbak.kinds import KINDS
from incusbak.kinds.archive.compression import compressed
from incusbak.kinds.archive.contents import Area, Contents
from incusbak.kinds.archive.sparse import UNIT, HoleFinder
from incusbak.kinds.archive.tar import walk
from incusbak.kinds.common.values import size_of
from incusbak.kinds.instance.contents import elsewhere
from incusbak.kinds.instance.contents import shortcomings as of_instance
from incusbak.kinds.volume.contents import shortcomings as of_volume
from incusbak.model.backups import Compression, ExportOptions, Manifest
from incusbak.model.refs import BackupId, instance_ref, volume_ref
from tests.samples import manifest_of

MADE = {"type": "container", "name": "web", "config": {"volatile.base_image": "f" * 64}}
EMPTY = {"type": "container", "name": "web", "config": {}}
MACHINE = {
    "type": "virtual-machine",
    "config": {},
    "expanded_devices": {"root": {"type": "disk", "path": "/", "pool": "p", "size": "1MiB"}},
}
BLOCK = {"content_type": "block", "config": {"size": "8MiB"}}
FILES = {"content_type": "filesystem", "config": {"size": "8MiB"}}
ISO = {"content_type": "iso", "config": {"size": "100"}}
FIRST, SECOND = {**MADE, "name": "first"}, {"name": "second", "config": {"size": "4MiB"}}
ROOTFS = {"backup/container": None, "backup/container/rootfs": None, "backup/container/rootfs/etc": b"x"}


def archive(members: Mapping[str, bytes | None]) -> bytes:
    """A tar; None is a folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    return stream.getvalue()


def areas(members: Mapping[str, bytes | None], *parts: str) -> Mapping[str, Area]:
    contents = Contents(HoleFinder(), parts=frozenset(parts))
    assert b"".join(walk([archive(members)], contents=contents)) == archive(members)
    return contents.areas


@pytest.mark.parametrize(
    ("document", "snapshots", "optimized", "members", "expected"),
    [
        (MADE, [], False, ROOTFS, ()),
        (MADE, [], False, {"backup/container/backup.yaml": b"y"}, ("no backup/container/rootfs",)),
        (MADE, [], False, {"backup/container/rootfs": None}, ("nothing in backup/container/rootfs",)),
        (EMPTY, [], False, {"backup/container/rootfs": None}, ()),
        (EMPTY, [], False, {"backup/container": None}, ("no backup/container/rootfs",)),
        (MADE, [FIRST], False, ROOTFS, ("no backup/snapshots/first/rootfs",)),
        (MADE, [FIRST], False, {**ROOTFS, "backup/snapshots/first/rootfs/f": b""}, ()),
        (MADE, [], True, {"backup/container.bin": b"s"}, ()),
        (
            MADE,
            [FIRST],
            True,
            {"backup/container.bin": b""},
            ("no backup/container.bin", "no backup/snapshots/first.bin"),
        ),
        (MACHINE, [], False, {"backup/virtual-machine.img": bytes(1 << 20)}, ()),
        (MACHINE, [], False, {"backup/virtual-machine/x": b"x"}, ("no backup/virtual-machine.img",)),
        (
            MACHINE,
            [],
            False,
            {"backup/virtual-machine.img": bytes(9)},
            ("backup/virtual-machine.img has 9 of 1048576 bytes",),
        ),
        (
            MACHINE | {"config": {"volatile.root.apply_quota": "1MiB"}},
            [],
            False,
            {"backup/virtual-machine.img": bytes(9)},
            (),
        ),
        (
            MACHINE,
            [FIRST],
            True,
            {"backup/virtual-machine.bin": b"s"},
            ("no backup/virtual-machine-snapshots/first.bin",),
        ),
    ],
)
def test_an_instance_is_what_its_definition_promises(
    document: Any, snapshots: Any, optimized: bool, members: Any, expected: tuple[str, ...]
) -> None:
    assert of_instance(areas(members), document, snapshots, optimized=optimized) == expected


@pytest.mark.parametrize(
    ("document", "snapshots", "optimized", "members", "expected"),
    [
        (FILES, [], False, {"backup/volume": None}, ()),
        (FILES, [], False, {"backup/index.yaml": b""}, ("no backup/volume",)),
        (FILES, [FIRST], False, {"backup/volume": None}, ("no backup/volume-snapshots/first",)),
        (BLOCK, [], False, {"backup/volume.img": bytes(8 << 20)}, ()),
        (BLOCK, [], False, {"backup/volume.img": bytes(8)}, ("backup/volume.img has 8 of 8388608 bytes",)),
        (
            BLOCK,
            [SECOND],
            False,
            {"backup/volume.img": bytes(8 << 20), "backup/volume-snapshots/second.img": bytes(4 << 20)},
            (),
        ),
        (
            BLOCK,
            [SECOND],
            False,
            {"backup/volume.img": bytes(8 << 20), "backup/volume-snapshots/second.img": bytes(4)},
            ("backup/volume-snapshots/second.img has 4 of 4194304 bytes",),
        ),
        (BLOCK, [], True, {"backup/volume.bin": b"s"}, ()),
        (FILES, [FIRST], True, {"backup/volume.bin": b"s"}, ("no backup/volume-snapshots/first.bin",)),
        (ISO, [], False, {"backup/volume.iso": bytes(99)}, ("backup/volume.iso has 99 of 100 bytes",)),
    ],
)
def test_a_volume_is_what_its_definition_promises(
    document: Any, snapshots: Any, optimized: bool, members: Any, expected: tuple[str, ...]
) -> None:
    assert of_volume(areas(members), document, snapshots, optimized=optimized) == expected


def test_content_is_counted_without_holes_and_each_volume_for_itself() -> None:
    found = areas(
        {
            "backup/index.yaml": b"index",
            "backup/snapshots/s/rootfs/f": b"x" * 5000,
            "backup/container/rootfs/f": b"x" * UNIT + bytes(3 * UNIT),
            "backup/container/rootfs/g": bytes(2 * UNIT),
            "backup/container/rootfs/h": b"hh",
        }
    )
    assert found["backup/snapshots/s"].data_bytes == 5000
    assert found["backup/container"].data_bytes == UNIT + 2
    assert found["backup/container"].in_root == 3


@frozen
class Stored:
    """The files of a backup."""

    archive: bytes

    @contextmanager
    def open(self, _: str) -> Iterator[Iterator[bytes]]:
        yield iter([self.archive])

    def checkpoint(self) -> None:
        pass


def stored(backup: BackupId, document: Any) -> Manifest:
    manifest = manifest_of(backup, ())
    captured = evolve(manifest.captured, resource=document)
    return evolve(manifest, captured=captured, options=ExportOptions(compression=Compression.NONE))


@pytest.mark.parametrize(
    ("backup", "document", "members"),
    [
        (BackupId(instance_ref("default", "web"), "20260301T123000Z"), MADE, ROOTFS),
        (
            BackupId(volume_ref("default", "fast", "web"), "20260301T123000Z"),
            {**BLOCK, "name": "web"},
            {"backup/volume.img": bytes(8 << 20)},
        ),
    ],
)
def test_stored_backups_without_content_are_found(backup: BackupId, document: Any, members: Any) -> None:
    index = {"backup/index.yaml": b"name: web\n"}
    manifest, kind = stored(backup, document), KINDS[backup.ref.kind]
    kind.examine(manifest, Stored(archive({**index, **members})))
    with pytest.raises(Corrupt, match="is no backup: no backup/"):
        kind.examine(manifest, Stored(archive(index)))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10", 10),
        ("10B", 10),
        ("10kB", 10_000),
        ("2MiB", 2 << 20),
        ("1GB", 10**9),
        ("3EiB", 3 << 60),
        ("1 GiB", 1 << 30),
        ("", None),
        ("x", None),
        ("-1", None),
        ("1.5GiB", None),
    ],
)
def test_sizes_are_read_as_the_server_reads_them(text: str, size: int | None) -> None:
    assert size_of(text) == size


DISK = {"type": "disk", "pool": "fast", "source": "dv", "dependent": "true"}
DISKS = {
    "data": {**DISK, "path": "/srv"},
    "volume": {**DISK, "path": "/more", "pool": "big"},
    "block": {**DISK, "pool": "big"},
}
DEPENDENT = {
    **MADE,
    "expanded_devices": {"root": {"type": "disk", "path": "/", "pool": "fast"}, **DISKS},
}
VOLUMES = {
    "backup/data/volume-snapshots/s": None,
    "backup/data/volume": None,
    "backup/data/volume/rootfs": b"1",
    "backup/volume/volume-snapshots/s": None,
    "backup/volume/volume-snapshots/s/file": b"22",
    "backup/volume/volume": None,
    "backup/volume/volume/volume-snapshots/file": b"333",
    "backup/block/volume.img": b"4444",
}


def test_volumes_under_dependent_disks_are_areas_of_their_own() -> None:
    found = areas({**ROOTFS, **VOLUMES}, *DISKS)
    sizes = {path: area.size_bytes for path, area in found.items()}
    assert sizes == {
        "backup/container": 1,
        "backup/data/volume-snapshots/s": 0,
        "backup/data/volume": 1,
        "backup/volume/volume-snapshots/s": 2,
        "backup/volume/volume": 3,
        "backup/block/volume.img": 4,
    }
    assert elsewhere(found, DEPENDENT) == {"big": 9}


def test_the_volumes_of_dependent_disks_are_promised_content() -> None:
    whole = {**ROOTFS, **VOLUMES}
    assert of_instance(areas(whole, *DISKS), DEPENDENT, [], optimized=False) == ()
    missing = {name: content for name, content in whole.items() if not name.startswith("backup/data/volume")}
    missing["backup/block/volume.img"] = b""
    assert of_instance(areas(missing, *DISKS), DEPENDENT, [], optimized=False) == (
        "no backup/block/volume.img",
        "no backup/data/volume",
    )


@frozen
class Bomb(Stored):
    """One piece of a stored archive is many of the plain one."""

    limit: int = 10
    beats: list[int] = field(factory=list)

    def checkpoint(self) -> None:
        self.beats.append(1)
        if len(self.beats) > self.limit:
            raise Stopped


BACKUP = BackupId(instance_ref("default", "web"), "20260301T123000Z")


def test_a_stop_is_noticed_though_nothing_more_is_read_from_the_disk() -> None:
    packed = archive({"backup/index.yaml": b"name: web\n", "backup/x": bytes(32 << 20), **ROOTFS})
    manifest = evolve(stored(BACKUP, MADE), options=ExportOptions(compression=Compression.ZSTD))
    bomb = Bomb(b"".join(compressed([packed], Compression.ZSTD)))
    with pytest.raises(Stopped):
        KINDS["instance"].examine(manifest, bomb)
    assert len(bomb.beats) == 11


def test_what_unpacks_to_more_than_was_exported_is_damaged() -> None:
    """The definitions in it may be written anew, and have room for that."""
    packed = archive({"backup/index.yaml": b"name: web\n", "backup/x": bytes(65 << 20), **ROOTFS})
    manifest = stored(BACKUP, MADE)
    with pytest.raises(Corrupt, match="holds more than the"):
        KINDS["instance"].examine(manifest, Stored(packed))
    honest = evolve(manifest, captured=evolve(manifest.captured, content_bytes=len(packed)))
    KINDS["instance"].examine(honest, Stored(packed))
