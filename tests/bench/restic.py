"""Measure a restic repository beside a plain ``restic backup --stdin`` of the same tar, in one run.

No server is needed.

    INCUSBAK_BENCH_MIB=1024 python -m tests.bench.restic [0.14|0.18 …]

Prints Markdown: wall time, ratio to plain restic's, the size of the repository after it, and the peak memory
of our own process (VmHWM) and of the largest restic (ru_maxrss of those it waited for). A backup of ours is
three calls of restic: one that lists, one for the archive, one for the manifest; each derives the key from
the password. All contenders find the tar in memory.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from incusbak.durable import CHUNK_BYTES
from incusbak.model.refs import instance_ref
from incusbak.repositories import Caller, open_repository
from tests.bench.transfer import MEMORY_LIMIT_MIB, MIB
from tests.bench.verify import archive
from tests.live.support import servers
from tests.live.support.restic import PASSWORD, VERSIONS, folder_of
from tests.samples import MOMENT, manifest_of

WEB = instance_ref("default", "web")


@frozen
class Row:
    what: str
    seconds: float
    stored_mib: float
    own_mib: float
    restic_mib: float


def store(repository: Path, tar: Path) -> None:
    """Make a backup that holds the tar."""
    opened = open_repository(f"restic:{repository}", Caller("", repository.parent / "state"))
    with opened.lock(writing=True), opened.new_backup(WEB, MOMENT) as writer:
        with writer.file("export.tar") as file, tar.open("rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                file.write(chunk)
        writer.commit(manifest_of(writer.id, writer.files))


def check(repository: Path, _: Path) -> None:
    """Read the first backup as before a restore."""
    opened = open_repository(f"restic:{repository}", Caller("", repository.parent / "state"))
    opened.check(opened.catalog().of(WEB)[0], lambda _: None)


JOBS: dict[str, Callable[[Path, Path], None]] = {"store": store, "check": check}


def peaks() -> str:
    own = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return f"{own[1] if own else 0} {children}"


def row(what: str, argv: list[str], *, repository: Path, tar: Path | None = None) -> Row:
    """Run one contender; ours say how much memory they took."""
    begun = time.monotonic()
    with (tar or Path(os.devnull)).open("rb") as source:
        done = subprocess.run(argv, stdin=source, stdout=subprocess.PIPE, check=True)
    seconds = time.monotonic() - begun
    said = re.fullmatch(rb"(\d+) (\d+)", done.stdout[-40:].strip())
    own, restic = (int(each) / 1024 for each in said.groups()) if said else (0.0, 0.0)
    size = sum(path.stat().st_size for path in repository.rglob("*") if path.is_file()) / 2**20
    return Row(what, seconds, size, own, restic)


def rows_of(folder: Path) -> Iterator[Row]:
    tar, plain, ours = folder / "export.tar", folder / "plain", folder / "ours"
    with tar.open("wb") as file:
        file.writelines(archive())
    for repository in (plain, ours):
        subprocess.run(["restic", "-r", str(repository), "init"], check=True, stdout=subprocess.DEVNULL)
    restic = ["restic", "--quiet", "-r", str(plain)]
    backup = [*restic, "backup", "--stdin", "--stdin-filename", "export.tar"]
    for which in ("", ", the same again"):
        yield row(f"restic backup --stdin{which}", backup, repository=plain, tar=tar)
        own = [sys.executable, "-m", "tests.bench.restic", "store", str(ours), str(tar)]
        yield row(f"incus-backup's backup{which}", own, repository=ours)
    dump = ["sh", "-c", f"restic --quiet -r {plain} dump latest export.tar | sha256sum > /dev/null"]
    yield row("restic dump, sha256sum", dump, repository=plain)
    own = [sys.executable, "-m", "tests.bench.restic", "check", str(ours), str(tar)]
    yield row("incus-backup's check", own, repository=ours)


def table(rows: list[Row]) -> str:
    lines = [
        "| what | seconds | ratio | MiB in the repository | peak MiB | restic's |",
        "|---|---|---|---|---|---|",
    ]
    for number, each in enumerate(rows):
        ratio = each.seconds / rows[number - number % 2].seconds
        memory = f"{each.own_mib:.0f} | {each.restic_mib:.0f}" if each.own_mib else "|"
        lines.append(f"| {each.what} | {each.seconds:.1f} | {ratio:.2f} | {each.stored_mib:.0f} | {memory} |")
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in JOBS:
        JOBS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
        print(peaks())
        return
    servers.install()
    os.environ["RESTIC_PASSWORD"] = PASSWORD
    search, over = os.environ["PATH"], []
    for version in sys.argv[1:] or VERSIONS:
        os.environ["PATH"] = f"{folder_of(version)}:{search}"
        with tempfile.TemporaryDirectory(prefix="incusbak-bench-", dir="/var/tmp") as folder:
            os.environ["RESTIC_CACHE_DIR"] = f"{folder}/cache"
            rows = list(rows_of(Path(folder)))
        print(f"\n### restic {version}, {MIB} MiB\n\n{table(rows)}", flush=True)
        over += [each for each in rows if each.own_mib > MEMORY_LIMIT_MIB]
    if over:
        raise SystemExit(f"over {MEMORY_LIMIT_MIB} MiB: {over}")


if __name__ == "__main__":
    main()
