"""Measure ``plan`` for a large server: seconds, memory, and requests to the server.

    python -m tests.bench.plan [--instances 1000] [--backups 30] [--runs 5]

Prints Markdown. Each run is a new process of the real command line; the server is the one in memory, behind
a unix socket, in this process. Fails where a target is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from attrs import evolve, field, frozen

from incusbak.model.policies import Keep
from tests.bench import launcher
from tests.bench.estate import Estate, make_estate, make_server
from tests.bench.serving import served

SECONDS_LIMIT, MEMORY_LIMIT_MIB = 2.0, 150
SIZES = (10, 100)
"""Smaller servers, for which as many requests have to be enough."""
_IMPORTS = "incusbak.cli.plan_cmd, incusbak.incus.server, incusbak.repositories.directory, incusbak.render"
_SELECT = 'select: {kind: instance, projects: ["*"]}'


@frozen
class Run:
    """What the launcher says of one process."""

    seconds: float
    cpu_seconds: float
    peak_kib: int
    code: int = 0


@frozen
class Row:
    """One case: ``steps`` of its plan, and the requests of each of its runs."""

    what: str
    runs: tuple[Run, ...]
    steps: int = 0
    requests: frozenset[int] = field(factory=frozenset)

    @property
    def seconds(self) -> float:
        return median(run.seconds for run in self.runs)

    @property
    def peak_mib(self) -> float:
        return max(run.peak_kib for run in self.runs) / 1024

    def cells(self) -> tuple[str, ...]:
        quickest = min(run.seconds for run in self.runs)
        cpu = median(run.cpu_seconds for run in self.runs)
        requests = ", ".join(map(str, sorted(self.requests)))
        times = (f"{seconds:.2f}" for seconds in (self.seconds, quickest, cpu))
        return self.what, *times, f"{self.peak_mib:.0f}", str(self.steps), requests


def policies(keep: Keep) -> Mapping[str, str]:
    """Write a policy for each case: the newest backups are an hour old, old ones were read 3 days ago."""
    kept = f"keep: {{daily: {keep.daily}, weekly: {keep.weekly}, monthly: {keep.monthly}}}"
    protect = f"version: 1\nprotect:\n  - name: all\n    {_SELECT}\n    {kept}\n"
    return {
        "nothing due": f"{protect}    backup: {{every: 24h}}\n    verify: {{every: 7d}}\n",
        "all due": f"{protect}    backup: {{every: 30m}}\n    verify: {{every: 2d}}\n",
        "restore all": f"version: 1\nrestore:\n  - name: all\n    {_SELECT}\n",
    }


def launch(argv: Sequence[str], folder: Path) -> Run:
    """Run one command in a process of its own."""
    others = ("INCUS", "XDG_", "PYTHON")
    env = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    env |= {"HOME": str(folder), "INCUS_SOCKET": str(folder / "socket"), "PYTHONPATH": str(Path.cwd())}
    env["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")  # compiled once, as what is installed is
    said = subprocess.run(
        [sys.executable, "-I", "-S", str(launcher.__file__), *argv],
        env=env,
        cwd=folder,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return Run(**json.loads(said))


def tool(folder: Path, estate: Estate, *arguments: str) -> Run:
    """Run the tool; it must succeed."""
    target = f"dir:{estate.repository}"
    run = launch([sys.executable, "-m", "incusbak", "--quiet", "--target", target, *arguments], folder)
    if run.code:
        raise SystemExit(f"{' '.join(arguments)}: exit code {run.code}")
    return run


def measure(folder: Path, estate: Estate, what: str, *, runs: int) -> Row:
    """Make the same plan some times over."""
    policy, plan = folder / "policy.yaml", folder / "plan.json"
    policy.write_text(policies(estate.keep)[what])
    done, counts = [], set()
    with served(estate.fake, folder / "socket") as requests:
        tool(folder, estate, "plan", "-f", str(policy), "--out", str(plan))  # the server makes its answers
        for _ in range(runs):
            before = len(requests)
            done.append(tool(folder, estate, "plan", "-f", str(policy), "--out", str(plan)))
            counts.add(len(requests) - before)
    steps = len(json.loads(plan.read_text())["plan"]["steps"])
    (folder / "socket").unlink()
    return Row(what, tuple(done), steps, frozenset(counts))


def rows_of(folder: Path, estate: Estate, *, runs: int) -> Iterator[Row]:
    """Measure every case; what is restored goes to a server that has nothing yet."""
    launch([sys.executable, "-c", f"import {_IMPORTS}"], folder)  # compiles
    imports = [launch([sys.executable, "-c", f"import {_IMPORTS}"], folder) for _ in range(runs)]
    yield Row("start and imports alone", tuple(imports))
    for what in policies(estate.keep):
        fake = make_server(0) if what == "restore all" else estate.fake
        yield measure(folder, evolve(estate, fake=fake), what, runs=runs)


def table(rows: Sequence[Row]) -> str:
    lines = [
        "| what | seconds | quickest | CPU seconds | peak MiB | steps | requests |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(row.cells())} |" for row in rows)])


def requests_by_size(folder: Path, *, backups: int, now: datetime) -> Mapping[int, Mapping[str, int]]:
    """Count the requests of each case for smaller servers."""
    found = {}
    for size in SIZES:
        estate = make_estate(folder, instances=size, backups=backups, now=now)
        rows = [row for row in rows_of(folder, estate, runs=1) if row.steps or row.requests]
        found[size] = {row.what: max(row.requests) for row in rows}
    return found


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="incusbak-bench-", dir="/var/tmp") as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--backups", type=int, default=30)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    now = datetime.now(UTC)
    with _folder() as folder:
        estate = make_estate(folder, instances=asked.instances, backups=asked.backups, now=now)
        with served(estate.fake, folder / "socket"):  # they are true backups
            tool(folder, estate, "verify", "instances", "machine-0000")
        (folder / "socket").unlink()
        rows = list(rows_of(folder, estate, runs=asked.runs))
        smaller = requests_by_size(folder, backups=asked.backups, now=now)
    print(f"\n### {asked.instances} instances, {asked.backups} backups of each\n\n{table(rows)}\n")
    print(f"Requests for smaller servers: {smaller}")
    over = [row.what for row in rows if row.seconds > SECONDS_LIMIT or row.peak_mib > MEMORY_LIMIT_MIB]
    over += [
        row.what for row in rows if {s[row.what] for s in smaller.values() if row.what in s} - row.requests
    ]
    if over:
        raise SystemExit(f"missed: {over}")


if __name__ == "__main__":
    main()
