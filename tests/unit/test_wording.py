"""Text for people: how it is measured and broken into lines."""

import textwrap
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from incusbak.plain_text import printable
from incusbak.render.wording import cells, wrap

texts = st.text(st.sampled_from("ab -\n\t\u00a0\x00é\u0301網"), max_size=40)


@given(texts, st.integers(1, 40), st.sampled_from(["", "  ", "because: "]))
def test_lines_are_broken_as_textwrap_does(text: str, width: int, first: str) -> None:
    filled = textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    assert wrap(text, width, first=first, rest="    ") == filled


@given(texts)
def test_what_cannot_be_shown_is_escaped_and_nothing_else(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()


@given(texts)
def test_a_text_is_as_wide_as_its_characters(text: str) -> None:
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    combining = sum(unicodedata.combining(char) > 0 for char in text)
    assert cells(text) == len(text) + wide - combining
