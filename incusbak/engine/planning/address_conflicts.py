"""Network addresses that restores bring and somebody else has already: the server would refuse them. Pure."""

from collections.abc import Iterable, Iterator

from ...errors import Unplannable
from ...model.actions import Replace, Restore
from ...model.plans import Step
from ...model.policies import Identity, Maps
from ...model.refs import ResourceRef
from .ordering import newest_first
from .world import World


def check_addresses(steps: Iterable[Step], world: World) -> list[Unplannable]:
    """Find MAC addresses and fixed IP addresses that a living resource, or an earlier step's, has as well.

    Of two that come back, the one with the newer backup has it: that lived last. What is replaced in the same
    plan gives its own up.
    """
    restores = [step.action for step in steps if isinstance(step.action, Restore | Replace)]
    taken = dict(_living(restores, world))
    problems = []
    for action in newest_first(restores):
        wanted = sorted(_brought(action, world))
        lost = [address for address in wanted if address in taken]
        problems += [_problem(action.to, address[1], taken[address]) for address in lost]
        taken.update({} if lost else dict.fromkeys(wanted, action.to))  # what can't come takes nothing
    return problems


def _living(
    restores: Iterable[Restore | Replace], world: World
) -> Iterator[tuple[tuple[str, str], ResourceRef]]:
    """Addresses with the project whose networks they are on, and who has them."""
    replaced = {action.to for action in restores}
    for ref, resource in world.inventory.resources.items():
        if ref not in replaced:
            for address in world.kinds[ref.kind].addresses(resource.document, Maps()):
                yield (_networks_of(ref, world), address), ref


def _brought(action: Restore | Replace, world: World) -> Iterator[tuple[str, str]]:
    if action.options.identity is Identity.REGENERATE:
        return
    kind = world.kinds[action.to.kind]
    document = kind.brought(world.evidence.manifests[action.source].manifest, action.options)
    for address in kind.addresses(document, action.options.maps):
        yield _networks_of(action.to, world), address


def _networks_of(ref: ResourceRef, world: World) -> str:
    return world.owned(ResourceRef("network", project=ref.project)).project


def _problem(ref: ResourceRef, address: str, other: ResourceRef) -> Unplannable:
    return Unplannable(
        f"{ref}: its {address} is taken by {other}",
        hint="give it a new identity with --identity regenerate (in a policy: identity), "
        "or another network with --network-map OLD=NEW",
        of=ref.address,
    )
