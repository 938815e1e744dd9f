"""Whatever is in a manifest, a note or an answer of the server: it costs one backup, and is no traceback.

Every field is given every wrong type, with checksums that fit. A quick run draws a few, always the same.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

from incusbak.incus import answers
from incusbak.model.documents import Document, Json
from tests.cli.test_fuzz import JUNK, Home, at, home, places
from tests.fake_incus import FakeIncus
from tests.world.full_estate import full_estate

__all__ = ["home"]
THOROUGH = bool(os.environ.get("THOROUGH"))
FEW = 10**9 if THOROUGH else 3
WRONG = (*JUNK, "2026-13-01T00:00:00Z", -5, "a/b", [None], [{}], {"name": 5})
POLICY = """
version: 1
protect:
  - name: all
    select: {kind: [instance, volume, image, config], projects: ["*"]}
    backup: {every: 1s}
    keep: {last: 1}
    verify: {every: 1s}
"""
READING = (
    ("list", "all", "--output", "json"),
    ("list", "all"),
    ("verify",),
    ("verify", "--read-data", "none"),
    ("status", "-f", "fuzz.yaml"),
    ("explain", "-f", "fuzz.yaml", "instance/default/web"),
    ("plan", "-f", "fuzz.yaml", "--no-out"),
    ("restore", "all", "--replace", "--dry-run"),
    ("prune", "--keep", "1", "--dry-run"),
    ("rehearse", "instance", "web", "--dry-run"),
    ("restore", "config", "--dry-run"),
)
CODES = {0, 1, 3, 4, 5, 6, 7}


@pytest.fixture
def folder(home: Home) -> Iterator[Path]:
    """A copy of the repository that a test may spoil."""
    place = home.folder / "spoilt"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(home.folder / "repository", place)
    Path("fuzz.yaml").write_text(POLICY)
    yield place
    shutil.rmtree(place)


def some(chance: Random, of: list[Any], count: int = FEW) -> list[Any]:
    return of if len(of) <= count else chance.sample(of, count)


def spoil(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Put something in the place of a field; ``...`` leaves it out."""
    spoilt = deepcopy(data)
    *above, key = path
    if value is ...:
        del at(spoilt, above)[key]
    else:
        at(spoilt, above)[key] = deepcopy(value)
    return spoilt


def sealed(backup: Path, manifest: Any) -> None:
    """Write a manifest, and checksums that fit."""
    text = json.dumps(manifest, ensure_ascii=True).encode()
    (backup / "manifest.json").write_bytes(text)
    lines = (backup / "checksums.txt").read_text().splitlines()
    digest = hashlib.sha256(text).hexdigest()
    kept = [line for line in lines if not line.endswith("manifest.json")]
    (backup / "checksums.txt").write_text("\n".join([*kept, f"{digest}  manifest.json", ""]))


def check(home: Home, *command: str) -> None:
    ended = home.run(*command, "--target", "dir:spoilt", "-q")
    assert ended.code in CODES, (command, ended)


def test_one_odd_manifest_costs_only_its_backup(home: Home, folder: Path) -> None:
    chance = Random(1)
    for kind in ("instances", "volumes", "images", "config"):
        backup = sorted(path.parent for path in folder.glob(f"{kind}/**/manifest.json"))[-1]
        good = json.loads((backup / "manifest.json").read_text())
        checksums = (backup / "checksums.txt").read_text()
        every = [(path, value) for path in places(good) if path for value in (..., *WRONG)]
        for path, value in some(chance, every):
            sealed(backup, spoil(good, path, value))
            for command in READING if THOROUGH else some(chance, list(READING), 2):
                check(home, *command)
        (backup / "manifest.json").write_text(json.dumps(good))
        sealed(backup, good)
        (backup / "checksums.txt").write_text(checksums)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("captured", "resource", "config"), 5),
        (("captured", "resource"), {}),
        (("captured", "resource", "name"), "\ud800"),
        (("captured", "snapshots"), [5]),
        (("captured", "snapshots"), [{}]),
        (("captured", "content_bytes"), -1),
        (("source", "name"), "\udcff"),
    ],
)
def test_the_others_are_listed_and_go_on(home: Home, folder: Path, path: Any, value: Any) -> None:
    backup = sorted(each.parent for each in folder.glob("instances/**/manifest.json"))[-1]
    sealed(backup, spoil(json.loads((backup / "manifest.json").read_text()), path, value))
    ended = home.run("verify", "all", "--target", "dir:spoilt")
    assert ended.code == 6, ended
    assert "manifest.json can't be understood" in ended.err
    check(home, "list", "all")


def test_a_manifest_of_many_mebibytes_is_not_even_read(home: Home, folder: Path) -> None:
    backup = sorted(each.parent for each in folder.glob("instances/**/manifest.json"))[-1]
    good = json.loads((backup / "manifest.json").read_text())
    sealed(backup, {**good, "tool_version": "x" * (17 << 20)})
    ended = home.run("verify", "all", "--target", "dir:spoilt")
    assert (ended.code, "is larger than 16 MiB" in ended.err) == (6, True), ended


def test_no_note_breaks_a_command(home: Home, folder: Path) -> None:
    chance = Random(2)
    home.run("verify", "--target", "dir:spoilt", "-q")
    notes = sorted(folder.glob("notes/**/*.json"))
    for note in some(chance, notes, FEW):
        text = note.read_text()
        good = json.loads(text)
        every = [(path, value) for path in places(good) if path for value in (..., *WRONG)]
        for path, value in some(chance, every):
            note.write_text(json.dumps(spoil(good, path, value)))
            for command in READING if THOROUGH else some(chance, list(READING), 2):
                check(home, *command)
        note.write_text(text)


class Odd:
    """A server of which one answer, the n-th, has something wrong in it."""

    def __init__(self, server: FakeIncus, number: int, spoilt: Callable[[Any], Any]) -> None:
        self._server, self._left, self._spoilt = server, number, spoilt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def _answer(self, data: Any) -> Any:
        self._left -= 1
        return self._spoilt(data) if self._left == 0 else data

    def get(self, path: str, *, project: str = "") -> Document:
        found = self._server.get(path, project=project)
        return Document(answers.one(path, self._answer(found.body), f"GET /1.0/{path}"), found.etag)

    def list(self, path: str, *, project: str = "", recursion: int = 1) -> tuple[Json, ...]:
        found = self._server.list(path, project=project, recursion=recursion)
        data = [each["url"] for each in found] if recursion == 0 else [*found]
        return answers.several(path, self._answer(data), f"GET /1.0/{path}", named=recursion == 0)


ASKING = (
    ("plan", "-f", "fuzz.yaml", "--no-out"),
    ("status", "-f", "fuzz.yaml"),
    ("backup", "all", "--dry-run"),
    ("backup", "instances", "web"),
    ("restore", "all", "--replace", "--dry-run"),
    ("restore", "instance", "web", "--replace", "--yes"),
    ("restore", "config", "--apply", "--yes"),
    ("init", "-"),
)


@pytest.mark.usefixtures("folder")
def test_an_odd_answer_is_an_error_that_names_the_request(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = Random(3)
    for _ in range(3000 if THOROUGH else 30):
        value = chance.choice([..., *WRONG])

        def spoilt(data: Any, value: Any = value) -> Any:
            path = chance.choice(list(places(data)))
            return spoil(data, path, value) if path else (None if value is ... else value)

        odd = Odd(full_estate().server, chance.randrange(1, 30), spoilt)
        monkeypatch.setattr("incusbak.incus.connect", lambda *_, odd=odd, **__: odd)
        check(home, *chance.choice(ASKING))
