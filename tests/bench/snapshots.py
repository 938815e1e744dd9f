"""Measure backup and restore of an instance with many snapshots beside the official client, in one run.

    INCUSBAK_BENCH_SNAPSHOTS=336 python -m tests.bench.snapshots [6.0|7.0 …]

336 snapshots are those of two weeks, one each hour. Each expires, which the official client forgets and the
tool brings back. Prints Markdown: wall time, ratio to the official client's, and what came back. Needs root.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from attrs import frozen

from tests.bench.transfer import Measured, measure, new_folder
from tests.live.support import servers
from tests.live.support.daemon import Daemon
from tests.live.tool import Tool

NUMBER = int(os.environ.get("INCUSBAK_BENCH_SNAPSHOTS", "336"))
NEVER = "0001-01-01T00:00:00Z"
NAME = "many"


@frozen
class Row:
    measured: Measured
    ratio: float
    expiring: int


def rows_of(server: Daemon, folder: Path, pool: str) -> Iterator[Row]:
    """Export and import one container, with the official client and with the tool."""
    tool = Tool(server.socket, folder)
    env = {**tool.environment(), "INCUS_CONF": str(folder / "client")}
    own = [sys.executable, "-m", "incusbak"]
    client = shutil.which("incus", path=server.pod.path) or "incus"
    file = folder / "official.tar"
    run = partial(measure, env=env, size_of=lambda: 0)
    take_snapshots(server, pool)
    official = run("incus export (zstd)", [client, "export", NAME, str(file), "--compression", "zstd"])
    yield Row(official, 1, expiring(server))
    ours = run("incus-backup backup", [*own, "backup", "instance", NAME])
    yield Row(ours, ours.seconds / official.seconds, expiring(server))
    server.incus("delete", "--force", NAME, timeout=600)
    official = run("incus import", [client, "import", str(file), NAME])
    yield Row(official, 1, expiring(server))
    server.incus("delete", "--force", NAME, timeout=600)
    ours = run("incus-backup restore", [*own, "restore", "instance", NAME, "--no-start"])
    yield Row(ours, ours.seconds / official.seconds, expiring(server))


def take_snapshots(server: Daemon, pool: str) -> None:
    server.incus("init", "mini", NAME, "--storage", pool, "--config", "snapshots.expiry=4w")
    for number in range(NUMBER):
        server.api("POST", f"/1.0/instances/{NAME}/snapshots", {"name": f"s{number}"})


def expiring(server: Daemon) -> int:
    """How many snapshots have a date of expiry."""
    found = server.api("GET", f"/1.0/instances/{NAME}/snapshots?recursion=1")
    return sum(each["expires_at"] != NEVER for each in found)


def table(rows: list[Row]) -> str:
    lines = ["| what | seconds | ratio | peak MiB | snapshots that expire |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.measured.what} | {row.measured.seconds:.1f} | {row.ratio:.2f} "
        f"| {row.measured.peak_mib:.0f} | {row.expiring} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    servers.install()
    for version in sys.argv[1:] or servers.VERSIONS:
        for pool in ("default", "bt"):
            with servers.server(version) as server, new_folder() as folder:
                rows = list(rows_of(server, folder, pool))
            print(f"\n### Incus {version}, pool {pool}, {NUMBER} snapshots\n\n{table(rows)}", flush=True)


if __name__ == "__main__":
    main()
