"""An archive in which snapshots are called otherwise is, byte for byte, one that was made so."""

import io
import tarfile
from collections.abc import Iterator

import pytest

from incusbak.errors import Cut
from incusbak.kinds.archive.definitions import rename_snapshots
from incusbak.kinds.archive.renaming import renamed
from incusbak.kinds.archive.sparse import BLOCK

OLD, NEW = "back\\slash", "backxslash"
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}
DEEP = "/".join(["folder"] * 14)
XATTR = {"SCHILY.xattr.user.note": f"30 path=backup/snapshots/{OLD}/f\nlinkpath=backup/snapshots/{OLD}"}


def archive(name: str, form: int, other: str = "s1", *, far: bool = False) -> bytes:
    """An export with snapshots of these names: files, links, and folders that look like theirs."""
    stream = io.BytesIO()
    base = f"backup/snapshots/{name}"
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:

        def add(path: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **more: str) -> None:
            member = tarfile.TarInfo(path)
            member.type, member.size = kind, len(data)
            member.linkname = more.get("link", "")
            if form == tarfile.PAX_FORMAT and "odd" in more:
                member.pax_headers = dict(XATTR)
            tar.addfile(member, io.BytesIO(data))

        add("backup/index.yaml", data=f"snapshots: [{OLD}]".encode() * 100)
        add(base, tarfile.DIRTYPE)
        add(f"{base}/rootfs/a", data=b"a" * 1000, odd="")
        add(f"{base}/rootfs/hard", tarfile.LNKTYPE, link=f"{base}/rootfs/a")
        add(f"{base}/rootfs/soft", tarfile.SYMTYPE, link=f"backup/snapshots/{OLD}/rootfs/a")
        add(f"{base}/rootfs/{DEEP}/f", data=b"deep")
        if far:
            add(f"{base}/rootfs/{DEEP}/{'ü' * 120}", data=b"far")
            add(f"{base}/rootfs/{DEEP}/hard", tarfile.LNKTYPE, link=f"{base}/rootfs/{DEEP}/{'ü' * 120}")
        add(f"backup/snapshots/{other}/{OLD}/x", data=OLD.encode())
        add(f"backup/virtual-machine-snapshots/{name}.img", data=b"disk")
        add(f"backup/volume-snapshots/{name}/f")
        add(f"backup/disk/volume-snapshots/{name}/f", data=b"of a volume that depends on it")
        add(f"backup/disk/volume-snapshots/{name}.img", data=b"of another")
        add(f"backup/disk/volume/volume-snapshots/{OLD}/f", data=b"what it calls so itself")
        add(f"backup/volume/volume-snapshots/{OLD}/f", data=b"and a volume by itself")
        add(f"backup/container/{OLD}", data=b"its own")
    return stream.getvalue()


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [100, BLOCK, 1 << 20])
@pytest.mark.parametrize("form", FORMATS)
def test_only_names_of_snapshots_change_wherever_they_stand(form: str, size: int) -> None:
    far = form != "ustar"
    before, after = (archive(name, FORMATS[form], far=far) for name in (OLD, NEW))
    assert before != after
    assert b"".join(renamed(chunks(before, size), {OLD: NEW})) == after
    assert b"".join(renamed(chunks(after, size), {NEW: OLD})) == before


def test_names_that_begin_alike_are_different_ones() -> None:
    before = archive("a", tarfile.PAX_FORMAT, "aa")
    assert b"".join(renamed([before], {"a": "b"})) == archive("b", tarfile.PAX_FORMAT, "aa")


def test_a_definition_is_renamed_with_the_volumes_that_are_part_of_it() -> None:
    config = {
        "snapshots": [{"name": OLD}, {"name": "s1"}],
        "dependent_volumes": [{"volume": {"name": OLD}, "volume_snapshots": [{"name": OLD}]}],
    }
    rename_snapshots(config, {OLD: NEW})
    assert config == {
        "snapshots": [{"name": NEW}, {"name": "s1"}],
        "dependent_volumes": [{"volume": {"name": OLD}, "volume_snapshots": [{"name": NEW}]}],
    }


def test_without_a_name_to_change_everything_passes_as_it_is() -> None:
    assert list(renamed([b"no", b" archive"], {})) == [b"no", b" archive"]


def test_a_cut_archive_is_told_as_one() -> None:
    with pytest.raises(Cut):
        list(renamed([archive(OLD, tarfile.PAX_FORMAT)[: 5 * BLOCK]], {OLD: NEW}))
