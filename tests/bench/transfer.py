"""Measure backup and restore of a 1 GiB instance beside ``incus export`` and ``incus import``, in one run.

    INCUSBAK_BENCH_MIB=1024 python -m tests.bench.transfer [6.0|7.0 …]

Prints Markdown: wall time, ratio to the official client's default, size, and peak memory (ru_maxrss) of
the client process. The daemon's work is in the wall time and not in the memory. Needs root.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from attrs import frozen

from tests.live.support import servers
from tests.live.support.daemon import Daemon
from tests.live.tool import Tool

MIB = int(os.environ.get("INCUSBAK_BENCH_MIB", "1024"))
MEMORY_LIMIT_MIB = 80
_FILL = f"""
mkdir -p /data/small
dd if=/dev/urandom of=/data/random bs=1M count={MIB // 2} 2>/dev/null
i=0; while [ $i -lt 2000 ]; do echo "file $i" > /data/small/$i; i=$((i+1)); done
tar c /bin /data/small > /data/part; : > /data/text
while [ $(stat -c %s /data/text) -lt {MIB // 2 * 1048576} ]; do
cat /data/part /data/part /data/part /data/part >> /data/text; done; rm /data/part; sync
"""


@frozen
class Measured:
    what: str
    seconds: float
    peak_mib: float
    size_mib: float


def measure(
    what: str, argv: Sequence[str], *, env: Mapping[str, str], size_of: Callable[[], int]
) -> Measured:
    """Run one command; its memory is that of the process itself, not of the daemon's."""
    begun = time.monotonic()
    process = subprocess.Popen(argv, env=dict(env), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{what} failed: {argv}")
    return Measured(what, seconds, usage.ru_maxrss / 1024, size_of() / 2**20)


def rows_of(server: Daemon, folder: Path, state: str, pool: str) -> Iterator[Measured]:
    """Export and import one container with every contender."""
    tool, name = Tool(server.socket, folder), f"big-{pool}"
    env = {**tool.environment(), "INCUS_CONF": str(folder / "client")}
    own = [sys.executable, "-m", "incusbak"]
    client = shutil.which("incus", path=server.pod.path) or "incus"
    server.incus("launch", "mini", name, "--storage", pool)
    server.incus("exec", name, "--", "sh", "-c", _FILL, timeout=900)
    if state == "stopped":
        server.incus("stop", name)
    for compression in ("gzip", "zstd"):
        file = folder / f"official.{compression}"
        argv = [client, "export", name, str(file), "--compression", compression]
        yield measure(f"incus export ({compression})", argv, env=env, size_of=partial(os.path.getsize, file))
    yield measure(
        "incus-backup backup", [*own, "backup", "instances", name], env=env, size_of=lambda: _stored(tool)
    )
    server.incus("delete", "--force", name)
    argv = [client, "import", str(folder / "official.zstd"), name]
    yield measure("incus import (zstd)", argv, env=env, size_of=lambda: 0)
    server.incus("delete", "--force", name)
    argv = [*own, "restore", "instance", name, "--no-start"]
    yield measure("incus-backup restore", argv, env=env, size_of=lambda: 0)
    server.incus("delete", "--force", name)


def _stored(tool: Tool) -> int:
    return max(path.stat().st_size for path in tool.repository.rglob("export.tar*"))


@contextmanager
def new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="incusbak-bench-", dir="/var/tmp") as folder:
        yield Path(folder)


def table(rows: Sequence[Measured]) -> str:
    base = rows[0].seconds
    lines = ["| what | seconds | ratio | MiB written | peak MiB |", "|---|---|---|---|---|"]
    lines += [
        f"| {r.what} | {r.seconds:.1f} | {r.seconds / base:.2f} | {r.size_mib:.0f} | {r.peak_mib:.0f} |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> None:
    servers.install()
    over = []
    for version in sys.argv[1:] or servers.VERSIONS:
        for state, pool in (("stopped", "default"), ("running", "default"), ("running", "big")):
            with servers.server(version) as server, new_folder() as folder:
                size = {"size": f"{4 * MIB + 1024}MiB"}
                server.api("POST", "/1.0/storage-pools", {"name": "big", "driver": "btrfs", "config": size})
                rows = list(rows_of(server, folder, state, pool))
            print(f"\n### Incus {version}, {state}, pool {pool}, {MIB} MiB\n\n{table(rows)}", flush=True)
            over += [r for r in rows if r.what.startswith("incus-backup") and r.peak_mib > MEMORY_LIMIT_MIB]
    if over:
        raise SystemExit(f"over {MEMORY_LIMIT_MIB} MiB: {over}")


if __name__ == "__main__":
    main()
