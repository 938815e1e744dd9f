"""Which Incus versions there are, and how to get a server of each."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.live.support.daemon import Daemon
from tests.live.support.pod import Pod

VERSIONS = ("6.0", "7.0")
INSTALLER = Path(__file__).with_name("install.sh")


class NotInstalled(Exception):
    """Something the servers need is missing and could not be installed."""


def tools_folder() -> Path:
    """Where install.sh puts Incus 7.0 and the image."""
    return Path(os.environ.get("INCUSBAK_TOOLS", "/var/lib/incus-backup-dev"))


def image_file() -> Path:
    """The image known as `mini`."""
    return tools_folder() / "images/mini.tar.gz"


def install() -> None:
    """Install what is missing.  Takes no time if nothing is."""
    done = subprocess.run([str(INSTALLER)], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise NotInstalled(done.stderr.strip())


def _bindir(version: str) -> Path | None:
    return {"6.0": None, "7.0": tools_folder() / "incus7/bin"}[version]


@contextlib.contextmanager
def server(version: str = "6.0") -> Iterator[Daemon]:
    """A seeded server of its own; everything about it is gone afterwards."""
    with empty_server(version) as daemon:
        yield daemon.seed(image_file())


@contextlib.contextmanager
def empty_server(version: str = "6.0") -> Iterator[Daemon]:
    """A server as it is right after its installation: no pool, no image."""
    with Pod(bindir=_bindir(version)) as pod:
        yield Daemon(pod, version=version).start()
