"""What is said goes where it can: a full disk or a closed stream is no defect, and undoes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from incusbak.model.refs import instance_ref
from incusbak.repositories import open_repository
from tests.cli.command import ROOT
from tests.samples import store


@pytest.fixture
def repository(tmp_path: Path) -> str:
    uri = f"dir:{tmp_path}/repository"
    store(open_repository(uri), instance_ref("default", "web"))
    return uri


def run(*arguments: str, redirected: str = "") -> "subprocess.CompletedProcess[str]":
    command = ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-m", "incusbak", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("line", ["list -q", "list --output json", "schema policy", "--help"])
def test_output_that_can_not_be_written_is_told(repository: str, line: str) -> None:
    done = run(
        *line.split(), *(["--target", repository] if line.startswith("list") else []), redirected=">/dev/full"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Error: the output can't be written: No space left on device",
        "Hint: what was done is done; make room where stdout goes, and ask again",
    ]


def test_that_nobody_can_be_told_keeps_nothing_from_being_done(repository: str) -> None:
    pin = ("pin", "*@*", "--target", repository)
    assert run(*pin, redirected="2>/dev/full").returncode == 0
    assert '"pinned": true' in run("list", "--output", "json", "--target", repository).stdout
    assert run("list", "--target", "dir:/nowhere/at/all", redirected="2>/dev/full").returncode == 10


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_one_that_nobody_reads(repository: str, redirected: str) -> None:
    done = run("list", "-q", "--target", repository, redirected=redirected)
    assert (done.returncode, done.stderr) == (0, "")
