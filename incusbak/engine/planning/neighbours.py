"""What a restore brings and a neighbour has, which shows only at a start: listeners and DNS names. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from attrs import frozen

from ...errors import Unplannable
from ...model.actions import Replace, Restore
from ...model.documents import Json
from ...model.inventory import Listener
from ...model.plans import Step
from ...model.policies import Maps
from ...model.refs import ResourceRef
from .ordering import newest_first
from .world import World


@frozen
class _Neighbour:
    """One that lives, or is to. ``runs``: now, or the plan has it started.

    ``networks``: those, where they really are, that know it by its name.
    """

    ref: ResourceRef
    runs: bool
    listeners: tuple[Listener, ...]
    networks: frozenset[ResourceRef]


def check_neighbours(steps: Iterable[Step], world: World) -> tuple[list[Unplannable], list[str]]:
    """Find what would keep a restored instance from starting, or take something from one that runs.

    Of two that come back, the one with the newer backup goes first. What is replaced in the same plan gives
    its own up.

    Returns:
        What can't be done, and a sentence for each two that can't run at the same time.
    """
    restores = [step.action for step in steps if isinstance(step.action, Restore | Replace)]
    there = _Street()
    for neighbour in _living(restores, world) if restores else ():
        there.add(neighbour)
    problems: list[Unplannable] = []
    warnings: list[str] = []
    for action in newest_first(restores):
        new = _brought(action, world)
        clashes = list(there.clashes(new))
        lost = [problem for problem, is_sure in clashes if is_sure]
        problems += lost
        warnings += [f"{problem.message}; not both can run" for problem, is_sure in clashes if not is_sure]
        if not lost:  # what can't come is in nobody's way
            there.add(new)
    return problems, warnings


class _Street:
    """Those who are there already, found by what they may have in common with another one."""

    def __init__(self) -> None:
        self._listening: list[_Neighbour] = []
        self._by_name: defaultdict[str, list[_Neighbour]] = defaultdict(list)

    def add(self, neighbour: _Neighbour) -> None:
        if neighbour.listeners:
            self._listening.append(neighbour)
        if neighbour.networks:
            self._by_name[neighbour.ref.name.lower()].append(neighbour)

    def clashes(self, new: _Neighbour) -> Iterator[tuple[Unplannable, bool]]:
        """Say what can't be, and whether the plan leads to it for sure."""
        for other in self._listening if new.listeners else ():
            yield from _same_place(new, other)
        for other in self._by_name[new.ref.name.lower()] if new.networks else ():
            yield from _same_name(new, other)


def _living(restores: Iterable[Restore | Replace], world: World) -> Iterator[_Neighbour]:
    replaced = {action.to for action in restores}
    for ref, resource in world.inventory.resources.items():
        if ref not in replaced:
            kind, document = world.kinds[ref.kind], resource.document
            yield _neighbour(ref, document, Maps(), world, runs=kind.runs(document))


def _brought(action: Restore | Replace, world: World) -> _Neighbour:
    manifest, kind = world.evidence.manifests[action.source].manifest, world.kinds[action.to.kind]
    document = kind.brought(manifest, action.options)
    runs = action.options.start and kind.runs(document)
    return _neighbour(action.to, document, action.options.maps, world, runs=runs)


def _neighbour(ref: ResourceRef, document: Json, maps: Maps, world: World, *, runs: bool) -> _Neighbour:
    kind = world.kinds[ref.kind]
    networks = (
        world.owned(ResourceRef("network", project=ref.project, name=name))
        for name in kind.networks(document, maps)
    )
    return _Neighbour(
        ref,
        runs,
        tuple(sorted(kind.listeners(document))),
        frozenset(n for n in networks if _tells_names(n, world)),
    )


def _tells_names(network: ResourceRef, world: World) -> bool:
    """Whether a network has a name service, in which a name is there once."""
    document = world.document(network)
    return document is not None and (document.get("config") or {}).get("dns.mode") != "none"


def _same_place(new: _Neighbour, other: _Neighbour) -> Iterator[tuple[Unplannable, bool]]:
    """Find the devices of two that listen at the same place; sure to hurt if both run."""
    for mine in new.listeners:
        for theirs in other.listeners:
            if mine.meets(theirs):
                yield (
                    Unplannable(
                        f"{new.ref}: its device {mine.device} listens on {mine}, "
                        f"as {theirs.device} of {other.ref} does",
                        hint=f"leave it out with --without-device {mine.device} (in a policy: "
                        "without_devices), leave it stopped with --no-start, or stop the other one",
                        of=new.ref.address,
                    ),
                    new.runs and other.runs,
                )


def _same_name(new: _Neighbour, other: _Neighbour) -> Iterator[tuple[Unplannable, bool]]:
    """Find two of one name on a network that tells names: the server takes no second one, even stopped."""
    for network in sorted(new.networks & other.networks):
        yield (
            Unplannable(
                f"{new.ref}: its name is that of {other.ref} on {network}",
                hint="give it another one with --target-name, another network with --network-map OLD=NEW, "
                "or leave the device out with --without-device NAME",
                of=new.ref.address,
            ),
            True,
        )
