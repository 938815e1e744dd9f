"""restic repositories for tests: with snapshots that are made up, with a key that costs nothing, damaged.

Snapshot files are written in restic's own format (its design document, "Repository Format"): JSON, encrypted
with AES-256 in counter mode and authenticated with Poly1305-AES, named by the SHA-256 of the file.
"""

import hashlib
import json
import os
import secrets
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from tests.live.support import servers

# which bits of the key Poly1305 does not use
_R_MASK = bytes.fromhex("ffffff0ffcffff0ffcffff0ffcffff0f")


PASSWORD = "made up"
DEBIANS, NEWER = "0.14", "0.18"
VERSIONS = (DEBIANS, NEWER)


def folder_of(version: str) -> Path:
    """Where the binary of a version is: Debian 12's own, or that of the tools."""
    return {DEBIANS: Path("/usr/bin"), NEWER: servers.tools_folder() / "restic"}[version]


@frozen
class Restic:
    """One repository. ``host`` names a set of snapshots; restic forgets in each set by itself."""

    folder: Path
    version: str = NEWER

    def run(self, *arguments: str, data: bytes = b"") -> str:
        return self._run(*arguments, data=data).decode()

    def dump(self, snapshot: str, name: str) -> bytes:
        """Read a file of a snapshot."""
        return self._run("dump", snapshot, name)

    def _run(self, *arguments: str, data: bytes = b"") -> bytes:
        environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(self.folder)}
        command = [str(folder_of(self.version) / "restic"), "--no-cache", "--quiet", *arguments]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, input=data)
        return done.stdout

    def largest_pack(self) -> Path:
        return max((self.folder / "data").glob("*/*"), key=lambda path: path.stat().st_size)

    def init(self) -> None:
        self.run("init")

    def cheapen(self) -> None:
        """Put a key that is derived from the password at no cost in the place of the one there is."""
        master = self.run("cat", "masterkey").encode()
        (costly,) = (self.folder / "keys").iterdir()
        salt = secrets.token_bytes(64)
        derived = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=2, r=1, p=1, dklen=64)
        data = _sealed(json.dumps(json.loads(master)).encode(), derived[:32], derived[32:48], derived[48:])
        words = {"data": b64encode(data).decode(), "salt": b64encode(salt).decode()}
        key = {"kdf": "scrypt", "N": 2, "r": 1, "p": 1, "created": json.loads(costly.read_bytes())["created"]}
        cheap = json.dumps(key | {"username": "root", "hostname": "test"} | words).encode()
        (self.folder / "keys" / hashlib.sha256(cheap).hexdigest()).write_bytes(cheap)
        costly.unlink()

    def snapshots(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("snapshots", "--json", "--no-lock"))
        return found

    def replace(self, snapshot: dict[str, Any], data: bytes | None, *, name: str) -> None:
        """Put another file into the place of a snapshot's; None: nothing."""
        self.run("forget", snapshot["id"])
        if data is not None:
            tags = [f"--tag={tag}" for tag in snapshot["tags"]]
            self.run("backup", "--stdin", f"--stdin-filename={name}", *tags, data=data)

    def add(self, snapshots: Iterable[tuple[str, datetime]]) -> None:
        """Write snapshots, each of a host and with its time in the zone it was made in."""
        key = json.loads(self.run("cat", "masterkey"))
        encrypt = b64decode(key["encrypt"])
        mac_k, mac_r = (b64decode(key["mac"][part]) for part in ("k", "r"))
        for host, moment in snapshots:
            document = {"time": moment.isoformat(), "tree": "0" * 64, "paths": ["/x"], "hostname": host}
            sealed = _sealed(json.dumps(document).encode(), encrypt, mac_k, mac_r)
            (self.folder / "snapshots" / hashlib.sha256(sealed).hexdigest()).write_bytes(sealed)

    def kept(self, *rules: str) -> dict[str, set[datetime]]:
        """What of each host's snapshots ``restic forget`` would keep by these rules."""
        answer: list[dict[str, Any]] = json.loads(
            self.run("forget", "--dry-run", "--json", "--no-lock", "--group-by", "host", *rules)
        )
        return {
            group["host"]: {datetime.fromisoformat(snapshot["time"]) for snapshot in group["keep"] or ()}
            for group in answer
        }


def _sealed(text: bytes, encrypt: bytes, mac_k: bytes, mac_r: bytes) -> bytes:
    nonce = secrets.token_bytes(16)
    encryptor = Cipher(algorithms.AES(encrypt), modes.CTR(nonce)).encryptor()
    ciphertext = encryptor.update(text) + encryptor.finalize()
    block = Cipher(algorithms.AES(mac_k), modes.ECB()).encryptor()  # one block: what Poly1305-AES adds
    pad = block.update(nonce) + block.finalize()
    clamped = bytes(a & b for a, b in zip(mac_r, _R_MASK, strict=True))
    return nonce + ciphertext + Poly1305.generate_tag(clamped + pad, ciphertext)
