"""Paths of the API are quoted, so that no name can point elsewhere."""

import pytest

from incusbak.model.refs import BadAddress
from incusbak.ports import path_of


def test_each_part_is_quoted() -> None:
    assert path_of("instances", "a/b?c#d%e f", "ü") == "instances/a%2Fb%3Fc%23d%25e%20f/%C3%BC"


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_a_part_that_would_change_the_path_is_refused(part: str) -> None:
    with pytest.raises(BadAddress):
        path_of("projects", part)
