"""Hypothesis strategies for policies, as YAML text, over every key of the language."""

import io
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from ruamel.yaml import YAML

ENVIRONMENT = {"STAGE": "shop", "FAST": "fast", "EMPTY": ""}
"""What ``${NAME}`` in these policies may stand for."""

DURATIONS = st.sampled_from(["1s", "90m", "24h", "7d", "2w", "1d12h", "99999w"])
PROJECTS = st.sampled_from(["default", "shop", "bare", "s*", "[sb]*", "!bare", "*", "${STAGE}", "nowhere"])
NAMES = st.sampled_from(
    [
        "*",
        "web",
        "web*",
        "!web",
        "w?b",
        "[!w]*",
        "db",
        "data",
        "fast/*",
        "default/data",
        "!*/data",
        "os",
        "gone*",
    ]
)
TEXTS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="$"), min_size=1, max_size=6)
WORDS = st.sampled_from(["sync", "sh", "-c", "", "echo ${HOME}", "two\nlines", "ü"])
COMMANDS = st.lists(st.tuples(st.sampled_from(["sync", "/bin/true"]), *[WORDS]).map(list), max_size=2)
KINDS = ("instance", "volume", "image", "config")
TIMES = st.sampled_from(["2026-01-02T00:00:00Z", "20260301T000000Z", "2030-01-01T00:00:00+02:00"])


def some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with some of these keys."""
    return st.fixed_dictionaries({}, optional=keys)


def several(values: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=most)


WHERE = st.dictionaries(
    st.sampled_from(["user.tier", "image.os", "os"]),
    st.sampled_from(["gold", "g*", "[gs]*", "*"]),
    max_size=2,
)
WIDE = st.just({"projects": ["*"]})
NARROW = some(projects=several(PROJECTS), names=several(NAMES), where=WHERE)
SELECTS = st.builds(
    lambda kind, more: {"kind": kind, **more},
    st.sampled_from(KINDS) | several(st.sampled_from(KINDS), 4),
    WIDE | WIDE | NARROW,
)
BACKUPS = some(
    every=DURATIONS,
    snapshot=st.booleans(),
    optimized=st.booleans(),
    compression=st.sampled_from(["zstd", "gzip", "xz", "none"]),
    images=st.sampled_from(["none", "referenced", "all"]),
    attached_volumes=st.booleans(),
    before=COMMANDS,
    after=COMMANDS,
    timeout=DURATIONS,
)
SETTINGS = {
    "backup": BACKUPS,
    "instances_may": several(st.sampled_from(["opt-in", "opt-out", "hooks"])),
}
PROTECT = st.builds(lambda select, more: {"select": select, **more}, SELECTS, some(**SETTINGS))
NO_NAME = some(
    project=st.sampled_from(["shop", "${STAGE}", "nowhere"]),
    pool=st.sampled_from(["default", "${POOL}", "gone"]),
)
VERSIONS = (
    st.just("latest") | st.sampled_from(["20260101T000000Z"]) | TIMES.map(lambda time: {"before": time})
)
RESTORE = st.builds(
    lambda select, conflict, more: {"select": select, **conflict, **more},
    SELECTS,
    st.sampled_from([{"if_present": how} for how in ("replace", "replace", "skip", "fail")] + [{}]),
    some(
        version=VERSIONS,
        to=NO_NAME | NO_NAME | NO_NAME | some(name=st.sampled_from(["copy", "web"])),
        identity=st.sampled_from(["preserve", "regenerate"]),
    ),
)


def renames(*names: str) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(names), st.sampled_from(names), max_size=2)


REST = some(
    name=TEXTS,
    target=st.just("dir:/srv/backups"),
    timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
    sensitive=several(st.sampled_from(["user.*", "*", "limits.cpu", "description"])),
    defaults=some(**SETTINGS),
    maps=some(
        pools=renames("default", "fast", "gone"),
        networks=renames("br0", "br1"),
        projects=renames("default", "shop", "bare"),
        profiles=renames("default", "web"),
    ),
    guards=some(max_replace=st.integers(0, 100).map(lambda share: f"{share}%")),
)
VARS = {"POOL": "fast", "UNUSED": "${STAGE:-x}"}
"""Defined by every policy."""


def policies(*, protect: int = 2, restore: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Whole policies as data, with at most so many rules."""

    def whole(rest: Mapping[str, Any], protects: Any, restores: Any) -> dict[str, Any]:
        rules = {
            section: [{"name": f"{section}-{number}", **rule} for number, rule in enumerate(rules)]
            for section, rules in (("protect", protects), ("restore", restores))
            if rules
        }
        return {"version": 1, "vars": VARS, **rest, **rules}

    return st.builds(whole, REST, _rules(PROTECT, protect), _rules(RESTORE, restore))


def _rules(rule: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(rule, min_size=min(most, 1), max_size=most)


def as_yaml(policy: Mapping[str, Any]) -> str:
    """Write a policy in block style; what is the same object in several places becomes an alias."""
    out = io.StringIO()
    YAML(typ="safe", pure=True).dump(dict(policy), out)
    return out.getvalue()
