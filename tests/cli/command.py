"""Run command lines in this process; no server is needed for what these tests say."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen

from incusbak.cli import run

ROOT = Path(__file__).parents[2]


@frozen
class Result:
    """How a command line ended."""

    code: int
    out: str
    err: str


@define
class Shell:
    """A user's shell in an empty home; its settings are what a test makes them."""

    home: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Result:
        self.capture.readouterr()
        code = run(arguments)
        captured = self.capture.readouterr()
        assert "Traceback" not in captured.err
        return Result(code, captured.out, captured.err)

    def fails(self, *arguments: str, code: int = 64) -> str:
        """Run what must be refused; return the first complaint."""
        result = self(*arguments)
        assert (result.code, result.out) == (code, ""), result.err
        assert result.err.startswith("Error: ")
        return result.err.removeprefix("Error: ")

    def file(self, name: str, content: str) -> str:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return str(path)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    for name in list(os.environ):
        if name.startswith(("INCUS", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("INCUS_SOCKET", str(tmp_path / "no.socket"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, capsys)


def process(*arguments: str, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the program as a process of its own, in a terminal of 80 columns."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def listed(result: Result) -> list[str]:
    """The addresses that ``list --output json`` shows."""
    assert result.code == 0, result.err
    rows: list[dict[str, Any]] = json.loads(result.out)
    return [row["address"] for row in rows]
