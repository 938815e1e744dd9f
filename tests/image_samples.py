"""Images small enough to make on the spot, which a real server takes."""

import hashlib
import io
import lzma
import tarfile
from collections.abc import Mapping

METADATA = """\
architecture: x86_64
creation_date: 1700000000
properties:
  os: sample
  description: {name}
"""


def tar_of(members: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def metadata_of(name: str) -> bytes:
    """The metadata of an image with this description, packed as image servers do."""
    return lzma.compress(tar_of({"metadata.yaml": METADATA.format(name=name).encode()}))


def unified_of(name: str) -> bytes:
    metadata = METADATA.format(name=name).encode()
    return tar_of({"metadata.yaml": metadata, "rootfs/data": name.encode() * 1000})


def squashfs_of(name: str) -> bytes:
    """Nothing that could be mounted, but it begins as a squashfs does."""
    return b"hsqs" + name.encode() * 1000


def fingerprint_of(*files: bytes) -> str:
    return hashlib.sha256(b"".join(files)).hexdigest()
