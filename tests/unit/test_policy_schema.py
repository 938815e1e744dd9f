"""The policy schema: an editor with it says what the reader of policies would say."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from incusbak.model.policies import Place, Policy
from incusbak.policyfile import language, parse_policy
from incusbak.policyfile.nodes import Mapping, Node, Scalar, Sequence, parse_yaml
from tests.trees import MISSING, changed
from tests.unit.policy_judges import FULL, SCHEMA, SEVERAL, VALIDATOR, reader_takes, schema_takes

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("policies/**/*.yaml"), *ROOT.glob("examples/**/*.yaml")]
READY = sorted(file for file in FILES if "\nversion: 1\n" in f"\n{file.read_text()}")


def as_an_editor_sees_it(node: Node) -> Any:
    """Plain data by YAML 1.2, where a time is text."""
    match node:
        case Scalar(meaning="text"):
            return node.text
        case Scalar():
            return YAML(typ="safe", pure=True).load(node.text)
        case Sequence(items=items):
            return [as_an_editor_sees_it(item) for item in items]
        case Mapping(items=pairs):
            return {as_an_editor_sees_it(key): as_an_editor_sees_it(value) for key, value in pairs}


# -- what is good -----------------------------------------------------------------------------------


def test_the_schema_is_one_of_draft_7() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft7Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize("file", READY, ids=lambda file: str(file.relative_to(ROOT)))
def test_policies_that_come_with_the_program_are_good(file: Path) -> None:
    data = as_an_editor_sees_it(parse_yaml(file.read_text(), file.name))
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []


@pytest.mark.parametrize("policy", [FULL, SEVERAL], ids=["one target", "several targets"])
def test_a_policy_with_every_kind_of_value_is_good(policy: Any) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(policy)] == []
    assert reader_takes(policy)


@pytest.mark.parametrize(
    "version",
    ["latest", "20261101T020000Z", {"before": "20261101T020000Z"}, "${WHEN:-latest}", {"before": "${WHEN}"}],
)
def test_versions_have_three_forms(version: Any) -> None:
    assert schema_takes(changed(FULL, "restore.0.version", version))


# -- what is bad ------------------------------------------------------------------------------------

MISTAKES = [
    ("version", MISSING),
    ("version", "1"),
    ("version", 2),
    ("version", True),
    ("version", "${VERSION:-1}"),
    ("verison", 1),
    ("name", 5),
    ("name", " "),
    ("name", "two\nlines"),
    ("name", None),
    ("target", "/srv/incus-backups"),
    ("timezone", ["UTC"]),
    ("vars.a-b", "x"),
    ("vars.A", 1),
    ("sensitive", []),
    ("sensitive", "user.*"),
    ("sensitive", ["[a"]),
    ("defaults", None),
    ("defaults.name", "x"),
    ("protect", None),
    ("protect", {}),
    ("protect", [{}]),
    ("protect.0", "web"),
    ("protect.0.name", MISSING),
    ("protect.0.select", MISSING),
    ("protect.0.to", {"name": "x"}),
    ("protect.0.instances_may", ["everything"]),
    ("protect.0.instances_may", []),
    ("protect.0.select", {}),
    ("protect.0.select.kind", MISSING),
    ("protect.0.select.kind", "vm"),
    ("protect.0.select.kind", []),
    ("protect.0.select.kind", ["instance", "vm"]),
    ("protect.0.select.nmaes", ["x"]),
    ("protect.0.select.names", []),
    ("protect.0.select.names", "web-*"),
    ("protect.0.select.names", ["!"]),
    ("protect.0.select.names", ["web-[12"]),
    ("protect.0.select.names", ["[!]"]),
    ("protect.0.select.projects", [1]),
    ("protect.0.select.where", ["a"]),
    ("protect.0.select.where", {"limits.cpu": 2}),
    ("protect.0.select.where", {" ": "x"}),
    ("protect.0.backup", []),
    ("protect.0.backup.every", 24),
    ("protect.0.backup.every", ""),
    ("protect.0.backup.every", "24"),
    ("protect.0.backup.every", "0h"),
    ("protect.0.backup.every", "12h1d"),
    ("protect.0.backup.every", "999999d"),
    ("protect.0.backup.snapshot", "yes"),
    ("protect.0.backup.snapshot", "true"),
    ("protect.0.backup.snapshot", 1),
    ("protect.0.backup.compression", "zip"),
    ("protect.0.backup.images", None),
    ("protect.0.backup.before", [[]]),
    ("protect.0.backup.before", ["sync"]),
    ("protect.0.backup.before", [[" "]]),
    ("protect.0.backup.before", [["sleep", 1]]),
    ("protect.0.backup.timeout", 30),
    ("restore.0.select", MISSING),
    ("restore.0.backup", {}),
    ("restore.0.version", "lates"),
    ("restore.0.version", "2026-11-01"),
    ("restore.0.version", {}),
    ("restore.0.version", {"after": "20261101T020000Z"}),
    ("restore.0.version.before", "2026-11-01"),
    ("restore.0.version.before", "2026-11-01T00:00:00"),
    ("restore.0.version.before", "yesterday"),
    ("restore.0.to.name", ""),
    ("restore.0.to.name", "a/b"),
    ("restore.0.to.name", ".hidden"),
    ("restore.0.to.server", "x"),
    ("restore.0.if_present", "replac"),
    ("restore.0.identity", "auto"),
    ("maps.pool", {}),
    ("maps.pools", {"old": 1}),
    ("maps.pools", {"../old": "new"}),
    ("protect.0.keep", {}),
    ("protect.0.keep.last", 0),
    ("protect.0.keep.last", "3"),
    ("protect.0.keep.last", 1_000_000_000),
    ("protect.0.keep.all", False),
    ("protect.0.keep.weeks", 1),
    ("protect.0.keep.within", 3),
    ("protect.0.verify", {}),
    ("protect.0.rehearse", {}),
    ("protect.0.rehearse.probe", ["true"]),
    ("protect.0.verify.every", "weekly"),
    ("guards.max_prune", "150%"),
    ("guards.max_replace", 30),
    ("guards.max_replace", "30"),
    ("guards.max_replace", "101%"),
]


@pytest.mark.parametrize(
    ("path", "value"),
    MISTAKES,
    ids=[f"{path}: {'missing' if value is MISSING else value}" for path, value in MISTAKES],
)
def test_reader_and_schema_refuse_the_same_mistakes(path: str, value: Any) -> None:
    policy = changed(FULL, path, value)
    assert (reader_takes(policy), schema_takes(policy)) == (False, False)


OF_SEVERAL = [
    ("target", "dir:/srv/other"),
    ("targets", {}),
    ("targets", ["dir:/srv"]),
    ("targets", "dir:/srv"),
    ("targets.local", None),
    ("targets.local", "/srv"),
    ("targets.local", []),
    ("targets.local", {}),
    ("targets.local", {"keep": {"last": 1}}),
    ("targets.local", {"uri": 1}),
    ("targets.local", {"url": "dir:/srv"}),
    ("targets.off-site_2.keep", {}),
    ("targets.off-site_2.keep.weeks", 3),
    ("targets.off site", "dir:/x"),
    ("targets.a/b", "dir:/x"),
    ("targets.-x", "dir:/x"),
    ("targets.dir:/srv", "dir:/x"),
    ("defaults.targets", "local"),
    ("defaults.targets", []),
    ("protect.0.targets", ["local", "local"]),
    ("protect.0.targets", [1]),
    ("protect.0.targets", ["a b"]),
    ("protect.0.targets", {"local": "dir:/srv"}),
    ("restore.0.from", ["local"]),
    ("restore.0.from", ""),
    ("restore.0.targets", ["local"]),
    ("protect.0.from", "local"),
]


@pytest.mark.parametrize(
    ("path", "value"), OF_SEVERAL, ids=[f"{path}: {value}" for path, value in OF_SEVERAL]
)
def test_reader_and_schema_refuse_the_same_mistakes_about_targets(path: str, value: Any) -> None:
    policy = changed(SEVERAL, path, value)
    assert (reader_takes(policy), schema_takes(policy)) == (False, False)


# -- what an editor tells ---------------------------------------------------------------------------

TABLES = {
    "": language.POLICY,
    "targets": language.TARGET,
    "targets.keep": language.KEEP,
    "defaults": language.SETTINGS,
    "defaults.backup": language.BACKUP,
    "defaults.keep": language.KEEP,
    "defaults.verify": language.VERIFY,
    "defaults.rehearse": language.REHEARSE,
    "protect": language.PROTECT,
    "protect.select": language.SELECT,
    "protect.backup": language.BACKUP,
    "protect.keep": language.KEEP,
    "protect.verify": language.VERIFY,
    "protect.rehearse": language.REHEARSE,
    "restore": language.RESTORE,
    "restore.select": language.SELECT,
    "restore.version": language.VERSION,
    "restore.to": language.TO,
    "maps": language.MAPS,
    "guards": language.GUARDS,
    "expect": language.EXPECT,
}


def mappings(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each place with keys of the language, and the schemas of its keys."""
    if "properties" in schema:
        yield path, schema["properties"]
    for key, inner in schema.get("properties", {}).items():
        yield from mappings(inner, f"{path}.{key}".lstrip("."))
    named = schema.get("patternProperties", {}).values()
    for inner in [*schema.get("anyOf", ()), schema.get("items"), *named]:
        if isinstance(inner, dict):
            yield from mappings(inner, path)


