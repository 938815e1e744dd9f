"""The plan schema: it takes and refuses what the codec does."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from incusbak import plan_schema as module
from incusbak.codec import BadDocument, digest, dump, from_data, tag_of, to_data
from incusbak.model.actions import Action
from incusbak.model.plans import Expectation, Meta, Plan, PlanFile
from tests.strategies import plans
from tests.trees import MISSING, changed, places

GOLDEN = Path(__file__).parent.parent / "golden" / "plan.json"
SCHEMA = module.plan_schema()
VALIDATOR = Draft7Validator(SCHEMA)

files: st.SearchStrategy[PlanFile] = st.builds(
    lambda plan: PlanFile(Meta("2026-03-01T12:30:00Z", "0.1.0"), digest(plan), plan), plans
)


def codec_takes(data: Any) -> bool:
    try:
        from_data(data, PlanFile)
    except BadDocument:
        return False
    return True


def schema_takes(data: Any) -> bool:
    return VALIDATOR.is_valid(data)


def both_take(data: Any) -> tuple[bool, bool]:
    return codec_takes(data), schema_takes(data)


# -- what is good -----------------------------------------------------------------------------------


def test_the_schema_is_one_of_draft_7() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft7Validator.META_SCHEMA["$id"]


def test_a_plan_file_as_it_is_written_is_good() -> None:
    assert [error.message for error in VALIDATOR.iter_errors(json.loads(GOLDEN.read_text()))] == []


@given(files)
@settings(deadline=None)
def test_every_plan_is_good(plan_file: PlanFile) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(json.loads(dump(plan_file)))] == []


def test_every_action_and_expectation_has_its_place() -> None:
    tags = {
        name: inner["properties"]["type"]["const"]
        for name, inner in SCHEMA["definitions"].items()
        if "type" in inner.get("properties", ())
    }
    assert tags == {cls.__name__: tag_of(cls) for cls in (*get_args(Action), *get_args(Expectation))}


# -- what is bad ------------------------------------------------------------------------------------

REF, BACKUP = "instance/default/web", "instance/default/web@20260301T123000Z"
OPTIONS = {"pool": "", "maps": {"pools": {"a": "b"}}, "identity": "auto", "start": True, "project": ""}
STEP = {
    "id": "1",
    "address": REF,
    "action": {"type": "replace", "source": BACKUP, "to": REF, "options": OPTIONS},
    "reason": "because",
    "hazards": ["replaces-resource"],
    "expects": [{"type": "exists", "ref": REF, "identity": "x"}],
    "changes": [{"path": "a", "before": None, "after": {"any": [1]}}],
    "estimated_bytes": None,
}
FILE = {
    "meta": {"created": "2026-03-01T12:30:00Z", "tool_version": "0.1.0"},
    "digest": "0" * 64,
    "format_version": 1,
    "plan": {
        "server": {"fingerprint": "f", "name": "n", "remote": "r"},
        "repository": {"id": "i", "uri": "dir:/x"},
        "policies": [{"path": "p.yaml", "sha256": "s"}],
        "steps": [STEP],
        "summary": {"replace": 1},
    },
}
MISTAKES = [
    ("meta", MISSING),
    ("digest", 1),
    ("plan", MISSING),
    ("plan", []),
    ("plan.server", MISSING),
    ("plan.server.name", None),
    ("plan.server.port", 8443),
    ("plan.steps", {}),
    ("plan.steps.0", "step"),
    ("plan.steps.0.id", MISSING),
    ("plan.steps.0.id", 1),
    ("plan.steps.0.hazard", []),
    ("plan.steps.0.hazards", "replaces-resource"),
    ("plan.steps.0.hazards.0", "hurts"),
    ("plan.steps.0.estimated_bytes", "1"),
    ("plan.steps.0.estimated_bytes", True),
    ("plan.steps.0.estimated_bytes", 1.5),
    ("plan.steps.0.changes.0.before", MISSING),
    ("plan.steps.0.action", None),
    ("plan.steps.0.action.type", MISSING),
    ("plan.steps.0.action.type", "destroy"),
    ("plan.steps.0.action.type", "exists"),
    ("plan.steps.0.action.type", "discard"),
    ("plan.steps.0.action.force", True),
    ("plan.steps.0.action.source", MISSING),
    ("plan.steps.0.action.source", REF),
    ("plan.steps.0.action.source", "instance/default/web@2026-03-01"),
    ("plan.steps.0.action.to", BACKUP.replace("/web", "")),
    ("plan.steps.0.action.to", "toaster/default/web"),
    ("plan.steps.0.action.to", "instance/default/../web"),
    ("plan.steps.0.action.options.identity", "new"),
    ("plan.steps.0.action.options.start", "yes"),
    ("plan.steps.0.action.options.maps.pools", []),
    ("plan.steps.0.action.options.maps.pools.a", 1),
    ("plan.steps.0.action.options.maps.volumes", {}),
    ("plan.steps.0.expects.0.type", "replace"),
    ("plan.steps.0.expects.0.identity", MISSING),
    ("plan.summary.replace", "1"),
    ("plan.summary.explode", 1),
]


def test_what_has_a_default_may_be_left_out() -> None:
    assert both_take(FILE) == (True, True)


@pytest.mark.parametrize(
    ("path", "value"),
    MISTAKES,
    ids=[f"{path}: {'missing' if value is MISSING else value}" for path, value in MISTAKES],
)
def test_codec_and_schema_refuse_the_same_mistakes(path: str, value: Any) -> None:
    assert both_take(changed(FILE, path, value)) == (False, False)


@pytest.mark.parametrize("version", [MISSING, 2, "1"])
def test_plan_files_of_other_versions_are_refused(version: Any) -> None:
    assert not schema_takes(changed(FILE, "format_version", version))


ODD = st.sampled_from(
    [
        *(None, True, 1, -1, 1.5, "", "x", REF, BACKUP, "config", "auto", "absent", "discard", "delete"),
        *(
            [],
            ["x"],
            {},
            {"a": "b"},
            {"type": "absent", "ref": REF},
            {"type": "discard", "ref": REF},
            OPTIONS,
        ),
    ]
)


@given(plans, st.data())
@settings(deadline=None, max_examples=max(100, settings().max_examples))
def test_codec_and_schema_agree_on_what_was_tampered_with(plan: Plan, data: st.DataObject) -> None:
    plan_file = FILE | {"plan": to_data(plan)}
    parent, key = data.draw(st.sampled_from(list(places(plan_file["plan"]))))
    match data.draw(st.sampled_from(["change", "remove", "add"])):
        case "change":
            parent[key] = data.draw(ODD)
        case "remove":
            del parent[key]
        case _ if isinstance(parent, dict):
            parent["more"] = data.draw(ODD)

    codec, schema = both_take(plan_file)

    assert codec == schema


# -- what an editor tells ---------------------------------------------------------------------------


def test_every_class_and_field_is_explained() -> None:
    described = {"PlanFile": SCHEMA, **SCHEMA["definitions"]}
    mute = [name for name, inner in described.items() if not inner["description"]]
    mute += [
        f"{name}.{key}"
        for name, inner in described.items()
        for key, field in inner.get("properties", {}).items()
        if not field["description"]
    ]
    assert mute == []


def test_nothing_is_explained_that_is_not_there() -> None:
    there = {"PlanFile": SCHEMA, **SCHEMA["definitions"]}
    fields = {(name, key) for name, inner in there.items() for key in inner.get("properties", ())}
    own = {f"{name}.{key}" for name, key in fields}
    shared = {key for name, key in fields if f"{name}.{key}" not in module.MEANINGS}
    assert module.MEANINGS.keys() - own - shared == set()
