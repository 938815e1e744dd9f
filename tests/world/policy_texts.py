"""Hypothesis strategies for policies as YAML text, over every key of the language."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st
from ruamel.yaml import YAML

from incusbak.policyfile import language

Policy = dict[str, Any]
Values = st.SearchStrategy[Any]

ENVIRONMENT = {"STAGE": "shop", "FAST": "fast", "EMPTY": ""}
"""What ``${NAME}`` in these policies may stand for."""
VARS = {"POOL": "fast", "UNUSED": "${STAGE:-x}"}
"""What every policy defines."""
FIRST_BACKUP = "20260101T000000Z"
"""When ``estates`` makes the first backups."""

DURATIONS = st.sampled_from(["1s", "90m", "24h", "7d", "2w", "1d12h", "99999w"])
TIMES = st.sampled_from(["2026-01-02T00:00:00Z", "20260301T000000Z", "2030-01-01T00:00:00+02:00"])
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
COMMANDS = st.lists(st.tuples(st.sampled_from(["sync", "/bin/true"]), WORDS).map(list), max_size=2)


def several(values: Values, most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=most)


def some(known: Iterable[str], values: Mapping[str, Values]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with some of the keys that the language knows; there is a strategy for each."""
    return st.fixed_dictionaries({}, optional={key: values[key] for key in known})


def renames(*names: str) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(names), st.sampled_from(names), max_size=2)


def percentages() -> st.SearchStrategy[str]:
    return st.integers(0, 100).map(lambda share: f"{share}%")


# -- rules --------------------------------------------------------------------------------------------

KINDS = st.sampled_from(language.KINDS) | several(st.sampled_from(language.KINDS), 4)
WHERE = st.dictionaries(
    st.sampled_from(["user.tier", "image.os", "os"]),
    st.sampled_from(["gold", "g*", "[gs]*", "*"]),
    max_size=2,
)
_SELECT = {"kind": KINDS, "projects": several(PROJECTS), "names": several(NAMES), "where": WHERE}
WIDE = st.fixed_dictionaries({"kind": KINDS, "projects": st.just(["*"])})
NARROW = st.builds(lambda kind, more: {**more, "kind": kind}, KINDS, some(language.SELECT, _SELECT))
SELECTS = WIDE | WIDE | NARROW

BACKUPS = some(
    language.BACKUP,
    {
        "every": DURATIONS,
        "snapshot": st.booleans(),
        "optimized": st.booleans(),
        "compression": st.sampled_from(["zstd", "gzip", "xz", "none"]),
        "images": st.sampled_from(["none", "referenced", "all"]),
        "attached_volumes": st.booleans(),
        "before": COMMANDS,
        "after": COMMANDS,
        "timeout": DURATIONS,
    },
)
COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
KEEP = st.just({"all": True}) | st.dictionaries(
    st.sampled_from(COUNTS), st.integers(1, 3), min_size=1, max_size=3
).flatmap(lambda counts: st.sampled_from([counts, {**counts, "within": "2d"}]))
REHEARSE = st.fixed_dictionaries({"every": DURATIONS}, optional={"probe": COMMANDS, "timeout": DURATIONS})
SETTINGS = some(
    language.SETTINGS.keys() - {"targets"},
    {
        "backup": BACKUPS,
        "keep": KEEP,
        "verify": st.fixed_dictionaries({"every": DURATIONS}),
        "rehearse": REHEARSE,
        "instances_may": several(st.sampled_from(["opt-in", "opt-out", "hooks"])),
    },
)


