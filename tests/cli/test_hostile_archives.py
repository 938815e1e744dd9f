"""An archive that others made, with checksums that fit, ends in a clear error: nothing hangs or fills up."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import Shell
from tests.fake_incus import FakeIncus
from tests.live.damage import (
    ROOM,
    header_of,
    negative_size,
    negative_size_in_a_record,
    plain,
    replace_archive,
    tar_with,
    zeros_at_the_end,
    zipped,
)


@pytest.fixture
def fake(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> FakeIncus:
    fake = FakeIncus()
    fake.world.add_instance("web", files={"rootfs/data": b"web" * 1000})
    monkeypatch.setenv("INCUS_BACKUP_DIR", "repository")
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: fake)
    assert shell("backup", "instances", "web", "--images", "none").code == 0
    return fake


def backup() -> Path:
    (found,) = Path("repository").glob("instances/*/*/*")
    return found


def a_large_file(folder: Path) -> bytes:
    size = ROOM + (1 << 20)
    return header_of(b"0", b"%011o\0" % size) + bytes(size) + plain(folder)


def index_with_aliases(folder: Path) -> bytes:
    return tar_with(folder, "backup/index.yaml", b"a: &a [1]\nb: *a\nname: web\n")


def definition_of_odd_types(folder: Path) -> bytes:
    index = b"name: web\nsnapshots: 5\nconfig: {container: [1], snapshots: {a: b}}\n"
    return tar_with(folder, "backup/index.yaml", index)


HOSTILE = {
    negative_size: "damaged header",
    negative_size_in_a_record: "damaged pax header",
    zeros_at_the_end: "more than the",
    a_large_file: "more than the",
    index_with_aliases: "has an alias",
    definition_of_odd_types: "$.snapshots: expected a list, got a whole number",
}


@pytest.mark.parametrize("made", HOSTILE)
def test_no_command_takes_it_for_good_or_hangs(
    shell: Shell, fake: FakeIncus, made: Callable[[Path], bytes]
) -> None:
    replace_archive(backup(), zipped(made(backup())))
    before, begun = dict(fake.world.instances), time.monotonic()
    for command, code in (
        (("restore", "instance", "web", "--target-name", "new"), 6),
        (("restore", "instance", "web", "--replace", "--yes"), 6),
        (("rehearse", "instance", "web", "--yes"), 6),
        (("verify",), 6),
    ):
        result = shell(*command)
        assert result.code == code, (command, result.err)
        assert HOSTILE[made] in " ".join((result.out + result.err).split())
        assert "defect" not in result.err
        assert "unexpected" not in result.err
        shutil.rmtree("repository/notes")  # so that the next one does not know of it
    assert list(fake.world.instances) == list(before)
    assert time.monotonic() - begun < 20
