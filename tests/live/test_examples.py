"""The scripts in ``examples/`` run to their end, and fail where the tool does not do what they show."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sys.executable).parent


def run(script: str, *first_in_path: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script in an environment with settings of the user's own, which are not to be used."""
    path = os.pathsep.join([*map(str, first_in_path), str(BIN), os.environ["PATH"]])
    own = {"INCUS_REMOTE": "production", "INCUS_BACKUP_TARGET": "dir:/nowhere/at/all"}
    return subprocess.run(
        [EXAMPLES / script],
        env={**os.environ, **own, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("script", ["demo/run.sh", "gitops/run.sh"])
def test_an_example_runs_to_its_end(script: str) -> None:
    ended = run(script)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("# Done.")


@pytest.mark.usefixtures("_installed")
def test_the_pipeline_fails_if_a_plan_from_another_commit_is_applied(tmp_path: Path) -> None:
    careless = tmp_path / "incus-backup"
    real = shutil.which("incus-backup", path=str(BIN))
    careless.write_text(f'#!/bin/sh\n[ "$1" != apply ] || set -- apply "$2" "$5" "$6"\nexec {real} "$@"\n')
    careless.chmod(0o755)
    ended = run("gitops/run.sh", tmp_path)
    assert ended.returncode == 1
    assert "expected exit code 4" in ended.stderr
    assert ended.stdout.splitlines()[-1] == "[exit code 0]"
