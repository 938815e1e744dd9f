"""SIGKILL and SIGTERM while an image is restored: nothing half of it stays."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image_samples import metadata_of
from tests.live.gallery import MB, Gallery, add_rich, make_gallery
from tests.live.mortal import Moment, Mortal
from tests.live.support.daemon import Daemon
from tests.live.support.faultproxy import FaultProxy
from tests.live.thinning import some
from tests.live.tool import Tool


@pytest.fixture
def gallery(incus_server: Daemon, workdir: Path) -> Iterator[Gallery]:
    with make_gallery(incus_server, workdir) as gallery:
        yield gallery


def test_a_kill_leaves_nothing_half(gallery: Gallery, tool: Tool, fault_proxy: FaultProxy) -> None:
    """The next run, whatever it is for, removes what was on its way; the same command brings it all."""
    fingerprint = add_rich(gallery, metadata_of("eight"), b"hsqs" + os.urandom(2 * MB))
    before = gallery.seen(fingerprint)
    tool.do("backup", "images", fingerprint, "--project", "*")
    mortal = Mortal(tool, fault_proxy)
    restore = ("restore", "images", fingerprint, "--project", "*")
    gallery.delete(fingerprint)
    writes = mortal.writes_of(*restore)
    assert len(writes) >= 8
    inside = [Moment(1, at=MB)]
    every = {"6.0": 9, "7.0": 3}[gallery.first.server.version]
    around = [Moment(n, direction=way) for n in range(1, len(writes) + 1) for way in ("up", "down")]
    for number, moment in enumerate([*inside, *some(around, every)]):
        gallery.delete(fingerprint)
        assert mortal.kill_at(moment, *restore), moment
        assert tool.leftovers() != [], moment
        tool.do("backup", "images", "mini")
        assert tool.leftovers() == [], moment
        assert gallery.seen(fingerprint) in ({}, before), moment
        if number % 3 == 0:
            tool.do(*restore, "--skip-existing")
            assert gallery.seen(fingerprint) == before, moment


@pytest.mark.once
def test_the_same_command_goes_on_after_a_kill(gallery: Gallery, tool: Tool, fault_proxy: FaultProxy) -> None:
    fingerprint = add_rich(gallery, metadata_of("twelve"), b"hsqs" + os.urandom(2 * MB))
    before = gallery.seen(fingerprint)
    tool.do("backup", "images", fingerprint, "--project", "*")
    restore = ("restore", "images", fingerprint, "--project", "*")
    gallery.delete(fingerprint)
    mortal = Mortal(tool, fault_proxy)
    for moment in (Moment(1, at=MB), Moment(2), Moment(4)):  # in the upload, before its PUT and an alias
        assert mortal.kill_at(moment, *restore)
        tool.do(*restore)
        assert (gallery.seen(fingerprint), tool.leftovers()) == (before, [])
        gallery.delete(fingerprint)


@pytest.mark.once
def test_an_interrupted_upload_cleans_up_by_itself(
    gallery: Gallery, tool: Tool, fault_proxy: FaultProxy
) -> None:
    fingerprint = gallery.add(metadata_of("nine"), b"hsqs" + os.urandom(24 * MB), to=gallery.first)
    tool.do("backup", "images", fingerprint, "--project", gallery.first.name)
    gallery.delete(fingerprint)
    restore = ("restore", "images", fingerprint, "--project", gallery.first.name)
    ended = Mortal(tool, fault_proxy).signal_at(Moment(1, at=MB), signal.SIGTERM, *restore)
    assert ended.code == 143
    assert (gallery.seen(fingerprint), tool.leftovers()) == ({}, [])
