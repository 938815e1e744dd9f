"""Run real commands of the single file with every Python of this machine: it works, or says which it needs.

Usage: check_single_file.py FILE
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

POLICY = "version: 1\ntarget: dir:repository\nprotect: [{name: all, select: {kind: instance}}]\n"
COMMANDS = {
    "--version": (0, "incus-backup "),
    "validate -f policy.yaml": (0, "good, 1 rule"),
    "schema plan": (0, "$schema"),
    "list --target dir:repository": (10, "there is no repository"),
    "backup instances --target dir:repository --compression zstd": (75, "No such file or directory"),
    "plan -f policy.yaml --no-out": (75, "check that the Incus daemon runs"),
}
"""Exit code and a part of what is said."""
MUST_WORK = ((3, 11), (3, 12), (3, 13), (3, 14))


def pythons() -> Iterator[str]:
    """Those on the path, and those of pyenv; each once."""
    names = ["python3", "python2.7", *(f"python3.{minor}" for minor in range(20))]
    folders = [*os.environ["PATH"].split(os.pathsep), "/usr/bin"]
    found = [Path(folder, name) for folder in folders for name in names]
    found = [path for path in found if "shims" not in path.parts]  # they choose one of pyenv's
    found += sorted(Path("~/.pyenv/versions").expanduser().glob("*/bin/python"))
    yield from sorted(
        {str(path.resolve()) for path in found if os.access(path, os.X_OK) and not path.is_dir()}
    )


def version_of(python: str) -> tuple[int, ...]:
    """Of a Python; of what does not run, such as a link to one that is not set up, the empty one."""
    asked = [python, "-c", "import sys; print('%d %d' % sys.version_info[:2])"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    return tuple(int(word) for word in said.stdout.split())


def problems(python: str, file: Path, folder: str) -> Iterator[str]:
    env = {**os.environ, "HOME": folder, "SHIV_ROOT": f"{folder}/shiv", "INCUS_SOCKET": f"{folder}/no.socket"}
    works = version_of(python) in MUST_WORK
    for line, (code, words) in COMMANDS.items():
        wanted = (code, words) if works else (1, "this file needs Python 3.11, ")
        done = subprocess.run(
            [python, str(file), *line.split()],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        if done.returncode != wanted[0] or wanted[1] not in said or "Traceback" in said:
            yield f"{python}: {line}: ended with {done.returncode}: {said[-500:]}"
    if Path(folder, "shiv").exists() != works:
        yield f"{python}: unpacked though it is of no use, or not at all"


def main(file: str) -> None:
    found = []
    for python in pythons():
        if not version_of(python):
            continue
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "policy.yaml").write_text(POLICY)
            wrong = list(problems(python, Path(file).resolve(), folder))
        print(f"{python}: {'wrong' if wrong else 'as it should be'}", file=sys.stderr)
        found += wrong
    sys.exit("\n".join(found) or 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