def _rule(select: Mapping[str, Any], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Only a rule that selects instances can have them rehearsed, or say which of their volumes come back."""
    is_of_instances = "instance" in select["kind"]
    kept = {
        key: value for key, value in settings.items() if is_of_instances or key not in ("rehearse", "volumes")
    }
    return {**kept, "select": select}


PROTECT = st.builds(_rule, SELECTS, SETTINGS)

_TO = {
    "name": st.sampled_from(["copy", "web"]),
    "project": st.sampled_from(["shop", "${STAGE}", "nowhere"]),
    "pool": st.sampled_from(["default", "${POOL}", "gone"]),
}
_RESTORE = {
    "version": st.just("latest") | st.just(FIRST_BACKUP) | TIMES.map(lambda time: {"before": time}),
    "to": some(language.TO, _TO) | some(language.TO.keys() - {"name"}, _TO),
    "if_present": st.sampled_from(["replace", "replace", "skip", "fail"]),
    "identity": st.sampled_from(["preserve", "regenerate"]),
    "volumes": st.sampled_from(["missing", "all", "none"]),
    "without_devices": several(st.sampled_from(["eth0", "data", "gone"]), 2),
}
RESTORE = st.builds(
    lambda select, conflict, more: _rule(select, {**conflict, **more}),
    SELECTS,
    st.sampled_from([{}, {"if_present": "replace"}, {"if_present": "skip"}]),
    some(language.RESTORE.keys() - {"name", "select", "from"}, _RESTORE),
)

# -- policies -----------------------------------------------------------------------------------------

_MAPS = {
    "pools": renames("default", "fast", "gone"),
    "networks": renames("br0", "br1"),
    "projects": renames("default", "shop", "bare"),
    "profiles": renames("default", "web"),
}
_REST = {
    "name": TEXTS,
    "target": st.just("dir:/srv/backups"),
    "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
    "sensitive": several(st.sampled_from(["user.*", "*", "limits.cpu", "description"])),
    "defaults": SETTINGS,
    "maps": some(language.MAPS, _MAPS),
    "guards": some(language.GUARDS, {"max_replace": percentages(), "max_prune": percentages()}),
    "expect": some(language.EXPECT, dict.fromkeys(language.EXPECT, st.sampled_from(["ok", "warn", "fail"]))),
}
REST = some(language.POLICY.keys() - {"version", "vars", "targets", "protect", "restore"}, _REST)


def policies(*, protect: int = 2, restore: int = 2) -> st.SearchStrategy[Policy]:
    """Whole policies as data, with at most so many rules and, where there may be any, one at least."""

    def whole(rest: Mapping[str, Any], protects: Any, restores: Any) -> Policy:
        rules = {
            section: [{"name": f"{section}-{number}", **rule} for number, rule in enumerate(rules)]
            for section, rules in (("protect", protects), ("restore", restores))
            if rules
        }
        return {"version": 1, "vars": VARS, **rest, **rules}

    return st.builds(whole, REST, _rules(PROTECT, protect), _rules(RESTORE, restore))


def _rules(rule: Values, most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(rule, min_size=min(most, 1), max_size=most)


TARGETS = {"local": "dir:/srv/${STAGE}", "off-site": {"uri": "dir:/mnt/backups"}, "third": "dir:/third"}
_USED = st.lists(st.sampled_from(list(TARGETS)), min_size=1, unique=True)


@st.composite
def with_targets(draw: st.DrawFn, policies: st.SearchStrategy[Policy]) -> Policy:
    """Policies with several targets, some with a ``keep`` of their own, of which rules name some or none."""
    policy = {key: value for key, value in draw(policies).items() if key != "target"}
    for rule in (policy.setdefault("defaults", {}), *policy.get("protect", ())):
        if draw(st.booleans()):
            rule["targets"] = draw(_USED)
    for rule in policy.get("restore", ()):
        if draw(st.booleans()):
            rule["from"] = draw(st.sampled_from(list(TARGETS)))
    own = {"uri": "dir:/mnt/backups", "keep": draw(KEEP)}
    return {**policy, "targets": draw(st.sampled_from([TARGETS, {**TARGETS, "off-site": own}]))}


def without_commands(policy: Policy) -> Policy:
    """Have nothing run inside of instances: they are fakes."""
    for settings in (policy.get("defaults", {}), *policy.get("protect", ())):
        backup = settings.get("backup", {})
        settings["backup"] = {key: value for key, value in backup.items() if key not in ("before", "after")}
        settings["instances_may"] = ["opt-in", "opt-out"]
        settings.pop("rehearse", None)
    return policy


def as_yaml(policy: Mapping[str, Any]) -> str:
    """Write a policy in block style, keys as they come; the same object elsewhere becomes an alias."""
    out = io.StringIO()
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False
    yaml.dump(dict(policy), out)
    return out.getvalue()
