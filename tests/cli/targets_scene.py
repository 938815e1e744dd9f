"""A policy with two targets on the command line; no server is needed."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Shell
from tests.fake_incus import FakeIncus

POLICY = """
version: 1
targets:
  local: dir:local
  offsite: {uri: "dir:mnt/offsite", keep: {monthly: 12}}
protect:
  - {name: all, select: {kind: instance, names: [web]}, backup: {every: 24h, images: none}, keep: {last: 3}}
  - {name: db, select: {kind: instance, names: [db]}, targets: [local]}
"""
PLAN = ("plan", "-f", "policy.yaml")
PLANS = ("plan-local.json", "plan-offsite.json")


@pytest.fixture
def two_instances() -> FakeIncus:
    """A server with two instances."""
    fake = FakeIncus()
    for name in ("db", "web"):
        fake.world.add_instance(name)
    return fake


@pytest.fixture
def tool(two_instances: FakeIncus, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The program with that server, and a disk for the repository off-site."""
    monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: two_instances)
    shell.file("policy.yaml", POLICY)
    (shell.home / "mnt").mkdir()
    return shell


def unplug(tool: Shell) -> None:
    """Take the disk of the repository off-site away."""
    (tool.home / "mnt").rename(tool.home / "elsewhere")


def planned(path: str) -> Any:
    return json.loads(Path(path).read_text())["plan"]


def files(tool: Shell) -> list[str]:
    return sorted(path.name for path in tool.home.glob("*.json"))


def backed_up(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder, "instances/default").iterdir())
