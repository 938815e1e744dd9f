"""Whatever is in a manifest or a note: it costs one backup, and is no traceback.

Every field is given every wrong type, with checksums that fit. Many such backups are put beside the good ones
at once, each of a resource of its own; of those that are refused in the same words, one. A quick run draws a
few, always the same.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import frozen

from incusbak.errors import IncusbakError
from incusbak.model.refs import format_timestamp, parse_timestamp
from incusbak.repositories.reading import parse_manifest
from tests.cli.fuzzing import (
    POLICY,
    THOROUGH,
    WRONG,
    Home,
    fields,
    folder,
    home,
    one_of_each_type,
    some,
    spoil,
)

__all__ = ["folder", "home"]
Case = tuple[tuple[Any, ...], Any]
AT_ONCE = 60
FREE = 8
"""A field that takes more wrong values than these takes any of their type."""
READING = {
    ("list", "all", "--output", "json"): "instance/default/web@",
    ("list", "all"): "default/web ",
    ("verify",): "instance/default/web: done",
    ("verify", "--read-data", "none"): "instance/default/web: done",
    ("status", "-f", "fuzz.yaml"): "instance/default/web ",
    ("explain", "-f", "fuzz.yaml", "instance/default/web"): "newest  2",
    ("plan", "-f", "fuzz.yaml", "--no-out"): "+ instance/default/web",
    ("restore", "all", "--replace", "--dry-run"): "-/+ instance/default/web",
    ("prune", "--keep", "1", "--dry-run"): "Repository: ",
    ("rehearse", "instance", "web", "--dry-run"): "<= instance/default/web",
    ("restore", "config", "--dry-run"): "~ profile/default/web",
}
"""What each command says of what is sound."""
CODES = {0, 1, 3, 4, 5, 6, 7}


@frozen
class Sample:
    """A good backup in a folder of its kind, and others made after it."""

    kind: str
    place: Path
    good: Any

    def another(self, number: int) -> "Sample":
        """The same of another resource, or of another time of the configuration."""
        *_, name, timestamp = self.place.parts
        if self.kind == "config":
            name, timestamp = "config", format_timestamp(parse_timestamp(timestamp) - timedelta(hours=number))
            place = self.place.parent / timestamp
        else:
            name = f"{number:064x}" if self.kind == "images" else f"{name}-{number}"
            place = self.place.parents[1] / name / timestamp
        above = self.good["id"].partition("@")[0].rpartition("/")[0]
        good = {**self.good, "id": f"{above}/{name}@{timestamp}".lstrip("/")}
        if self.kind in ("instances", "volumes"):
            good = spoil(good, ("captured", "resource", "name"), name)
        return Sample(self.kind, place, good)

    def put(self, spoilt: Any, *, after: Path) -> None:
        """Store it spoilt, with checksums that fit and the files of another."""
        if self.place != after:
            shutil.copytree(after, self.place)
        text = json.dumps(spoilt).encode()
        (self.place / "manifest.json").write_bytes(text)
        sums = {file["name"]: file["sha256"] for file in self.good["files"]}
        sums["manifest.json"] = hashlib.sha256(text).hexdigest()
        (self.place / "checksums.txt").write_text("".join(f"{sums[name]}  {name}\n" for name in sums))


def sample(folder: Path, kind: str) -> Sample:
    place = sorted(path.parent for path in folder.glob(f"{kind}/**/manifest.json"))[-1]
    return Sample(kind, place, json.loads((place / "manifest.json").read_text()))


def refusal(manifest: Any) -> str:
    """In which words a manifest is refused, empty if it is not."""
    try:
        parse_manifest("a backup", json.dumps(manifest).encode())  # type: ignore[arg-type]  # for words alone
    except IncusbakError as error:
        return str(error)
    return ""


def cases(of: Sample, chance: Random) -> Iterator[tuple[Case, bool]]:
    """Give every field everything wrong.

    Of what is refused in the same words, that is one; of what a field takes that takes anything, one of each
    type.

    Yields:
        The case and whether the manifest is taken for sound.
    """
    told = {""}
    for path in some(chance, fields(of.good), 8):
        sound = []
        for value in WRONG:
            words = refusal(spoil(of.good, path, value))
            if words not in told:
                yield (path, value), False
            if not words:
                sound.append(value)
            told.add(words)
        for value in one_of_each_type(chance, sound) if len(sound) > FREE else sound:
            yield (path, value), True


def check(home: Home, *command: str, says: str = "") -> None:
    ended = home.run(*command, "--target", "dir:spoilt")
    assert ended.code in CODES, (command, ended)
    assert says in ended.out + ended.err, (command, ended)


def check_others(home: Home, chance: Random) -> None:
    """See that what is sound is dealt with, by every command."""
    for command in READING if THOROUGH else chance.sample(list(READING), 3):
        check(home, *command, says=READING[command])


def afresh(home: Home, folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(home.folder / "repository", folder)


@pytest.mark.parametrize("kind", ["instances", "volumes", "images", "config"])
def test_odd_manifests_cost_only_their_backups(home: Home, folder: Path, kind: str) -> None:
    chance, first = Random(1), sample(folder, kind)
    Path("fuzz.yaml").write_text(POLICY)
    drawn = some(chance, [case for case, _ in cases(first, chance)], AT_ONCE // 2)
    for start in range(0, len(drawn), AT_ONCE):
        afresh(home, folder)
        for number, (path, value) in enumerate(drawn[start : start + AT_ONCE], 1):
            one = first.another(number)
            one.put(spoil(one.good, path, value), after=first.place)
        check_others(home, chance)


def test_an_odd_configuration_is_no_traceback(home: Home, folder: Path) -> None:
    """Of which only the newest is brought back, so that there is one at a time."""
    chance, one = Random(1), sample(folder, "config")
    for kind in ("instances", "volumes", "images"):
        shutil.rmtree(folder / kind)
    sound = [case for case, is_sound in cases(one, chance) if is_sound]
    for path, value in some(chance, sound, 15):
        one.put(spoil(one.good, path, value), after=one.place)
        check(home, "restore", "config", "--dry-run", "--quiet")


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
    one = sample(folder, "instances")
    one.put(spoil(one.good, path, value), after=one.place)
    ended = home.run("verify", "all", "--target", "dir:spoilt")
    assert ended.code == 6, ended
    assert "manifest.json can't be understood" in ended.err
    check(home, "list", "all", says="default/web ")


def test_a_manifest_of_many_mebibytes_is_not_even_read(home: Home, folder: Path) -> None:
    one = sample(folder, "instances")
    one.put({**one.good, "tool_version": "x" * (17 << 20)}, after=one.place)
    ended = home.run("verify", "all", "--target", "dir:spoilt")
    assert (ended.code, "is larger than 16 MiB" in ended.err) == (6, True), ended


def test_no_note_breaks_a_command(home: Home, folder: Path) -> None:
    """Each kind of note is there once for every wrong value of every field of it."""
    chance = Random(2)
    Path("fuzz.yaml").write_text(POLICY)
    home.run("verify", "--target", "dir:spoilt", "-q")
    home.run("rehearse", "instance", "web", "--yes", "--target", "dir:spoilt", "-q")
    notes = one_of_each(sorted(folder.glob("notes/**/*.json")))
    assert len(notes) == 5
    for note in notes:
        good = json.loads(note.read_text())
        every = [(path, value) for path in fields(good) for value in WRONG]
        for path, value in some(chance, every, 10):
            other = f"{note.stem[:-8]}{secrets.token_hex(4)}.json"
            note.with_name(other).write_text(json.dumps(spoil(good, path, value)))
    check_others(home, chance)


def one_of_each(notes: Sequence[Path]) -> list[Path]:
    """One note of each kind of thing and of each kind of finding."""
    kinds = {(note.parts[note.parts.index("notes") + 1], note.stem.split("-")[2]): note for note in notes}
    return list(kinds.values())
