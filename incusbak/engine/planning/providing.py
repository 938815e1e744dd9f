"""What to do about something that is missing on the server, in words. Pure."""

from collections.abc import Iterable, Sequence

from ...errors import Unplannable
from ...model.policies import Maps
from ...model.refs import CONFIG, ResourceRef, parse_address
from .world import World

_MAPPED = ("pool", "network", "project", "profile")
_WITH_INSTANCE = "with the instance (--volumes missing; in a policy: volumes), or with"
_WITH_VOLUMES = f"{_WITH_INSTANCE} `incus-backup restore volumes`"
_WITH_CONFIG = "with `incus-backup restore config --apply`"


def lacking(ref: ResourceRef, missing: Sequence[ResourceRef], maps: Maps) -> Unplannable:
    """Say that something needs what is not there; what helps is said when all is known that is missing."""
    words = f"{ref} needs {', '.join(each.address for each in missing)}: not on the server"
    named = [(each.address, old) for each in missing for old in maps.names_before(each.kind, each.name)]
    return Unplannable(words, of=ref.address, lacks=tuple(named))


def helped(problems: Iterable[Unplannable], world: World) -> list[Unplannable]:
    """Give all that lacks something one hint, which helps with all of it and is read once."""
    found = list(problems)
    lacks = sorted({named for problem in found for named in problem.lacks})
    hint = _how_to_provide([(parse_address(address), old) for address, old in lacks], world) if lacks else ""
    return [problem.with_hint(hint) if problem.lacks else problem for problem in found]


def _how_to_provide(named: Iterable[tuple[ResourceRef, str]], world: World) -> str:
    """Say what to do about all of it; a restore is of use only where a backup has it."""
    named = list(named)
    missing = list(dict.fromkeys(ref for ref, _ in named))
    maps = dict.fromkeys(f"--{ref.kind}-map {old}=NEW" for ref, old in named if ref.kind in _MAPPED)
    created = missing[0].address if len(missing) == 1 else "them"
    mapped = f"use {'another' if len(maps) == 1 else 'others'} with {' '.join(maps)} (in a policy: maps)"
    ways = [*_ways_back(missing, world), f"create {created}", *([mapped] if maps else [])]
    return ", or ".join(ways)


def _ways_back(missing: Sequence[ResourceRef], world: World) -> list[str]:
    """Say which of it is brought back in which way."""
    by_way: dict[str, list[ResourceRef]] = {}
    for ref in missing:
        if way := _bringing_back(ref, world):
            by_way.setdefault(way, []).append(ref)
    return [f"bring {_those(refs, missing)} back {way}" for way, refs in by_way.items()]


def _those(refs: Sequence[ResourceRef], missing: Sequence[ResourceRef]) -> str:
    if len(refs) == len(missing):
        return "it" if len(refs) == 1 else "them"
    return ", ".join(ref.address for ref in refs)


def _bringing_back(ref: ResourceRef, world: World) -> str:
    if ref.kind not in world.entities:
        return _WITH_VOLUMES if world.catalog.newest(ref) else ""
    newest = world.catalog.newest(CONFIG)
    stored = world.evidence.manifests.get(newest) if newest else None
    state = stored.manifest.captured.resource if stored else {}
    has_it = any(ref == listed.ref for listed in world.entities[ref.kind].listed(state))
    return _WITH_CONFIG if has_it else ""
