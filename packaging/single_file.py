"""Make the single file from the wheel, with what is compiled in it for several Pythons.

Usage: single_file.py WHEEL OUTPUT
"""

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

OTHERS = ("3.12", "3.13", "3.14")
IN_PYTHON = {"backports.zstd": ("3.14",)}
"""What later Pythons have themselves."""
HERE = Path(__file__).parent
SITE, WHEELS = Path("build/single-file"), Path("build/wheels")
UNCHECKED = Path("build/unchecked")


def main(wheel: str, output: str) -> None:
    shutil.rmtree(SITE, ignore_errors=True)
    pip("install", "--no-compile", "--target", str(SITE), wheel)
    compiled = [
        f"{dist.name}=={dist.version}" for dist in distributions(path=[str(SITE)]) if is_compiled(dist)
    ]
    for python in OTHERS:
        add_compiled(compiled, python)
    shiv = [
        *("--compressed", "--site-packages", str(SITE), "--preamble", str(HERE / "preamble.py")),
        *(
            "--python",
            "/usr/bin/env python3",
            "--console-script",
            "incus-backup",
            "--output-file",
            str(UNCHECKED),
        ),
    ]
    run(sys.executable, "-m", "shiv.cli", *shiv)
    refuse_other_pythons(UNCHECKED, Path(output))


def is_compiled(dist: Distribution) -> bool:
    """Whether it has modules for one Python only."""
    return any(re.search(r"\.cpython-\d+.*\.so$", str(file)) for file in dist.files or ())


def add_compiled(requirements: list[str], python: str) -> None:
    """Put the compiled modules for another Python beside those that are there."""
    wanted = [each for each in requirements if python not in IN_PYTHON.get(each.partition("==")[0], ())]
    tags = ("--only-binary=:all:", "--python-version", python, "--implementation", "cp")
    pip("download", "--no-deps", *tags, "--dest", str(WHEELS / python), *wanted)
    for wheel in (WHEELS / python).glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(SITE, [each for each in archive.namelist() if each.endswith(".so")])


def refuse_other_pythons(made: Path, output: Path) -> None:
    """Have a Python that this file is not for say so first of all, whichever it is, and unpack nothing."""
    versions = sorted({sys.version_info[:2], *(tuple(map(int, each.split("."))) for each in OTHERS)})
    check = (HERE / "first.py").read_text().replace("VERSIONS = ()", f"VERSIONS = {tuple(versions)}")
    with made.open("rb") as file, output.open("wb") as target:
        target.write(file.readline())  # which interpreter it is for
        with zipfile.ZipFile(made) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
            for each in old.infolist():
                data = old.read(each)
                new.writestr(each, check.encode() + data if each.filename == "__main__.py" else data)
    output.chmod(0o755)


def pip(command: str, *arguments: str) -> None:
    run(sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *arguments)


def run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
