"""Whatever is in a policy or in a plan: it is carried out or refused with its place, never a traceback."""

import hashlib
import io
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import define, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incusbak.cli import run
from incusbak.render import FORMS
from tests.fake_incus import FakeIncus
from tests.world.full_estate import BACK_UP, full_estate
from tests.world.policy_texts import ENVIRONMENT, Policy, as_yaml, policies

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
DEFECT = re.compile(r"this is a defect|unexpected [A-Z]\w*: |Traceback")
PLACED = re.compile(r"(Error: )?policy\.yaml:\d+:\d+: .")
PATH = re.compile(r"Error: bad\.json: (not valid JSON: .*line \d+ column \d+|(not valid JSON: )?\$)")
CALM = [*settings().suppress_health_check, HealthCheck.function_scoped_fixture]
REUSED = settings(suppress_health_check=CALM)


@frozen
class Ended:
    code: int
    err: str


@define(repr=False)
class Home:
    """A user's folder with a repository, a good plan for it and a server."""

    folder: Path
    server: FakeIncus
    plan: dict[str, Any]

    def run(self, *arguments: str) -> Ended:
        told, complained = io.BytesIO(), io.BytesIO()
        out = io.TextIOWrapper(told, "utf-8")
        err = io.TextIOWrapper(complained, "utf-8", errors="backslashreplace", write_through=True)
        with redirect_stdout(out), redirect_stderr(err):
            code = run(arguments)
        said = complained.getvalue().decode()
        assert not DEFECT.search(said)
        return Ended(code, said)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder, server = tmp_path_factory.mktemp("home"), full_estate().server
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


# -- policies -----------------------------------------------------------------------------------------

TOKENS = st.sampled_from(
    [
        *("&a ", "*a", "<<: *a", "!!str ", "!x", "---\n", "%YAML 1.1\n", "? ", "- ", ": ", "\t", "\n", "  "),
        *("${", "${A}", "${POOL", "$${", "${POOL:-", "}", "${A:-${B}}", "[", "]", "{", "[" * 45, "{a: " * 45),
        *("9" * 400, "1e999", "-0", "0x1F", ".nan", "1_000", "yes", "~", "2026-01-01", '"\\ud800"', "'", '"'),
        *("\x00", "\x85", "\ufeff", "\u2028", "é", "name: ", "vars: {A: ${B}}\n", "version: 2\n", "99999w"),
    ]
)


@st.composite
def mangled(draw: st.DrawFn, policy: Policy) -> bytes:
    """Good YAML with some of it cut out, doubled or replaced."""
    text = as_yaml(policy)
    for _ in range(draw(st.integers(1, 4))):
        at, to = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        to = min(to, at + draw(st.sampled_from([0, 1, 8, 80])))
        text = text[:at] + draw(TOKENS | st.just(text[at:to] * 2) | st.just("")) + text[to:]
    return text.encode("utf-8", "surrogatepass")


POLICIES = st.binary(max_size=99) | policies().flatmap(mangled)


@given(data=POLICIES)
@REUSED
def test_any_policy_is_good_or_refused_line_by_line(home: Home, data: bytes) -> None:
    Path("policy.yaml").write_bytes(data)
    checked = home.run("validate", "-f", "policy.yaml", "--quiet")
    lines = checked.err.splitlines()
    assert checked.code in (0, 7, 64)  # 7: a rule can't match anything
    if checked.code == 64:
        assert [line for line in lines if not PLACED.match(line) and not line.startswith("Hint: ")] == []
    planned = home.run("plan", "-f", "policy.yaml", "--no-out", "--target", "dir:repository")
    assert planned.code in ((64,) if checked.code == 64 else (0, 1, 3, 7))


# -- plans --------------------------------------------------------------------------------------------

DEEP = json.loads('{"a":[' * 150 + "1" + "]}" * 150)
JUNK: Sequence[Any] = (
    *(None, True, 0, -1, 1.5, 10**30, -(10**400), 1e308, "", "x", "\ud800", "\x00\x1b[2J", "../..", [], {}),
    *("instance/default/web", "project/p", "config", "config@20260101T000000Z", "volume/a/b/c", "config@x"),
    *({"type": "delete", "ref": "profile/default/web"}, {"type": "restore"}, ["x"] * 3, "9" * 5000, DEEP),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield from places(inner, (*path, key))


def at(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def digest_of(plan: Any) -> str:
    """As ``codec.digest``, but of anything, however deep."""
    text = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def changed(plan_file: dict[str, Any], chance: Random) -> Any:
    """Change something, somewhere; mostly with a digest that is right again."""
    data = deepcopy(plan_file)
    for _ in range(chance.choice([1, 1, 2, 4])):
        *path, key = chance.choice([path for path in places(data) if path])
        there = at(data, path)
        match chance.randrange(5):
            case 0:
                there[key] = deepcopy(chance.choice(JUNK))
            case 1:
                del there[key]
            case 2:
                there[key] = deepcopy(at(data, chance.choice(list(places(data)))))
            case 3 if isinstance(there, list):
                there.insert(chance.randrange(len(there) + 1), deepcopy(there[key]))
            case 4 if isinstance(there, dict):
                there[chance.choice(["type", "x\x1b", ""])] = deepcopy(chance.choice(JUNK))
    if chance.random() < 0.9 and isinstance(data.get("plan"), dict):
        data["digest"] = digest_of(data["plan"])
    return data


def written(data: Any, chance: Random) -> bytes:
    """Write it as JSON, now and then with an error on the way."""
    text = json.dumps(data, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    if chance.random() < 0.8:
        return text
    cut = bytearray(text[: chance.choice([len(text), chance.randrange(len(text))])])
    if cut:
        cut[chance.randrange(len(cut))] = chance.randrange(256)
    return bytes(cut)


def check_plan(home: Home, data: bytes, form: str) -> None:
    Path("bad.json").write_bytes(data)
    shown = home.run("show", "bad.json", "--format", form)
    assert shown.code in (0, 64)
    if shown.code:
        assert PATH.match(shown.err), shown.err
    applied = home.run("apply", "bad.json", "--force", "--quiet")
    assert applied.code != 0 or shown.code == 0
    if applied.code == 64:
        assert PATH.match(applied.err), applied.err


@given(chance=st.randoms(use_true_random=False), form=st.sampled_from(FORMS))
@REUSED
def test_any_plan_is_sound_or_refused_with_its_place(home: Home, chance: Random, form: str) -> None:
    check_plan(home, written(changed(home.plan, chance), chance), form)


@given(data=st.binary(max_size=99), form=st.sampled_from(FORMS))
@REUSED
def test_any_bytes_are_no_plan(home: Home, data: bytes, form: str) -> None:
    check_plan(home, data, form)
