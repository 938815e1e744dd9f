"""Measure ``verify`` of a 1 GiB archive beside ``sha256sum`` of the same file, in one run, without a server.

    INCUSBAK_BENCH_MIB=1024 python -m tests.bench.verify [zstd|none …]

Prints Markdown: wall time, ratio to ``sha256sum``, what was read per second, and peak memory (ru_maxrss, at
least that of the process that started it). Besides hashing, verify decompresses the archive and walks it to
its end mark. All contenders find the file in memory.
"""

import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from incusbak.kinds.archive.compression import compressed
from incusbak.model.backups import Compression, ExportOptions
from incusbak.model.refs import instance_ref
from incusbak.repositories import open_repository
from tests.bench.transfer import MEMORY_LIMIT_MIB, MIB, Measured, measure
from tests.samples import MOMENT, manifest_of

_PIECE = 1 << 20
_TEXT = b"".join(b"%08x: the quick brown fox\n" % (number * 7919) for number in range(40_000))[:_PIECE]


def archive() -> Iterator[bytes]:
    """Half random, half compressible data and 2,000 small files, as Incus lays an export out."""
    yield _member("backup/index.yaml", b'{"name": "web", "snapshots": []}')
    for number in range(2000):
        yield _member(f"backup/container/rootfs/data/{number}", b"file %d\n" % number)
    for name, is_random in (("random", True), ("text", False)):
        yield _header(f"backup/container/rootfs/{name}", MIB // 2 * _PIECE)
        for _ in range(MIB // 2):
            yield os.urandom(_PIECE) if is_random else _TEXT
    yield bytes(tarfile.RECORDSIZE)


def _member(name: str, data: bytes) -> bytes:
    return _header(name, len(data)) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def _header(name: str, size_bytes: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    return member.tobuf(tarfile.GNU_FORMAT)


def store(folder: Path, name: str, compression: Compression) -> Path:
    """Make a backup of such an archive and return its file."""
    repository = open_repository(f"dir:{folder}")
    with repository.new_backup(instance_ref("default", name), MOMENT) as writer:
        with writer.file(f"export{compression.suffix}") as file:
            for chunk in compressed(archive(), compression):
                file.write(chunk)
        manifest = manifest_of(writer.id, writer.files)
        captured = evolve(manifest.captured, resource={"name": "web"})
        writer.commit(evolve(manifest, captured=captured, options=ExportOptions(compression=compression)))
    return folder / f"instances/default/{name}" / writer.id.timestamp / f"export{compression.suffix}"


def rows_of(folder: Path, compression: Compression) -> Iterator[Measured]:
    """Read one archive with every contender, then two of them one by one and at once."""
    env = {**os.environ, "HOME": str(folder), "INCUS_BACKUP_DIR": str(folder / "repository")}
    verify = [sys.executable, "-m", "incusbak", "--quiet", "verify", "instances"]
    file = store(folder / "repository", "web", compression)
    size = file.stat().st_size
    yield measure("sha256sum", ["sha256sum", str(file)], env=env, size_of=lambda: size)
    openssl = ["openssl", "dgst", "-sha256", str(file)]
    yield measure("openssl dgst -sha256", openssl, env=env, size_of=lambda: size)
    if compression is Compression.ZSTD:
        yield measure("zstd --test", ["zstd", "-q", "--test", str(file)], env=env, size_of=lambda: size)
    yield measure("incus-backup verify", verify, env=env, size_of=lambda: size)
    store(folder / "repository", "db", compression)
    for parallel in ("1", "2"):
        what = f"incus-backup verify of two, --parallel {parallel}"
        yield measure(what, [*verify, "--parallel", parallel], env=env, size_of=lambda: 2 * size)


def table(rows: list[Measured]) -> str:
    base = rows[0].seconds / rows[0].size_mib
    lines = ["| what | seconds | ratio per byte | MiB/s | peak MiB |", "|---|---|---|---|---|"]
    for row in rows:
        speed = row.size_mib / row.seconds
        lines.append(
            f"| {row.what} | {row.seconds:.1f} | {1 / speed / base:.2f} | {speed:.0f} | {row.peak_mib:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    over = []
    for word in sys.argv[1:] or ("zstd", "none"):
        with tempfile.TemporaryDirectory(prefix="incusbak-bench-", dir="/var/tmp") as folder:
            rows = list(rows_of(Path(folder), Compression(word)))
        print(f"\n### {word}, {rows[0].size_mib:.0f} MiB stored\n\n{table(rows)}", flush=True)
        over += [
            row for row in rows if row.what.startswith("incus-backup") and row.peak_mib > MEMORY_LIMIT_MIB
        ]
    if over:
        raise SystemExit(f"over {MEMORY_LIMIT_MIB} MiB: {over}")


if __name__ == "__main__":
    main()
