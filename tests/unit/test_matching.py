"""Why a selector does not mean a resource, and patterns and text that mean just what they are made of."""

import unicodedata
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from incusbak.engine.selection.matching import config_misfit, literal, misfit
from incusbak.model.explanations import ExcludedName, Misfit, OtherConfig, OtherKind, OtherName, OtherProject
from incusbak.model.inventory import Resource
from incusbak.model.policies import Select
from incusbak.model.refs import ResourceRef, instance_ref, volume_ref
from incusbak.policyfile import parse_policy, quoted

WEB, DATA = instance_ref("shop", "web"), volume_ref("default", "fast", "data")
IMAGE = ResourceRef("image", name="ab12")


@pytest.mark.parametrize(
    ("ref", "select", "why"),
    [
        (WEB, {"projects": ("*",)}, None),
        (WEB, {"kinds": ("volume", "image")}, OtherKind(("volume", "image"))),
        (WEB, {}, OtherProject(("shop",), ("default",))),
        (WEB, {"projects": ("*", "!sh*")}, OtherProject(("shop",), ("*", "!sh*"))),
        (WEB, {"projects": ("*",), "names": ("db", "api-*")}, OtherName(("db", "api-*"))),
        (WEB, {"projects": ("*",), "names": ("*", "!w*")}, ExcludedName("web", "w*")),
        (DATA, {"kinds": ("volume",), "names": ("data",)}, OtherName(("data",))),
        (DATA, {"kinds": ("volume",), "names": ("*", "!fast/*")}, ExcludedName("fast/data", "fast/*")),
        (IMAGE, {"kinds": ("image",), "names": ("!debian", "ab*")}, ExcludedName("debian", "debian")),
        (IMAGE, {"kinds": ("image",), "names": ("deb*",)}, None),
    ],
)
def test_the_reason_is_the_first_part_of_the_selector_that_does_not_fit(
    ref: ResourceRef, select: dict[str, Any], why: Misfit | None
) -> None:
    labels = {"debian"} if ref == IMAGE else set()
    assert misfit(Select(**select), Resource(ref, {}), labels) == why


def test_the_reason_is_the_key_that_does_not_match() -> None:
    config = {"user.tier": "gold", "user.empty": ""}
    assert config_misfit({"user.tier": "g*", "user.empty": ""}, config) is None
    assert config_misfit({"user.tier": "g*", "user.site": "*"}, config) == OtherConfig("user.site", "*", None)
    assert config_misfit({"user.tier": "silver"}, config) == OtherConfig("user.tier", "silver", "gold")


# -- names as patterns, text as YAML ------------------------------------------------------------------


def is_sayable(text: str) -> bool:
    """Whether a policy takes it as text."""
    return bool(text.strip()) and not any(unicodedata.category(c) in ("Cc", "Cs") for c in text)


any_text = st.text(st.characters(), min_size=1, max_size=12)
tricky_text = st.text("!*?[]-${}:a\\\"'#\u2028 ", min_size=1, max_size=12)


@given(any_text | tricky_text)
@example("!x")
@example("[a]*?")
def test_a_name_made_a_pattern_matches_itself_and_is_never_an_exclusion(name: str) -> None:
    glob = literal(name)
    assert fnmatchcase(name, glob)
    assert not glob.startswith("!")
    assert is_sayable(glob)


@given(tricky_text, tricky_text)
def test_a_name_made_a_pattern_matches_no_other_of_another_look(name: str, other: str) -> None:
    is_plain = not name.startswith("!") and name.strip()
    assert not is_plain or name == other or not fnmatchcase(other, literal(name))


@given((any_text | tricky_text).filter(is_sayable))
@example("${HOME}")
@example("$${${x}")
@example('" # \u2028"]')
def test_quoted_text_is_read_as_it_was(text: str) -> None:
    policy = f"version: 1\nprotect:\n  - {{name: {quoted(text)}, select: {{kind: config}}}}\n"
    assert "\n" not in quoted(text)
    [rule] = parse_policy(policy, "p.yaml", environment={"HOME": "wrong"}).protect
    assert rule.name == text
