"""The codec: what was written comes back, and nothing else is taken for it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given

from incusbak.codec import BadDocument, canonical, digest, dump, from_data, load, to_data
from incusbak.model.actions import BackUp, Discard, Recover
from incusbak.model.backups import Captured, ExportOptions, LockHolder, Manifest, StoredFile
from incusbak.model.inventory import ServerInfo
from incusbak.model.plans import Absent, Drift, Exists, Hazard, Plan, Step
from incusbak.model.policies import Maps, PolicyFile
from incusbak.model.records import Record
from incusbak.model.refs import ResourceRef
from incusbak.model.results import Outcome, Status
from incusbak.record_file import JournalEntry
from tests.samples import MOMENT, WEB
from tests.strategies import json_objects, manifests, plans, records

STEP = Step(id="1", address=WEB.address, action=Discard(WEB), reason="because", expects=(Absent(WEB),))


# -- round trips ------------------------------------------------------------------------------------


@given(manifests)
def test_manifests_come_back(manifest: Manifest) -> None:
    assert load(dump(manifest), Manifest) == manifest


@given(plans)
def test_plans_come_back(plan: Plan) -> None:
    assert load(dump(plan), Plan) == plan


@given(plans)
def test_plans_come_back_from_plain_data(plan: Plan) -> None:
    assert from_data(to_data(plan), Plan) == plan


@given(records)
def test_journal_records_come_back_as_what_they_were(record: Record) -> None:
    entry = JournalEntry(record, "host", 1, MOMENT)

    assert load(dump(entry), JournalEntry) == entry


@given(plans)
def test_plain_data_is_what_json_would_give(plan: Plan) -> None:
    data = to_data(plan)

    assert json.loads(json.dumps(data)) == data
    assert plain(data)


def plain(data: object) -> bool:
    """Tell whether there is nothing but JSON's own types."""
    if isinstance(data, dict):
        return all(type(key) is str and plain(value) for key, value in data.items())
    if isinstance(data, list):
        return all(plain(value) for value in data)
    return type(data) in (str, int, float, bool, type(None))


def test_text_that_is_no_unicode_comes_back_from_text_that_is() -> None:
    data = {"name": "\udcff"}

    assert load(dump(data).encode("utf-8"), dict[str, Any]) == data


# -- same bytes -------------------------------------------------------------------------------------


@given(plans)
def test_the_digest_outlives_a_round_trip(plan: Plan) -> None:
    assert digest(load(dump(plan), Plan)) == digest(plan)


@given(json_objects)
def test_the_order_of_keys_makes_no_difference(body: dict[str, Any]) -> None:
    turned = dict(reversed(body.items()))

    assert (dump(turned), canonical(turned)) == (dump(body), canonical(body))


def test_canonical_json_is_sorted_dense_and_utf8() -> None:
    assert canonical({"b": 1, "a": {"d": "ä", "c": []}}) == '{"a":{"c":[],"d":"ä"},"b":1}'.encode()


@given(json_objects)
def test_written_json_is_what_json_itself_writes_but_for_its_layout(body: dict[str, Any]) -> None:
    def as_json_does(value: Any, *, sort_keys: bool) -> str:
        return json.dumps(value, indent=2, sort_keys=sort_keys, allow_nan=False)

    written = dump(body)
    written.encode()  # any file can hold it
    assert as_json_does(json.loads(written), sort_keys=False) == as_json_does(body, sort_keys=True)


def test_small_things_in_lists_are_written_on_a_line() -> None:
    small, large, long = {"b": 2, "a": ["x", "\ud800"]}, dict.fromkeys("abcde", 1), ["x" * 100]

    assert dump({"of": [small, long], "all": ["x", "ü\ud800"], "one": [large], "none": []}) == (
        '{\n  "all": [\n    "x",\n    "ü\\ud800"\n  ],\n  "none": [],\n'
        '  "of": [\n    {"a": ["x", "\\ud800"], "b": 2},\n    [\n      "'
        + "x"
        * 100
        + '"\n    ]\n  ],\n  "one": [\n    {\n'
        '      "a": 1,\n      "b": 1,\n      "c": 1,\n      "d": 1,\n      "e": 1\n    }\n  ]\n}\n'
    )


