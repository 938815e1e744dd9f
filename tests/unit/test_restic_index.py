"""The index of manifests as a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incusbak.repositories.restic.index import entries_in, lines_of

TEXTS = st.dictionaries(st.text(), st.text(st.characters()))


@given(TEXTS, st.integers(1, 40))
def test_an_index_comes_back_however_it_is_cut_into_chunks(texts: dict[str, str], size: int) -> None:
    data = b"".join(lines_of(texts))
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert dict(entries_in(chunks)) == texts


@pytest.mark.parametrize(
    "data", [b"x\n", b'["a", "b"', b'["a"]\n', b'["a", 1]\n', b'{"a": "b"}\n', b"3\n", b"\n"]
)
def test_what_is_no_index_is_not_believed(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are for nobody
        list(entries_in([data]))
