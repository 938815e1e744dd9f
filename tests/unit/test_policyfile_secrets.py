"""What comes from the environment may be a secret: wherever it is used wrongly, no message shows it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from incusbak.errors import PolicyError
from incusbak.policyfile import language, parse_policy

pytestmark = pytest.mark.no_cover  # see tests/conftest.py
SECRET = "hush-hush"
VALUES: dict[str, Any] = {
    "keep": {"last": 1, "within": "2d", "daily": 2},
    "verify": {"every": "7d"},
    "rehearse": {"every": "30d", "timeout": "1m", "probe": [["true"]]},
    "backup": {
        "every": "1d",
        "snapshot": True,
        "optimized": False,
        "compression": "zstd",
        "images": "none",
        "attached_volumes": True,
        "timeout": "5m",
        "before": [["sync"]],
        "after": [["sync"]],
    },
    "instances_may": ["opt-in"],
    "targets": ["local", "offsite"],
}
SETTINGS = {key: VALUES[key] for key in language.SETTINGS}
SELECT = {"kind": ["instance"], "projects": ["default"], "names": ["web"], "where": {"user.tier": "gold"}}
POLICY: dict[str, Any] = {
    "version": 1,
    "name": "all",
    "targets": {"local": "dir:/srv", "offsite": {"uri": "dir:/mnt", "keep": {"last": 1, "within": "2d"}}},
    "timezone": "UTC",
    "vars": {"A": "a"},
    "sensitive": ["user.*"],
    "defaults": SETTINGS,
    "protect": [{"name": "p", "select": SELECT, **SETTINGS}, {"name": "q", "select": {"kind": "volume"}}],
    "restore": [
        {
            "name": "r",
            "select": SELECT,
            "version": {"before": "2026-01-01T00:00:00Z"},
            "to": {"name": "x", "project": "y", "pool": "z"},
            "if_present": "fail",
            "identity": "preserve",
            "from": "local",
        },
        {"name": "s", "select": {"kind": "config"}, "version": "latest"},
    ],
    "maps": {part: {"old": "new"} for part in language.MAPS},
    "guards": {"max_replace": "30%"},
}
Path = tuple[Any, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a policy that a value can stand in."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*path, key))


def with_value(value: Any, path: Path, put: Any) -> Any:
    if not path:
        return put
    key, *rest = path
    changed = with_value(value[key], tuple(rest), put)
    if isinstance(value, dict):
        return {**value, key: changed}
    return [changed if index == key else each for index, each in enumerate(value)]


def message_of(policy: Any) -> str:
    """What is wrong with a policy when the secret is in the environment; empty if nothing is."""
    try:
        parse_policy(json.dumps(policy), "p.yaml", environment={"SECRET": SECRET})
    except PolicyError as error:
        return error.message
    return ""


PLACES = [path for path in places(POLICY) if path]
SHARED = {key: POLICY[key] for key in ("version", "targets")}
SECTIONS = {key: {**SHARED, key: section} for key, section in POLICY.items()}
"""Each section with what the others refer to."""


@pytest.mark.parametrize("key", SECTIONS)
def test_each_section_is_good_alone(key: str) -> None:
    """So what is said of it with a wrong value in it is about that value."""
    assert message_of(SECTIONS[key]) == ""


@pytest.mark.parametrize("text", ["${SECRET}", "a/${SECRET}\x01", "[${SECRET}", "${SECRET}${SECRET:-x}"])
@pytest.mark.parametrize("path", PLACES, ids=[".".join(map(str, path)) for path in PLACES])
def test_no_message_shows_a_value_from_the_environment(path: Path, text: str) -> None:
    assert SECRET not in message_of(with_value(SECTIONS[path[0]], path, text))


@pytest.mark.parametrize("text", ["${SECRET}", "dir:${SECRET}\x01"])
def test_no_message_shows_a_target_from_the_environment(text: str) -> None:
    message = message_of({"version": 1, "target": text})
    assert "the value of `${SECRET}` from the environment: " in message
    assert SECRET not in message


@pytest.mark.parametrize("path", PLACES, ids=[".".join(map(str, path)) for path in PLACES])
def test_no_message_shows_a_variable_that_was_made_of_one(path: Path) -> None:
    used = with_value(SECTIONS[path[0]], path, "x ${B}")
    message = message_of({**used, "vars": {"B": "of ${SECRET}"}} if path[0] != "vars" else used)
    assert SECRET not in message


def test_a_wrong_value_from_the_environment_is_named() -> None:
    policy = with_value(POLICY, ("protect", 0, "backup", "every"), "${B}")
    assert "the value of `${B}` from the environment: expected a duration" in message_of(
        {**policy, "vars": {"B": "${SECRET}"}}
    )
