"""Whatever a server answers: it is an error that names the request, or no more than odd, and no traceback.

Of the answers that a command asks for, each field is given something of each wrong type. What the reader of
answers refuses, it refuses in words that name the request: one of them is taken through the whole command, as
is all that it lets pass. A quick run draws a few, always the same.
"""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import frozen

from incusbak.errors import NotUnderstood
from incusbak.incus import answers
from incusbak.model.documents import Document, Json
from tests.cli.fuzzing import POLICY, WRONG, Home, fields, folder, home, one_of_each_type, some, spoil
from tests.fake_incus import FakeIncus
from tests.world.full_estate import full_estate
from tests.world.twins import twin

__all__ = ["folder", "home"]
ASKING = (
    ("plan", "-f", "fuzz.yaml", "--no-out"),
    ("status", "-f", "fuzz.yaml"),
    ("backup", "all", "--dry-run"),
    ("backup", "instances", "web"),
    ("restore", "all", "--replace", "--dry-run"),
    ("restore", "instance", "web", "--replace", "--yes"),
    ("restore", "config", "--apply", "--yes"),
    ("rehearse", "instance", "web", "--yes"),
    ("init", "-"),
)
CODES = {0, 1, 3, 4, 5, 6, 7}
AFRESH_AFTER = 25


@frozen
class Request:
    """A request by its form: those that differ in names alone are one."""

    path: str
    recursion: int | None = None

    @property
    def form(self) -> "Request":
        steps = self.path.partition("?")[0].split("/")
        return Request(
            "/".join(["*" if number % 2 else step for number, step in enumerate(steps)]), self.recursion
        )

    def read(self, data: Any) -> Any:
        """Take an answer as the client of real servers does."""
        if self.recursion is None:
            return answers.one(self.path, data, f"GET /1.0/{self.path}")
        named = self.recursion == 0
        return answers.several(self.path, data, f"GET /1.0/{self.path}", named=named)

    def refusal(self, data: Any) -> str:
        """In which words an answer is refused, empty if it is not."""
        try:
            self.read(data)
        except NotUnderstood as error:
            return error.message
        return ""


Change = Callable[[Request, Any], Any]


@frozen
class Odd:
    """A server whose answers are changed on their way."""

    _server: FakeIncus
    _change: Change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def get(self, path: str, *, project: str = "") -> Document:
        found, request = self._server.get(path, project=project), Request(path)
        return Document(request.read(self._change(request, found.body)), found.etag)

    def list(self, path: str, *, project: str = "", recursion: int = 1) -> tuple[Json, ...]:
        found, request = (
            self._server.list(path, project=project, recursion=recursion),
            Request(path, recursion),
        )
        data = [each["url"] for each in found] if recursion == 0 else [*found]
        taken: tuple[Json, ...] = request.read(self._change(request, data))
        return taken


_estate = cache(full_estate)


@frozen
class Asking:
    """A command that can be run again and again against servers that change an answer."""

    home: Home
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    command: tuple[str, ...]

    def run(self, change: Change) -> None:
        odd = Odd(twin(_estate()).server, change)
        self.monkeypatch.setattr("incusbak.incus.connect", lambda *_, **__: odd)
        shutil.rmtree(self.home.folder / ".local", ignore_errors=True)
        ended = self.home.run(*self.command, "--target", "dir:spoilt", "-q")
        assert ended.code in CODES, ended

    def answers(self) -> dict[Request, tuple[Request, Any]]:
        """What is asked for and answered, for each form of request the first."""
        seen: dict[Request, tuple[Request, Any]] = {}

        def note(request: Request, data: Any) -> Any:
            seen.setdefault(request.form, (request, data))
            return data

        self.run(note)
        return seen

    def afresh(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.home.folder / "repository", self.folder)


def odd_answers(request: Request, good: Any, chance: Random) -> Iterator[Any]:
    """All that passes the reader, and one that does not."""
    refused = None
    for path in fields(good):
        for value in one_of_each_type(chance, WRONG):
            spoilt = spoil(good, path, value)
            if words := request.refusal(spoilt):
                assert f"/1.0/{request.path}: an answer of another form" in words
                refused = spoilt
            else:
                yield spoilt
    if refused is not None:
        yield refused


def first_of(form: Request, odd: Any) -> Change:
    """Put an odd answer in the place of the first of its form."""
    left = [odd]
    return lambda request, data: left.pop() if left and request.form == form else data


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_an_odd_answer_is_an_error_that_names_the_request(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    chance, asking = Random(3), Asking(home, folder, monkeypatch, command)
    Path("fuzz.yaml").write_text(POLICY)
    every = [
        (form, odd)
        for form, (request, good) in asking.answers().items()
        for odd in odd_answers(request, good, chance)
    ]
    for number, (form, odd) in enumerate(some(chance, every, 5)):
        if number % AFRESH_AFTER == 0:
            asking.afresh()
        asking.run(first_of(form, odd))
