"""Whatever definitions look like, no change of them tells the value of a field that is sensitive."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from incusbak.engine.planning.diff import SENSITIVE, Redactor, changes, masked, news

SECRET = "hush-hush"
REDACTOR = Redactor(b"key", (*SENSITIVE, "own.*", "*weird[[]*"))
HIDDEN = st.sampled_from(
    [
        "environment.TOKEN",
        "Environment.x",
        "cloud-init.user-data",
        "user.user-data",
        "user.DB_PassWord",
        "MyPasswd",
        "api-TOKEN-1",
        "ovn.client_key",
        "SECRET",
        "__secret__",
        "own.é",
        "OWN.'\"]",
        "a weird[x]['y']",
        "secret\n\x00",
    ]
)
OPEN = st.sampled_from(
    ["config", "a", "b", "x", "y", "__private", "x.y", "root['a']", "'", '"', "", "é", "0"]
)
PLAIN = st.booleans() | st.integers(2, 4) | st.sampled_from(["", "x", "y"])
"""No null, which means that there is nothing, and no number that passes for a truth value."""
HUSHED: st.SearchStrategy[Any] = st.recursive(
    st.just(SECRET) | st.just(f"a {SECRET}-b"),
    lambda inner: st.lists(inner | PLAIN, max_size=3) | st.dictionaries(OPEN, inner | PLAIN, max_size=3),
    max_leaves=4,
)
"""Values with the secret in them, somewhere; they stand below hidden names only."""


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda plain, hidden: {**plain, **hidden},
        st.dictionaries(OPEN, inner, max_size=3),
        st.dictionaries(HIDDEN, HUSHED | PLAIN, max_size=2),
    )


VALUES: st.SearchStrategy[Any] = st.recursive(
    PLAIN, lambda inner: objects(inner) | st.lists(inner, max_size=3), max_leaves=10
)
DOCUMENTS = objects(VALUES)


@given(DOCUMENTS, DOCUMENTS)
def test_no_change_shows_a_secret(before: Any, after: Any) -> None:
    found = [*changes(before, after, REDACTOR), *news(before, after, REDACTOR), *news({}, after, REDACTOR)]
    told = json.dumps([[change.path, change.before, change.after] for change in found])
    assert SECRET not in told


@given(DOCUMENTS, DOCUMENTS)
def test_every_difference_is_told_and_no_other(before: Any, after: Any) -> None:
    """Of hidden values too: other hashes tell of other values."""
    assert bool(changes(before, after, REDACTOR)) == (masked(before, REDACTOR) != masked(after, REDACTOR))


@given(DOCUMENTS, DOCUMENTS)
@example({}, {"x": {"y": 1}, "x.y": 2})
def test_changes_are_the_same_whatever_the_order_of_keys(before: Any, after: Any) -> None:
    turned = [dict(reversed(each.items())) for each in (before, after)]
    assert changes(turned[0], turned[1], REDACTOR) == changes(before, after, REDACTOR)
