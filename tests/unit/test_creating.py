"""What tells something half made from something that somebody has changed since."""

import pytest

from incusbak.engine.execution.entities import is_begun
from incusbak.model.documents import Json

WANTED: Json = {
    "description": "ours",
    "config": {"mtu": "1500"},
    "ingress": [{"source": "self"}, {"port": "1"}],
}


@pytest.mark.parametrize(
    ("changed", "begun"),
    [
        ({}, True),
        ({"config": {"mtu": "1500", "ipv6.address": "fd42::1/64"}}, True),
        ({"ingress": [{"port": "1"}]}, True),
        ({"config": {}}, False),
        ({"config": {"mtu": "9000"}}, False),
        ({"ingress": [{"port": "2"}]}, False),
        ({"description": "somebody's"}, False),
        ({"more": ""}, False),
    ],
)
def test_what_the_first_of_two_requests_leaves_is_known(changed: Json, begun: bool) -> None:
    assert is_begun({**WANTED, **changed}, WANTED) == begun
