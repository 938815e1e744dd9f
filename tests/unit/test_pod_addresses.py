"""Pods of the live tests have networks of their own, whoever else is on the machine."""

from ipaddress import IPv4Network
from itertools import islice, pairwise

from tests.live.support import addresses


def test_every_number_has_a_network_of_its_own() -> None:
    networks = [addresses.network_of(number) for number in range(addresses.COUNT)]
    assert (networks[0], networks[-1]) == (IPv4Network("10.213.0.0/30"), IPv4Network("10.213.255.252/30"))
    assert all(one.broadcast_address < other.network_address for one, other in pairwise(networks))


def test_what_is_in_use_is_not_handed_out() -> None:
    taken = [
        IPv4Network(each)
        for each in ("10.213.0.0/17", "10.213.128.0/18", "10.213.192.4/32", "192.168.0.0/16")
    ]
    free = list(addresses.free_numbers(taken))
    assert len(free) == addresses.COUNT // 4 - 1
    assert not any(addresses.network_of(number).overlaps(other) for number in free for other in taken)
    assert list(addresses.free_numbers([IPv4Network("10.0.0.0/8")])) == []


def test_the_next_pod_does_not_get_the_address_of_the_last() -> None:
    drawn = [next(addresses.free_numbers([])) for _ in range(20)]
    assert len(set(drawn)) > 1
    assert len(set(islice(addresses.free_numbers([]), 500))) == 500
