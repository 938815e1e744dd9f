"""Networks of the configuration that would meet others on the host, by address or subnet. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from ...errors import Unplannable
from ...model.actions import Create, Update
from ...model.documents import Json
from ...model.plans import Step
from ...model.refs import ResourceRef
from .world import World

_FAMILIES = ("ipv4.address", "ipv6.address")
Interface = IPv4Interface | IPv6Interface


def check_subnets(steps: Iterable[Step], world: World) -> tuple[list[Unplannable], list[str]]:
    """Compare the bridges that a plan makes or changes with each other and with those that stay.

    Returns:
        What the server refuses: an address that another bridge has. And a sentence for each two whose subnets
        overlap, which it takes: what is in the one can't be told from what is in the other.
    """
    actions = (step.action for step in steps if isinstance(step.action, Create | Update))
    made = [action.ref for action in actions if action.ref.kind == "network"]
    there = dict(_living(world, without=made)) if made else {}
    problems: list[Unplannable] = []
    warnings: list[str] = []
    for ref in made:
        own = list(_interfaces(world.document(ref) or {}))
        for other, theirs in sorted(there.items()):
            for one, two in ((one, two) for one in own for two in theirs):
                if one.ip == two.ip:
                    problems.append(_taken(ref, one, other))
                elif one.version == two.version and one.network.overlaps(two.network):
                    warnings.append(f"{ref}: its subnet {one.network} overlaps {two.network} of {other}")
        there[ref] = own
    return problems, warnings


def _living(world: World, *, without: Iterable[ResourceRef]) -> Iterator[tuple[ResourceRef, list[Interface]]]:
    left_out = set(without)
    surroundings: Mapping[ResourceRef, Json] = world.inventory.surroundings
    for ref, document in surroundings.items():
        if ref.kind == "network" and ref not in left_out:
            yield ref, list(_interfaces(document))


def _interfaces(document: Json) -> Iterator[Interface]:
    """The addresses of a bridge, with their subnets; networks of other types are kept apart."""
    config = (document.get("config") or {}) if document.get("type") == "bridge" else {}
    for key in _FAMILIES:
        try:
            yield ip_interface(config.get(key, ""))
        except ValueError:  # none, auto
            continue


def _taken(ref: ResourceRef, address: Interface, other: ResourceRef) -> Unplannable:
    hint = f"change that of {other} first"
    if other.project == ref.project:
        hint += f", or use it instead with --network-map {ref.name}={other.name} (in a policy: maps)"
    return Unplannable(f"{ref}: its address {address.ip} is that of {other}", hint=hint, of=ref.address)
