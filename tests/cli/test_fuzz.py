"""Whatever is in a policy or in a plan: it is carried out or refused with its place, never a traceback."""

import hashlib
import json
import re
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incusbak.render import FORMS
from tests.cli.fuzzing import JUNK, Home, at, home, places
from tests.world.policy_texts import Policy, as_yaml, policies

__all__ = ["home"]
PLACED = re.compile(r"(Error: )?policy\.yaml:\d+:\d+: .")
PATH = re.compile(r"Error: bad\.json: (not valid JSON: .*line \d+ column \d+|(not valid JSON: )?\$)")
CALM = [*settings().suppress_health_check, HealthCheck.function_scoped_fixture]
REUSED = settings(suppress_health_check=CALM)


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
