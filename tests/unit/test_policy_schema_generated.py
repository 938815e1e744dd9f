"""Whatever the reader of policies takes, the policy schema takes: no editor complains of a good policy."""

from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from incusbak.policyfile import language
from tests.trees import changed, places
from tests.unit.policy_judges import FULL, SEVERAL, reader_takes, schema_takes

Strategy = st.SearchStrategy[Any]


def lists(item: Strategy) -> Strategy:
    return st.lists(item, min_size=1, max_size=2)


def tables(keys: Strategy, values: Strategy) -> Strategy:
    return st.dictionaries(keys, values, max_size=2)


def maybe(**fields: Strategy) -> Strategy:
    return st.fixed_dictionaries({}, optional=fields)


def one_of(*values: str) -> Strategy:
    return st.sampled_from(values)


PLAIN = st.characters(exclude_categories=["C", "Zl", "Zp"])
TEXTS = st.text(PLAIN, min_size=1, max_size=6).filter(lambda text: text.strip() and "${" not in text)
BOOLEANS = st.booleans() | st.just("${YES}")
DURATIONS = st.builds("{}{}".format, st.integers(1, 99999), one_of(*"wdhms")) | one_of("1d12h", "${EVERY}")
GLOBS = one_of("*", "web-*", "[a-z]?", "[!a]", "[]]", "é", "${WORD}*", "${NO:-[a]}")
EXCLUSIONS = GLOBS | GLOBS.map("!{}".format)
NAMES = one_of("fast", "a b", "${WORD}", "x${NO:-y}", "$${a", "é")
LITERAL_NAMES = one_of("old", "${WORD}", "a b")
MOMENTS = st.datetimes(datetime(1000, 1, 2), datetime(9998, 1, 1), timezones=st.timezones()).map(
    lambda moment: moment.isoformat()
) | one_of("20260101T000000Z", "2026-W01-1 00Z", "20260101 0000,5+01", "${NO:-20260101T000000Z}")
KINDS = one_of(*language.KINDS, "${KIND}")
WORDS = st.text(PLAIN, max_size=3) | one_of("${WORD}", "$", "a\nb")
COMMANDS = st.lists(
    st.builds(lambda word, more: [word, *more], TEXTS, st.lists(WORDS, max_size=2)), max_size=2
)
SELECTS = st.fixed_dictionaries(
    {"kind": KINDS | lists(KINDS)},
    optional={
        "projects": lists(EXCLUSIONS),
        "names": lists(EXCLUSIONS),
        "where": tables(TEXTS, GLOBS),
    },
)
SETTINGS = {
    "backup": maybe(
        every=DURATIONS,
        snapshot=BOOLEANS,
        optimized=BOOLEANS,
        compression=one_of("zstd", "gzip", "xz", "none", "${NO:-xz}"),
        images=one_of("none", "referenced", "all", "${NO:-all}"),
        attached_volumes=BOOLEANS,
        before=COMMANDS,
        after=COMMANDS,
        timeout=DURATIONS,
    ),
    "keep": st.dictionaries(
        one_of("last", "hourly", "daily", "weekly", "monthly", "yearly"),
        st.integers(1, 999_999_999) | st.just("${NO:-3}"),
        min_size=1,
        max_size=3,
    )
    | st.builds(dict, within=DURATIONS)
    | st.just({"all": True}),
    "verify": st.builds(dict, every=DURATIONS),
    "instances_may": lists(one_of("opt-in", "opt-out", "hooks", "${NO:-hooks}")),
}
RESTORING = {
    "version": one_of("latest", "20260101T000000Z", "${NO:-latest}") | st.builds(dict, before=MOMENTS),
    "to": maybe(name=NAMES, project=NAMES, pool=NAMES),
    "if_present": one_of("fail", "skip", "replace", "${NO:-skip}"),
    "identity": one_of("preserve", "regenerate", "${NO:-preserve}"),
}


def rules(name: str, settings: dict[str, Strategy]) -> Strategy:
    """No rule or one: a second one would need another name."""
    rule = st.fixed_dictionaries({"name": st.just(name), "select": SELECTS}, optional=settings)
    return st.lists(rule, max_size=1)


