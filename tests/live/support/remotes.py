"""Servers on this machine that restic keeps repositories on: REST, SFTP, S3, and a remote of rclone."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_SSH_CONFIG = """Host backups
  HostName 127.0.0.1
  Port {port}
  User me
  IdentityFile {folder}/key
  StrictHostKeyChecking no
  UserKnownHostsFile {folder}/known
  LogLevel ERROR
"""


@contextmanager
def rest(folder: Path) -> Iterator[int]:
    """Serve a folder as restic's REST server does; yields the port."""
    port = _free_port()
    with _serving(["rclone", "serve", "restic", str(folder), "--addr", f"127.0.0.1:{port}"], port):
        yield port


@contextmanager
def sftp(folder: Path, work: Path) -> Iterator[str]:
    """Serve a folder by SFTP; yields a folder for PATH, with an ``ssh`` that knows the host ``backups``."""
    port, key = _free_port(), work / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (work / "config").write_text(_SSH_CONFIG.format(port=port, folder=work))
    ssh = work / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {work}/config "$@"\n')
    ssh.chmod(0o755)
    argv = ["rclone", "serve", "sftp", str(folder), "--addr", f"127.0.0.1:{port}", "--key", str(key)]
    with _serving([*argv, "--authorized-keys", f"{key}.pub"], port):
        yield str(ssh.parent)


@contextmanager
def s3() -> Iterator[str]:
    """Serve S3, with nothing in it; yields the address."""
    port = _free_port()
    with _serving([sys.executable, "-m", "moto.server", "-p", str(port)], port):
        yield f"http://127.0.0.1:{port}"


def rclone_remote(name: str, folder: Path) -> Mapping[str, str]:
    """The variables by which rclone knows a remote that is a folder."""
    prefix = f"RCLONE_CONFIG_{name.upper()}"
    return {f"{prefix}_TYPE": "alias", f"{prefix}_REMOTE": str(folder)}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def _serving(argv: Sequence[str], port: int) -> Iterator[None]:
    dying_with_us = ["setpriv", "--pdeathsig", "KILL", "--"]  # a killed run leaves no server behind
    server = subprocess.Popen([*dying_with_us, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on port {port}")
