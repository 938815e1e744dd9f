"""A restic repository whose snapshots are made up: thousands in a second, to ask restic what it would forget.

Snapshot files are written in restic's own format (its design document, "Repository Format"): JSON, encrypted
with AES-256 in counter mode and authenticated with Poly1305-AES, named by the SHA-256 of the file.
"""

import hashlib
import json
import os
import secrets
import subprocess
from base64 import b64decode
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


@frozen
class Restic:
    """One repository. ``host`` names a set of snapshots; restic forgets in each set by itself."""

    folder: Path

    def run(self, *arguments: str) -> str:
        environment = {**os.environ, "RESTIC_PASSWORD": "made up", "RESTIC_REPOSITORY": str(self.folder)}
        command = [str(servers.tools_folder() / "restic/restic"), "--no-cache", "--quiet", *arguments]
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def init(self) -> None:
        self.run("init")

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