def with_targets(policy: Any, targets: Any, used: Any, source: Any) -> Any:
    """The policy with several targets, which its rules name."""
    changed = {key: deepcopy(value) for key, value in policy.items() if key != "target"}
    changed["targets"] = {name: targets[name] for name in targets}
    for rule in (changed.setdefault("defaults", {}), *changed.get("protect", ())):
        rule["targets"] = [name for name in used if name in targets] or ["${NO:-home}"]
    for rule in changed.get("restore", ()):
        rule["from"] = source if source in targets else "home"
    return changed


MAPS = tables(LITERAL_NAMES, NAMES)
WITH_ONE = st.fixed_dictionaries(
    {"version": st.just(1)},
    optional={
        "name": TEXTS,
        "target": one_of("dir:/srv", "dir:${WORD}", "${NO:-dir:/x}"),
        "timezone": one_of("UTC", "Europe/Berlin", "${NO:-UTC}"),
        "vars": tables(one_of("NOTE", "_1"), TEXTS),
        "sensitive": lists(GLOBS),
        "defaults": maybe(**SETTINGS),
        "protect": rules("${NO:-protected}", SETTINGS),
        "restore": rules("restored", RESTORING),
        "maps": maybe(pools=MAPS, networks=MAPS, projects=MAPS, profiles=MAPS),
        "guards": maybe(
            max_replace=one_of("0%", "030%", "100%", "${NO:-5%}"), max_prune=one_of("1%", "${NO:-5%}")
        ),
        "expect": maybe(unprotected=one_of("ok", "fail", "${NO:-warn}"), unmatched=one_of("warn")),
    },
)
OTHERS: Strategy = one_of("dir:/a", "dir:${WORD}") | st.builds(
    dict, uri=one_of("dir:/a"), keep=SETTINGS["keep"]
)
TARGETS = st.fixed_dictionaries({"home": one_of("dir:/h", "${NO:-dir:/x}")}, optional={"off-2": OTHERS})
TARGET_NAMES = st.sampled_from(["home", "off-2"])
USED = st.lists(TARGET_NAMES, unique=True, max_size=2)
POLICIES = WITH_ONE | st.builds(with_targets, WITH_ONE, TARGETS, USED, TARGET_NAMES)
ODD: Strategy = st.one_of(
    st.sampled_from([None, True, 1, 1.5, "", " ", [], {}, "x", "latest", "20260101T000000Z", "30%", "1h"]),
    st.sampled_from(
        ["${WORD}", "a${WORD}", "$${", "${NO:-\t}", ["x"], {"a": "x"}, {"before": "20260101T000000Z"}]
    ),
    st.text(max_size=4),
)


@st.composite
def nearly_good(draw: st.DrawFn) -> Any:
    """A policy, with something odd in the place of one of its values now and then."""
    policy = deepcopy(draw(POLICIES))
    if draw(st.booleans()):
        parent, key = draw(st.sampled_from(list(places(policy))))
        parent[key] = draw(ODD)
    return policy


@given(POLICIES)
@settings(deadline=None)
@example(FULL)
@example(SEVERAL)
def test_reader_and_schema_take_every_good_policy(policy: Any) -> None:
    assert (reader_takes(policy), schema_takes(policy)) == (True, True)


@given(nearly_good())
@settings(deadline=None, max_examples=max(100, settings().max_examples))
@example({"version": 1, "protect": [{}]})
def test_the_schema_takes_what_the_reader_takes(policy: Any) -> None:
    assert schema_takes(policy) or not reader_takes(policy)


ALPHABETS = {
    "protect.0.backup.every": "0019wdhms",
    "guards.max_replace": "0012%",
    "sensitive.0": "a[]]!-",
    "protect.0.select.names.0": "!!a[]",
    "target": "dir:1+ ",
    "name": "$${}0:- a",
    "protect.0.name": "0 \x85\xa0\x7f",
    "vars.TIER": "$${}0",
    "restore.0.to.name": "a./ ",
}
OF_TARGETS = {
    "targets.local": "dir:1+ ",
    "targets.off-site_2.uri": "dir:1+ ",
}


@pytest.mark.parametrize("path", [*ALPHABETS, *OF_TARGETS])
@given(data=st.data())
@settings(deadline=None)
def test_reader_and_schema_agree_on_the_forms_of_text(path: str, data: st.DataObject) -> None:
    policy, characters = (FULL, ALPHABETS[path]) if path in ALPHABETS else (SEVERAL, OF_TARGETS[path])
    policy = changed(policy, path, data.draw(st.text(characters, max_size=6)))
    assert schema_takes(policy) == reader_takes(policy)
