"""One Incus daemon in a pod, to be set up, used and broken by tests."""

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

from tests.live.support import client, kernel
from tests.live.support.client import IncusError
from tests.live.support.pod import Pod

_SELDOM_TIDY = {"GOGC": "800"}
"""Memory is there, time is not: collecting garbage costs the daemons an eighth of theirs."""


class Daemon:
    """An incusd with a data folder of its own.

    `socket` is a path that anyone on the machine can use as INCUS_SOCKET.
    """

    def __init__(self, pod: Pod, name: str = "a", version: str = "") -> None:
        self.pod = pod
        self.version = version
        self.dir = pod.state / name
        self.socket = self.dir / "unix.socket"
        self._process: subprocess.Popen[bytes] | None = None

    # --- life ----------------------------------------------------------------
    def start(self, timeout: float = 30) -> "Daemon":
        """Start the daemon and wait until it answers."""
        (self.dir / "logs").mkdir(parents=True, exist_ok=True)
        self.dir.chmod(0o711)
        command = ["incusd", "--logfile", str(self.dir / "incusd.log")]
        with (self.dir / "incusd.out").open("ab") as out:
            self._process = subprocess.Popen(
                self.pod.command(command, {"INCUS_DIR": str(self.dir), **_SELDOM_TIDY}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        kernel.wait_until(self._is_ready, timeout, "start of incusd")
        return self

    def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("incusd has ended: " + (self.dir / "incusd.out").read_text()[-3000:])
        try:
            self.api("GET", "/internal/ready", timeout=30)
        except (OSError, IncusError, http.client.HTTPException):
            return False
        return True

    @property
    def pid(self) -> int:
        """The daemon's process id on the machine, for os.kill."""
        if self._process is not None:
            pid = kernel.child_of(self._process.pid, self.pod.processes())
            if pid is not None:
                return pid
        raise ProcessLookupError("incusd does not run")

    def kill9(self) -> None:
        """Crash the daemon.  Containers keep running, as they do on a real machine."""
        self._end(signal.SIGKILL)

    def hang(self, timeout: float = 10) -> None:
        """Stop the daemon where it is; SIGCONT lets it go on.

        A thread that the kernel lets send a file stops when that is sent or nobody reads on,
        so this waits for all of them, and nothing may be read from the daemon meanwhile.
        """
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        kernel.wait_until(lambda: kernel.is_stopped(pid), timeout, "stop of incusd")

    def terminate(self) -> None:
        """Stop the daemon in good order.  Containers keep running."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals, timeout: float = 30) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        if self._process is not None:
            self._process.wait(timeout)

    # --- use -----------------------------------------------------------------
    def api(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        data: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
        wait: bool = True,
        timeout: float = 120,
    ) -> Any:
        """Call the API; return the metadata, or the finished operation."""
        more = {"body": body, "data": data, "headers": headers}
        return client.call(self.socket, method, url, wait=wait, timeout=timeout, **more)

    def request(self, method: str, url: str, **more: Any) -> http.client.HTTPResponse:
        """Call the API and return the unread answer, for downloads."""
        return client.request(self.socket, method, url, **more)

    def incus(self, *argv: str, stdin: IO[bytes] | int = subprocess.DEVNULL, timeout: float = 120) -> str:
        """Run the command line client of the same version; return its output."""
        folder = str(self.dir)
        env = {"INCUS_DIR": folder, "HOME": folder, "INCUS_CONF": f"{folder}/cli"}
        try:
            return self.pod.run("incus", *argv, env=env, stdin=stdin, timeout=timeout).stdout
        except subprocess.TimeoutExpired as error:
            error.add_note(f"what the server works on: {self._operations()}")
            raise

    def _operations(self) -> object:
        """See, of a client that hangs, whether the server answers, and what it is at."""
        try:
            return self.api("GET", "/1.0/operations?recursion=1&all-projects=true", timeout=10)
        except (OSError, IncusError) as error:
            return f"no answer: {error!r}"

    def https(self, port: int = 8443) -> str:
        """Let the daemon listen on the network; return its URL."""
        address = f"{self.pod.address()}:{port}"
        self.api("PATCH", "/1.0", {"config": {"core.https_address": address}})
        return f"https://{address}"

    # --- set up --------------------------------------------------------------
    def seed(self, image: Path) -> "Daemon":
        """Pools `default` (dir) and `bt` (btrfs, sparse), a default profile, the image `mini`."""
        self.api("POST", "/1.0/storage-pools", {"name": "default", "driver": "dir"})
        self.api("POST", "/1.0/storage-pools", {"name": "bt", "driver": "btrfs", "config": {"size": "2GiB"}})
        self.set_root_disk("default")
        self.import_image(image, "mini")
        return self

    def set_root_disk(self, pool: str, project: str = "default") -> None:
        """Instances of the default profile get their root disk in `pool`."""
        root = {"type": "disk", "path": "/", "pool": pool}
        url = f"/1.0/profiles/default?project={project}"
        self.api("PATCH", url, {"devices": {"root": root}})

    def import_image(self, file: Path, alias: str, project: str = "default") -> None:
        """Upload an image and name it."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(file.stat().st_size),
        }
        with file.open("rb") as stream:
            operation = self.api("POST", f"/1.0/images?project={project}", data=stream, headers=headers)
        target = operation["metadata"]["fingerprint"]
        body = {"name": alias, "target": target}
        self.api("POST", f"/1.0/images/aliases?project={project}", body)

    def add_small_pool(self, name: str, size: str = "16m", inodes: int | None = None) -> Path:
        """Add a dir pool that tests can fill; return its folder (see Pod.inside)."""
        folder = self.pod.state / "pools" / name
        self.pod.mount_tmpfs(folder, size, inodes)
        pool = {"name": name, "driver": "dir", "config": {"source": str(folder)}}
        self.api("POST", "/1.0/storage-pools", pool)
        return folder

    def limit_staging(self, size: str, inodes: int | None = None) -> Path:
        """Give the folder where Incus stages its backups a fixed size; return it."""
        folder = self.dir / "backups"
        self.pod.mount_tmpfs(folder, size, inodes)
        return folder

    def wait_status(self, url: str, status: str, timeout: float = 30) -> None:
        """Wait until the object at `url`, say an instance, has a status."""
        end = time.monotonic() + timeout
        while (seen := self.api("GET", url)["status"]) != status:
            if time.monotonic() > end:
                raise TimeoutError(f"{url}: {seen}, not {status}, after {timeout:g} s")
            time.sleep(0.05)
