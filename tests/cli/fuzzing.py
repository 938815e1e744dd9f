"""What the fuzz tests share: a home in which commands run, wrong values, and the places to put them."""

import faulthandler
import io
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from copy import deepcopy
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from attrs import define, frozen
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from incusbak.cli import run
from tests.fake_incus import FakeIncus
from tests.world.full_estate import BACK_UP, full_estate
from tests.world.policy_texts import ENVIRONMENT

T = TypeVar("T")
THOROUGH = bool(os.environ.get("THOROUGH"))
BRING_BACK = """
version: 1
protect:
  - {name: all, select: {kind: [instance, volume, image, config], projects: ["*"]}, backup: {every: 1s}}
restore:
  - name: back
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    version: {before: %s}
    if_present: replace
"""
POLICY = """
version: 1
protect:
  - name: all
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    backup: {every: 1s}
    keep: {last: 1}
    verify: {every: 1s}
"""
"""A rule for everything, each promise of which is broken."""
DEFECT = re.compile(r"this is a defect|unexpected [A-Z]\w*: |Traceback")
DEEP = json.loads('{"a":[' * 150 + "1" + "]}" * 150)
JUNK: Sequence[Any] = (
    *(None, True, 0, -1, 1.5, 10**30, -(10**400), 1e308, "", "x", "\ud800", "\x00\x1b[2J", "../..", [], {}),
    *("instance/default/web", "project/p", "config", "config@20260101T000000Z", "volume/a/b/c", "config@x"),
    *({"type": "delete", "ref": "profile/default/web"}, {"type": "restore"}, ["x"] * 3, "9" * 5000, DEEP),
)
WRONG: Sequence[Any] = (..., *JUNK, "2026-13-01T00:00:00Z", -5, "a/b", [None], [{}], {"name": 5})
"""What a field is given; ``...`` leaves it out."""

LONGEST = 120
"""Seconds after which a command hangs, on whatever machine: all ends, and shows where it was."""


@frozen
class Ended:
    code: int
    out: str
    err: str


@define(repr=False)
class Home:
    """A user's folder with a repository, a good plan for it and a server."""

    folder: Path
    server: FakeIncus
    plan: dict[str, Any]

    def run(self, *arguments: str) -> Ended:
        told, complained = io.BytesIO(), io.BytesIO()
        out = io.TextIOWrapper(told, "utf-8", write_through=True)
        err = io.TextIOWrapper(complained, "utf-8", errors="backslashreplace", write_through=True)
        faulthandler.dump_traceback_later(LONGEST, exit=True)
        with redirect_stdout(out), redirect_stderr(err):
            code = run(arguments)
        faulthandler.cancel_dump_traceback_later()
        said = complained.getvalue().decode()
        defects = [line for line in said.splitlines() if DEFECT.search(line)]
        assert not defects, (arguments, defects)
        return Ended(code, told.getvalue().decode(), said)


class _Compiled(BytecodeCache):
    """Templates that this process compiled before: that takes longer than most commands."""

    def __init__(self) -> None:
        self._codes: dict[str, Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key] = bucket.code


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder, server = tmp_path_factory.mktemp("home"), full_estate().server
    make_environment = partial(Environment, bytecode_cache=_Compiled())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in [name for name in os.environ if name.startswith(("INCUS", "XDG_"))]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder))
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setattr(time, "sleep", lambda _: None)
        patch.setattr("incusbak.incus.connect", lambda *_, **__: server)
        patch.setattr("incusbak.cli.guarding.guard_for", lambda _: lambda _: nullcontext())
        patch.setattr("incusbak.render.templating.Environment", make_environment)
        made = Home(folder, server, {})
        _make_plan(made)
        yield made


def _make_plan(home: Home) -> None:
    """Back up, let things go and change, and plan to bring them back."""
    Path("policy.yaml").write_text(BACK_UP)
    target = ("--target", "dir:repository", "--quiet")
    assert home.run("plan", "-f", "policy.yaml", *target).code == 0
    assert home.run("apply", "plan.json").code == 0
    last = max(path.parent.name for path in Path().glob("repository/*/**/manifest.json"))
    del home.server.world.instances["default", "db"]
    home.server.world.profiles["default", "web"]["config"] = {"environment.X": "y"}
    Path("policy.yaml").write_text(BRING_BACK % last)
    assert home.run("plan", "-f", "policy.yaml", *target).code == 0
    home.plan = json.loads(Path("plan.json").read_text())


@pytest.fixture
def folder(home: Home) -> Iterator[Path]:
    """A copy of the repository that a test may spoil."""
    place = home.folder / "spoilt"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(home.folder / "repository", place)
    yield place
    shutil.rmtree(place)


# -- wrong values --------------------------------------------------------------------------------------


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield from places(inner, (*path, key))


def fields(value: Any) -> list[tuple[Any, ...]]:
    """Find the places that differ in more than in which of a list's items they are."""
    first: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for path in places(value):
        first.setdefault(tuple("*" if isinstance(key, int) else key for key in path), path)
    return list(first.values())


def at(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def spoil(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Put something in the place of a field; ``...`` leaves it out. All that is beside the way is shared."""
    if not path:
        return None if value is ... else value
    key, *below = path
    spoilt = data.copy()
    if below:
        spoilt[key] = spoil(data[key], tuple(below), value)
    elif value is ...:
        del spoilt[key]
    else:
        spoilt[key] = deepcopy(value)
    return spoilt


def some(chance: Random, of: Sequence[T], count: int) -> Sequence[T]:
    """Take a few, or in a thorough run all."""
    return of if THOROUGH or len(of) <= count else chance.sample(of, count)


def type_of(value: Any) -> str:
    """What a wrong value stands for: its type, and of texts how odd they are."""
    if isinstance(value, str):
        return "halves" if "\ud800" in value else "long" if len(value) > 99 else "control" * ("\0" in value)
    return type(value).__name__


def one_of_each_type(chance: Random, values: Sequence[Any]) -> list[Any]:
    return list({type_of(value): value for value in chance.sample(values, len(values))}.values())
