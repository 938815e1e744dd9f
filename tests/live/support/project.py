"""An Incus project that belongs to one test."""

import secrets
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from tests.live.support.client import IncusError, with_query
from tests.live.support.daemon import Daemon

FEATURES = {
    "features.images": "false",  # the image is shared
    "features.profiles": "true",
    "features.storage.volumes": "true",
}


class Project:
    """A project with a default profile of its own, root disks on pool `default`."""

    def __init__(self, server: Daemon) -> None:
        self.server = server
        self.name = f"t{secrets.token_hex(5)}"
        server.api("POST", "/1.0/projects", {"name": self.name, "config": FEATURES})
        server.set_root_disk("default", project=self.name)

    def remove(self) -> None:
        """Remove the project with all that is in it, running or not.

        Once more if it failed half-way: an ephemeral instance goes away by itself when it is stopped.
        """
        with suppress(IncusError):
            self.server.api("DELETE", f"/1.0/projects/{self.name}?force=1")
            return
        self.server.api("DELETE", f"/1.0/projects/{self.name}?force=1")

    def remove_instances(self) -> None:
        """Remove all instances, running or not."""
        for url in self.api("GET", "/1.0/instances"):
            name = url.split("?")[0].rsplit("/", 1)[-1]
            self.incus("delete", "--force", name)

    def api(self, method: str, url: str, body: object = None, **more: Any) -> Any:
        """Daemon.api within this project."""
        return self.server.api(method, with_query(url, f"project={self.name}"), body, **more)

    def incus(self, *argv: str, stdin: IO[bytes] | int = subprocess.DEVNULL, timeout: float = 120) -> str:
        """Run the command line client within this project."""
        return self.server.incus("--project", self.name, *argv, stdin=stdin, timeout=timeout)

    def launch(
        self,
        name: str,
        image: str = "mini",
        *,
        pool: str | None = None,
        config: Mapping[str, str] | None = None,
        devices: Mapping[str, Mapping[str, str]] | None = None,
        profiles: Sequence[str] = ("default",),
        start: bool = True,
    ) -> None:
        """Create a container and, by default, start it.  `pool` puts its root disk there."""
        root = {"root": {"type": "disk", "path": "/", "pool": pool}} if pool else {}
        instance = {
            "name": name,
            "source": {"type": "image", "alias": image},
            "config": dict(config or {}),
            "devices": {**root, **(devices or {})},
            "profiles": list(profiles),
            "start": start,
        }
        self.api("POST", "/1.0/instances", instance)

    def exec(self, name: str, argv: Sequence[str], timeout: float = 120) -> str:
        """Run a command in a container; return what it printed.

        Recorded by the server: its command line client loses output now and then when a machine is busy.
        """
        body = {
            "command": list(argv),
            "wait-for-websocket": False,
            "record-output": True,
            "interactive": False,
        }
        ended = self.api("POST", f"/1.0/instances/{name}/exec", body, timeout=timeout)["metadata"]
        out, err = (self._taken(ended["output"][stream]) for stream in ("1", "2"))
        if ended["return"]:
            raise IncusError(f"{argv} in {name} ended with exit code {ended['return']}: {err or out}")
        return out

    def _taken(self, url: str) -> str:
        """Read a recording, and have it removed."""
        with self.server.request("GET", with_query(url, f"project={self.name}")) as response:
            text = response.read().decode(errors="replace")
        self.api("DELETE", url)
        return text

    def put_file(self, name: str, path: str, data: bytes) -> None:
        """Write a file in a container, running or not."""
        headers = {"Content-Type": "application/octet-stream", "X-Incus-type": "file"}
        self.api("POST", f"/1.0/instances/{name}/files?path={path}", data=data, headers=headers)

    def get_file(self, name: str, path: str) -> bytes:
        """Read a file of a container, running or not."""
        url = f"/1.0/instances/{name}/files?path={path}&project={self.name}"
        with self.server.request("GET", url) as response:
            if response.status != 200:
                raise FileNotFoundError(path)
            return response.read()

    def stop(self, name: str, *, force: bool = False) -> None:
        """Stop a container."""
        body = {"action": "stop", "force": force, "timeout": 30}
        self.api("PUT", f"/1.0/instances/{name}/state", body)

    def wait_status(self, name: str, status: str, timeout: float = 30) -> None:
        """Wait until a container is "Running" or "Stopped"."""
        self.server.wait_status(f"/1.0/instances/{name}?project={self.name}", status, timeout)