def test_written_json_is_indented_and_ends_with_a_newline() -> None:
    assert dump(PolicyFile("a", "b")) == '{\n  "path": "a",\n  "sha256": "b"\n}\n'


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_sets_give_the_same_bytes_in_every_process(seed: str) -> None:
    extensions = frozenset({"alpha", "beta", "gamma", "delta"})
    program = (
        "from incusbak.codec import digest; from incusbak.model.inventory import ServerInfo;"
        f"print(digest(ServerInfo('f', 'n', 'v', frozenset({sorted(extensions)}))))"
    )

    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
    )

    assert elsewhere.stdout.strip() == digest(ServerInfo("f", "n", "v", extensions))


def test_moments_are_written_in_utc() -> None:
    berlin = datetime(2026, 3, 1, 13, 30, tzinfo=timezone(timedelta(hours=1)))

    assert to_data(LockHolder("host", 1, "command", berlin))["since"] == "2026-03-01T12:30:00Z"
    assert from_data("2026-03-01T13:30:00+01:00", datetime) == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


# -- tags and addresses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "tag"),
    [
        (BackUp(WEB, ExportOptions()), "back-up"),
        (Discard(WEB), "discard"),
        (Recover("record", WEB), "recover"),
    ],
)
def test_actions_say_what_they_are(action: BackUp | Discard | Recover, tag: str) -> None:
    data = to_data(Step(id="1", address="a", action=action, reason=""))

    assert data["action"]["type"] == tag


def test_expectations_say_what_they_are() -> None:
    step = Step(id="1", address="a", action=Discard(WEB), reason="", expects=(Exists(WEB, "x"), Absent(WEB)))

    assert [expected["type"] for expected in to_data(step)["expects"]] == ["exists", "absent"]


def test_addresses_are_text() -> None:
    assert to_data(Discard(WEB)) == {"ref": "instance/default/web"}
    assert from_data({"ref": "instance/default/web"}, Discard) == Discard(WEB)


# -- strictness -------------------------------------------------------------------------------------


def step_with(**changes: Any) -> dict[str, Any]:
    return {**to_data(STEP), **changes}


OUTCOME = to_data(Outcome("1", "a", Status.DONE))


