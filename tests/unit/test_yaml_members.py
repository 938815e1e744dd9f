"""What a definition says is what it said before, whatever text is in it and whoever wrote and reads it."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from incusbak.errors import Corrupt, Stopped
from incusbak.kinds.archive.definitions import dump_definition, load_definition

BARE = [
    "2020-01-02",
    "2020-01-02T03:04:05Z",
    "0o17",
    "017",
    "190:20:30",
    "1e3",
    ".5",
    "1_000",
    "+5",
    "0x1F",
    "0b1",
    "yes",
    "No",
    "on",
    "OFF",
    "True",
    "NULL",
    "=",
    "<<",
    ".inf",
]
"""What some readers of YAML take for something else than text; a server quotes what its own reader does."""
QUOTED = [
    "*a",
    "&a",
    "|",
    ">",
    "?",
    "-",
    "-1",
    "12",
    "true",
    "null",
    "~",
    "{}",
    "[]",
    "#",
    "---",
    "...",
    "%YAML",
    "!!binary",
    "@a",
    "`a",
]
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from([*BARE, *QUOTED]),
    st.text(
        st.sampled_from(
            "\x00\x07\x1b\x7f\x80\x85\x9f\u2028\u2029\ufeff\ufffe\uffff\U0001f600\\\"'\n\r\t :#u00"
        )
    ),
    st.text("x ", min_size=200),
    st.text('k\\"', min_size=3).map(lambda text: text * 400),
)
VALUES = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63), st.none())
DOCUMENTS = st.recursive(
    st.dictionaries(TEXT, VALUES, max_size=4),
    lambda inner: st.dictionaries(TEXT, st.one_of(VALUES, inner, st.lists(inner, max_size=2)), max_size=4),
    max_leaves=8,
)


@given(DOCUMENTS)
def test_what_is_written_is_read_again(document: dict[str, Any]) -> None:
    assert load_definition(dump_definition(document)) == document


@given(st.dictionaries(TEXT, TEXT, max_size=4))
def test_every_reader_of_yaml_finds_the_same_text(config: dict[str, str]) -> None:
    written = dump_definition({"config": config}).decode()
    assert YAML(typ="safe", pure=True).load(written) == {"config": config}


@given(TEXT)
def test_nothing_stands_bare_that_a_server_refuses(text: str) -> None:
    """As Incus 6.0 checks it: printable characters, and no others."""
    for character in map(ord, dump_definition({"text": text}).decode()):
        assert 0x20 <= character <= 0x7E or 0xA0 <= character <= 0xD7FF or character >= 0xE000
        assert character not in (0xFEFF, 0xFFFE, 0xFFFF)


@pytest.mark.parametrize("text", BARE)
def test_what_readers_of_yaml_do_not_agree_on_is_text(text: str) -> None:
    """The server writes it without quotes where its own reader takes it for text."""
    assert load_definition(f"config:\n  user.key: {text}\n".encode()) == {"config": {"user.key": text}}


def test_what_servers_write_of_themselves_keeps_its_type() -> None:
    written = (
        b"size: -1\nstateful: false\nephemeral: true\nprofiles: []\nconfig: {}\nbackups: null\nusage: 0\n"
    )
    expected = {"size": -1, "stateful": False, "ephemeral": True, "profiles": [], "config": {}}
    assert load_definition(written) == {**expected, "backups": None, "usage": 0}


@pytest.mark.parametrize(
    "content", [b"", b"- a", b"a: [", b"\xff", b"a: \x85\xff", b"!!python/name:os.system a"]
)
def test_what_is_no_definition_is_refused(content: bytes) -> None:
    with pytest.raises(Corrupt):
        load_definition(content)


def test_half_a_character_is_refused_and_not_changed() -> None:
    with pytest.raises(Corrupt, match="no text"):
        dump_definition({"config": {"user.key": "\ud800"}})


ALIASES = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (to, to, b",".join([b"*%c" % of] * 9))
    for of, to in zip(b"abcdefgh", b"bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (ALIASES, "an alias"),
        (b"a: &a\n  b: *a\n", "an alias"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a": ' * 200 + b"a" + b"}" * 200, "nested too deeply"),
        (b"- " * 5000, "nested too deeply"),
        (b"".join(b" " * depth + b"a:\n" for depth in range(300)), "nested too deeply"),
        (b"a: !!binary aGFsbG8=\n", "the tag"),
        (b"a: !!int 5\n", "the tag"),
        (b"? [a]\n: b\n", "a key is not a text"),
        (b"a: 1\na: 2\n", "twice"),
        (b"a: 1\n---\na: 2\n", "several"),
        (b"a: [" + b"x" * (5 << 20), "no YAML"),
    ],
)
def test_what_no_server_writes_is_refused_before_it_costs_much(content: bytes, why: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Corrupt, match=why):
        load_definition(content)
    assert time.monotonic() - begun < 5


def test_a_number_of_any_length_is_no_traceback() -> None:
    assert load_definition(b"size: " + b"9" * 9999) == {"size": "9" * 9999}


def test_a_long_definition_notices_a_stop_on_its_way() -> None:
    content = b"a:\n" + b"- b\n" * 50_000
    beats = []

    def checkpoint() -> None:
        beats.append(1)
        if len(beats) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        load_definition(content, checkpoint)
