"""A network of its own for each pod, which nothing else on the machine has.

Numbers are drawn, so that the next pod does not get the address of one that has just gone: whoever still
talks to that one must not reach another. A link's name tells its network, and there is one link of a name,
whoever made it and from which checkout; what has the network in another way is looked for.
"""

import json
import random
import subprocess
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

EVERY = IPv4Network("10.213.0.0/16")
COUNT = 1 << (30 - EVERY.prefixlen)
_CHANCE = random.SystemRandom()


def network_of(number: int) -> IPv4Network:
    """The network of a link, with room for its two ends."""
    return IPv4Network((int(EVERY.network_address) + number * 4, 30))


def free_numbers(taken: Iterable[IPv4Network]) -> Iterator[int]:
    """Draw numbers of links whose networks do not meet any of these."""
    others = [network for network in taken if network.overlaps(EVERY)]
    for number in _CHANCE.sample(range(COUNT), COUNT):
        if not any(network_of(number).overlaps(other) for other in others):
            yield number


def networks_in_use() -> list[IPv4Network]:
    """Those that this machine has an address in, or a way to besides the one to everywhere."""
    links = _ask("address")
    found = [f"{each['local']}/{each['prefixlen']}" for link in links for each in link["addr_info"]]
    found += [route["dst"] for route in _ask("route", "show", "table", "all") if route["dst"] != "default"]
    return [IPv4Interface(each).network for each in found]


def _ask(*question: str) -> list[dict[str, Any]]:
    asked = ["ip", "-4", "-json", *question]
    answer = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    rows: list[dict[str, Any]] = json.loads(answer or "[]")
    return [row for row in rows if row]