@pytest.mark.parametrize(
    ("data", "wanted", "message"),
    [
        ({"optimized": "no"}, ExportOptions, "$.optimized: expected bool, got str"),
        ({"optimized": 0}, ExportOptions, "$.optimized: expected bool, got int"),
        ({"compression": 1}, ExportOptions, "$.compression: expected str, got int"),
        ({"compression": "zip"}, ExportOptions, "$.compression: 'zip' is not a valid Compression"),
        ({"optimised": True}, ExportOptions, "$: extra fields found (optimised)"),
        ({"name": "a", "size_bytes": 1}, StoredFile, "$.sha256: is missing"),
        ([], StoredFile, "$: expected an object, got list"),
        ("text", StoredFile, "$: expected an object, got str"),
        (None, StoredFile, "$: expected an object, got NoneType"),
        ([], Mapping[str, Any], "$: expected an object, got list"),
        ({"pools": {"a": 1}}, Maps, "$.pools.a: expected str, got int"),
        ({"pools": [["a", "b"]]}, Maps, "$.pools: expected an object, got list"),
        ({"unprotected": "abc"}, Drift, "$.unprotected: expected a list, got str"),
        ({"unprotected": {"a": 1}}, Drift, "$.unprotected: expected a list, got dict"),
        ({"unprotected": None}, Drift, "$.unprotected: expected a list, got NoneType"),
        ({"unprotected": ["a", 1]}, Drift, "$.unprotected.1: expected str, got int"),
        (step_with(estimated_bytes=True), Step, "$.estimated_bytes: expected int, got bool"),
        (step_with(estimated_bytes=1.0), Step, "$.estimated_bytes: expected int, got float"),
        (step_with(hazards=["none"]), Step, "$.hazards.0: 'none' is not a valid Hazard"),
        (step_with(action={"type": "destroy"}), Step, "$.action: unknown type 'destroy' (known: accept, "),
        (step_with(action={"type": []}), Step, "$.action: unknown type [] (known: "),
        (step_with(action={"ref": WEB.address}), Step, "$.action: unknown type None (known: "),
        (step_with(action="discard"), Step, "$.action: expected an object, got str"),
        (
            step_with(action={"type": "discard", "ref": WEB.address, "force": True}),
            Step,
            "$.action: extra fields found (force)",
        ),
        (
            step_with(expects=[{"type": "absent", "ref": "instance/web"}]),
            Step,
            "$.expects.0.ref: 'instance/web' is not of the form instance/PROJECT/NAME",
        ),
        ("instance/../web", ResourceRef, "$: 'instance/../web': nothing named '..' can be asked for"),
        (7, ResourceRef, "$: expected text, got int"),
        ("2026-03-01T12:30:00", datetime, "$: '2026-03-01T12:30:00' is a time without a time zone"),
        ("yesterday", datetime, "$: Invalid isoformat string: 'yesterday'"),
        (1772368200, datetime, "$: expected a time as text, got int"),
        ({**OUTCOME, "seconds": "1.5"}, Outcome, "$.seconds: expected a number, got str"),
        ({**OUTCOME, "seconds": True}, Outcome, "$.seconds: expected a number, got bool"),
        ({**OUTCOME, "seconds": 10**400}, Outcome, "$.seconds: too big a number"),
        (step_with(estimated_bytes=10**400), Step, "$.estimated_bytes: too big a number"),
    ],
)
def test_what_is_not_of_the_wanted_form_is_refused(data: Any, wanted: type, message: str) -> None:
    with pytest.raises(BadDocument) as caught:
        from_data(data, wanted)

    assert str(caught.value).startswith(message)


def test_every_problem_is_named() -> None:
    with pytest.raises(BadDocument) as caught:
        from_data({"optimized": "no", "snapshot": 1}, ExportOptions)

    assert str(caught.value).split("; ") == [
        "$.snapshot: expected bool, got int",
        "$.optimized: expected bool, got str",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{} {}", "Extra data"),
        ('{"a": 1, "a": 2}', "duplicate key 'a'"),
        ('{"a": [{"b": 1, "b": 1}]}', "$.a.0: duplicate key 'b'"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 1e999}', "1e999 is too big a number"),
        ("[" * 100_000, "$: nested too deeply"),
        ("9" * 5000, "$: a number has too many digits"),
        (b'{"a":\n "\xc3\xa4\xff"}', "byte 0xff is no UTF-8: line 2 column 4"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_is_not_json_is_refused(text: str | bytes, reason: str) -> None:
    with pytest.raises(BadDocument, match="not valid JSON") as caught:
        load(text, dict[str, Any])

    assert reason in str(caught.value)


def test_numbers_json_does_not_have_are_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump({"a": float("nan")})


def test_what_a_server_sends_is_kept_as_it_is() -> None:
    resource = {"config": {"a": "1"}, "devices": [{"b": None}], "size": 1.5, "on": True}
    data = {
        "resource": resource,
        "snapshots": [],
        "consistency": "live",
        "method": "direct",
        "references": [],
        "pool": "p",
        "pool_driver": "dir",
        "content_bytes": 0,
    }

    assert from_data(data, Captured).resource == resource


def test_hazards_are_written_as_policies_say_them() -> None:
    assert to_data(Hazard.REPLACES_RESOURCE) == "replaces-resource"


def test_a_list_is_no_mapping_whatever_was_read_before() -> None:
    assert from_data({"a": 1}, dict[str, Any]) == {"a": 1}
    with pytest.raises(BadDocument, match="expected an object, got list"):
        from_data([], dict[str, Any])