def test_every_key_is_explained_at_its_place_in_the_words_of_the_language() -> None:
    explained = {
        path: {key: inner["description"] for key, inner in keys.items()} for path, keys in mappings(SCHEMA)
    }
    assert explained == TABLES


def test_no_mapping_takes_other_keys() -> None:
    assert {keys["additionalProperties"] for keys in objects(SCHEMA)} == {False}


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    if isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


DEFAULTS = [
    (f"{path}.{key}".lstrip("."), inner["default"])
    for path, keys in mappings(SCHEMA)
    for key, inner in keys.items()
    if "default" in inner
]


@pytest.mark.parametrize(("path", "value"), DEFAULTS, ids=[path for path, _ in DEFAULTS])
def test_a_default_is_what_holds_without_the_key(path: str, value: Any) -> None:
    assert settled(path, value) == settled(path, MISSING)


def settled(path: str, value: Any) -> Policy:
    """What a small policy means with a value for one key, wherever it stands."""
    rule: dict[str, Any] = {"name": "r", "select": {"kind": "instance"}}
    part, _, below = path.rpartition(".")
    policy: dict[str, Any] = {"version": 1, "defaults": {"backup": {}}, "protect": [deepcopy(rule)]}
    policy["restore"] = [{**deepcopy(rule), "name": "s"}]
    place = policy
    for key in filter(None, part.split(".")):
        inner = place.setdefault(key, {})
        place = inner[0] if isinstance(inner, list) else inner
    if part.endswith("rehearse"):
        place["every"] = "30d"  # which must be said
    place.update({} if value is MISSING else {below: value})
    read = parse_policy(json.dumps(policy), "p.yaml")
    nowhere = Place("", 1)
    return evolve(
        read,
        files=(),
        protect=tuple(evolve(rule, place=nowhere) for rule in read.protect),
        restore=tuple(evolve(rule, place=nowhere) for rule in read.restore),
    )


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        *[
            (text, True)
            for text in ("a", "$", "$$", "a$b", "$${", "$${a", "$${}x", "$$${a}", "$${a${", "${WORD}")
        ],
        *[(text, True) for text in ("${NO:-a b}", "x${WORD}y${WORD}", "$${a}${WORD}", "{}", "$ {")],
        *[
            (text, False)
            for text in ("${", "a${", "${}", "${a b}", "${WORD", "${1}", "$${a}${", "${WORD}${", "0\x85")
        ],
    ],
)
def test_reader_and_schema_agree_on_what_begins_a_reference(text: str, is_good: bool) -> None:
    policy = changed(FULL, "name", text)
    assert (reader_takes(policy), schema_takes(policy)) == (is_good, is_good)
