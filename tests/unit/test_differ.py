"""Differences between definitions: every field, in one order, no secret in clear."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incusbak.engine.planning.diff import Redactor, changes, masked
from incusbak.model.documents import Json
from incusbak.model.plans import Change

REDACTOR = Redactor(b"key of the repository")

names = st.text(string.ascii_lowercase + string.digits + "._-", min_size=1, max_size=8)
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
documents = st.recursive(
    st.dictionaries(names, leaves, max_size=4),
    lambda inner: st.dictionaries(names, leaves | inner | st.lists(leaves, max_size=3), max_size=4),
    max_leaves=12,
)


def diff(before: Json, after: Json) -> tuple[Change, ...]:
    return changes(before, after, REDACTOR)


@given(documents)
def test_equal_documents_have_no_differences(document: Json) -> None:
    assert diff(document, document) == ()


@given(documents, documents)
def test_differences_come_sorted_and_turn_round(before: Json, after: Json) -> None:
    found = diff(before, after)
    assert [change.path for change in found] == sorted(change.path for change in found)
    turned = diff(after, before)
    assert sorted((c.path, repr(c.after), repr(c.before)) for c in turned) == sorted(
        (c.path, repr(c.before), repr(c.after)) for c in found
    )


def test_what_is_added_changed_and_removed_is_named_leaf_by_leaf() -> None:
    before = {"config": {"limits.cpu": "1", "user.a": "x"}, "devices": {"eth0": {"type": "nic", "mtu": "9"}}}
    after = {"config": {"limits.cpu": "2", "user.b": "y"}, "devices": {"root": {"type": "disk"}}}
    assert diff(before, after) == (
        Change("config.limits.cpu", "1", "2"),
        Change("config.user.a", "x", None),
        Change("config.user.b", None, "y"),
        Change("devices.eth0.mtu", "9", None),
        Change("devices.eth0.type", "nic", None),
        Change("devices.root.type", None, "disk"),
    )


@given(documents)
def test_what_is_new_as_a_whole_is_listed_like_what_is_added(document: Json) -> None:
    stays = {"\0": 1}
    assert diff({}, document) == diff(stays, {**document, **stays})


def test_names_deepdiff_would_pass_over_are_not() -> None:
    assert diff({"__x": 1}, {"__x": 2}) == (Change("__x", 1, 2),)
    much, little = {f"a{n}": n for n in range(9)}, {f"b{n}": n for n in range(9)}
    assert len(diff({"config": much}, {"config": little})) == 18


def test_lists_are_compared_by_place() -> None:
    assert diff({"profiles": ["a", "b"]}, {"profiles": ["b", "a"]}) == (
        Change("profiles.0", "a", "b"),
        Change("profiles.1", "b", "a"),
    )


@pytest.mark.parametrize(
    "name",
    [
        "cloud-init.user-data",
        "user.user-data",
        "environment.DB_URL",
        "user.db-password",
        "user.PassWord",
        "user.api.token",
        "user.clientSecret",
        "user.ssh-KEY",
    ],
)
def test_what_can_be_a_secret_is_hashed(name: str) -> None:
    assert REDACTOR.hides(name)
    [change] = diff({"config": {name: "hunter2"}}, {"config": {name: "hunter3"}})
    assert change.path == f"config.{name}"
    for value in (change.before, change.after):
        assert value.startswith("(sensitive value) ")
        assert "hunter" not in value
    assert change.before != change.after


def test_equal_secrets_hash_equally_with_one_key_and_otherwise_with_another() -> None:
    document = {"config": {"user.token": "x"}}
    assert masked(document, REDACTOR) == masked(document, REDACTOR)
    assert masked(document, REDACTOR) != masked(document, Redactor(b"other"))
    assert diff(document, document) == ()


def test_a_secret_is_hidden_whole_however_deep_it_is() -> None:
    document = {"config": {"user.secrets": {"a": ["hunter2", {"b": "hunter3"}]}}, "key": "hunter4"}
    assert "hunter" not in repr(masked(document, REDACTOR))
    assert "hunter" not in repr(diff({}, document))
    assert "hunter" not in repr(diff(document, {}))


@given(documents, st.sampled_from(["user.token", "environment.X", "cloud-init.x", "a.PASSWORD"]))
def test_no_secret_survives_in_any_document(document: Json, name: str) -> None:
    found = diff(document, {"config": {name: "hunter2"}, "devices": {"d": {name: {"deep": "hunter2"}}}})
    assert "hunter2" not in repr(found)
