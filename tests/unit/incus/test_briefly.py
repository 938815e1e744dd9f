"""Of what a server says at length, what tells something is told, and the rest is for the trace."""

import pytest

from incusbak.errors import ServerError
from incusbak.incus.faults import briefly

from .stub import Stub, refusal

LONG = "\n".join(["", "tar: no", *(f"line {n}" for n in range(300)), "exit status 2"])


@pytest.mark.parametrize("words", ["one", "one\ntwo", "1\n2\n3\n4\n5"])
def test_what_is_short_stays_as_it_is(words: str) -> None:
    assert briefly(words) == words


def test_of_a_long_text_the_beginning_and_the_end_are_told() -> None:
    told = briefly(LONG).splitlines()
    assert (told[0], told[-1], len(told)) == ("tar: no", "exit status 2", 6)
    assert "297 more lines" in told[-2]


def test_lines_that_are_repeated_or_endless_are_cut() -> None:
    assert briefly("again\n" * 200) == "again"
    assert len(briefly("x" * 9000)) < 600


def test_the_trace_has_all_of_it(stub: Stub) -> None:
    lines: list[str] = []
    stub.on("PUT", "instances/c1", refusal(500, LONG))
    with pytest.raises(ServerError) as caught:
        stub.connect(on_trace=lines.append).replace("instances/c1", {})
    assert len(caught.value.message.splitlines()) == 6
    assert sum("line 299" in line for line in lines) == 1
