"""Whatever a policy file holds: it loads, or it is refused with a place; never a traceback."""

import io
import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from incusbak.errors import PolicyError
from incusbak.policyfile import language, parse_policy

PLACED = re.compile(r"fuzz:\d+:\d+: .")


def never_a_traceback(data: bytes) -> None:
    message = ""
    try:
        parse_policy(data, "fuzz")
    except PolicyError as error:
        message = error.message
    assert [line for line in message.splitlines() if not PLACED.match(line)] == []


@given(st.binary(max_size=200))
@settings(deadline=None)
@example(b"a: \x85")
@example(b'"\\x"')
def test_any_bytes_load_or_are_refused_with_a_place(data: bytes) -> None:
    never_a_traceback(data)


SYNTAX = st.sampled_from(
    [
        *"[]{}:,-?!&*|>%@`'\"#\n\t \\~<.0",
        "version: 1\n",
        "protect:\n",
        "- ",
        "  ",
        "name: ",
        "&a ",
        "*a",
        "---\n",
    ]
)


@given(st.lists(SYNTAX, max_size=40).map("".join))
@settings(max_examples=100)
def test_any_yaml_syntax_loads_or_is_refused_with_a_place(text: str) -> None:
    never_a_traceback(text.encode())


WORDS = st.sampled_from(
    [
        *language.POLICY,
        *language.PROTECT,
        *language.BACKUP,
        *language.RESTORE,
        *language.SELECT,
        *language.MAPS,
        *language.GUARDS,
        *language.EXPECT,
        *language.TARGET,
        "local",
        "dir:/srv",
        "latest",
        "${NAME}",
        "${NAME:-default}",
        "opt-in",
        "30%",
        "before",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=25,
)


@given(st.dictionaries(WORDS, VALUES, max_size=8))
@settings(max_examples=100)
def test_any_structure_loads_or_is_refused_with_a_place(structure: dict[str, Any]) -> None:
    never_a_traceback(_as_yaml({"version": 1, **structure}))


def _as_yaml(structure: dict[str, Any]) -> bytes:

    out = io.BytesIO()
    YAML(typ="safe", pure=True).dump(structure, out)
    return out.getvalue()
