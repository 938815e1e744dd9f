"""Network addresses that restores bring and somebody else has already: the server would refuse them. Pure."""

from collections.abc import Iterable, Iterator

from ..errors import Unplannable
from ..model.actions import Replace, Restore
from ..model.plans import Step
from ..model.policies import Identity, Maps
from ..model.refs import ResourceRef
from .world import World


def check_addresses(steps: Iterable[Step], world: World) -> list[Unplannable]:
    """Find MAC addresses and fixed IP addresses that a living resource, or an earlier step's, has as well.

    What is replaced in the same plan gives its own up.
    """
    restores = [step for step in steps if isinstance(step.action, Restore | Replace)]
    taken = dict(_living(restores, world))
    problems = []
    for step in restores:
        for address in sorted(_brought(step, world)):
            other = taken.setdefault(address, _target(step))
            if other != _target(step):
                problems.append(_problem(_target(step), address[1], other))
    return problems


def _living(restores: Iterable[Step], world: World) -> Iterator[tuple[tuple[str, str], ResourceRef]]:
    """Addresses with the project whose networks they are on, and who has them."""
    replaced = {_target(step) for step in restores}
    for ref, resource in world.inventory.resources.items():
        if ref not in replaced:
            for address in world.kinds[ref.kind].addresses(resource.document, Maps()):
                yield (_networks_of(ref, world), address), ref


def _brought(step: Step, world: World) -> Iterator[tuple[str, str]]:
    if not isinstance(step.action, Restore | Replace) or step.action.options.identity is Identity.REGENERATE:
        return
    kind = world.kinds[step.action.to.kind]
    document = kind.brought(world.evidence.manifests[step.action.source].manifest, step.action.options)
    for address in kind.addresses(document, step.action.options.maps):
        yield _networks_of(step.action.to, world), address


def _target(step: Step) -> ResourceRef:
    assert isinstance(step.action, Restore | Replace)
    return step.action.to


def _networks_of(ref: ResourceRef, world: World) -> str:
    return world.owned(ResourceRef("network", project=ref.project)).project


def _problem(ref: ResourceRef, address: str, other: ResourceRef) -> Unplannable:
    return Unplannable(
        f"{ref}: its {address} is taken by {other}",
        hint="give it a new identity with --identity regenerate (in a policy: identity), "
        "or another network with --network-map OLD=NEW",
    )
