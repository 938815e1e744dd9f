"""Where each setting in effect comes from: the rule, ``defaults``, the resource itself, or nowhere. Pure."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from attrs import asdict

from ...model.explanations import BuiltIn, Origin, OwnKey, Setting, Written
from ...model.inventory import Resource
from ...model.policies import Expect, ProtectRule
from ...ports import Kind
from ..planning.world import World
from ..selection.instance_keys import AFTER, BEFORE, Commands
from ..selection.obstacles import EXPORTED
from ..selection.protection import INSTANCE, added_by


def settings_of(rule: ProtectRule, resource: Resource, world: World) -> Iterator[Setting]:
    """List what is in effect for a resource of its kind, each with where it comes from."""
    kind, options = resource.ref.kind, rule.options.settled(world.evidence.usual_compression)
    yield _setting(rule, "every", _in_policy_words(rule.every) if rule.every else None)
    if kind in EXPORTED:
        yield _setting(rule, "snapshot", options.snapshot)
        yield _setting(rule, "optimized", options.optimized)
        yield _setting(rule, "compression", options.compression.value)
    if kind == INSTANCE:
        yield _setting(rule, "images", rule.images.value)
        yield _setting(rule, "attached_volumes", rule.attached_volumes)
        yield from _hooks(rule, resource, world.kinds)
        may = [permission.value for permission in rule.instances_may]
        yield Setting("instances_may", may, _origin(rule, "instances_may"))
    yield _keep(rule)


def expectations_of(expect: Expect) -> Iterator[Setting]:
    """List how it is taken that no rule covers something, or that one means nothing: for all rules alike."""
    for name in ("unprotected", "unmatched"):
        place = expect.places.get(name)
        value = getattr(expect, name).value
        yield Setting(f"expect.{name}", value, Written(place) if place else BuiltIn())


def _keep(rule: ProtectRule) -> Setting:
    """Tell of the whole of it: where the first of its parts stands, there it is."""
    if rule.keep is None:
        return Setting("keep", {"all": True}, BuiltIn())
    said = {key: value for key, value in asdict(rule.keep).items() if value}
    words = {key: _in_policy_words(v) if isinstance(v, timedelta) else v for key, v in said.items()}
    places = [rule.places[f"keep.{key}"] for key in said if f"keep.{key}" in rule.places]
    first = min(places, key=lambda place: (place.line, place.column), default=None)
    return Setting("keep", words, Written(first) if first else BuiltIn())


def _hooks(rule: ProtectRule, resource: Resource, kinds: Mapping[str, Kind]) -> Iterator[Setting]:
    """List the commands in the order in which they run, the rule's and the instance's own."""
    own = added_by(rule, resource, kinds)
    before = _setting(rule, "before", _as_lists(rule.hooks.before))
    after = _setting(rule, "after", _as_lists(rule.hooks.after))
    own_before = Setting("before", _as_lists(own.before), OwnKey(BEFORE))
    own_after = Setting("after", _as_lists(own.after), OwnKey(AFTER))
    yield from [each for each in (before, own_before) if each.value] or [before]
    yield from [each for each in (own_after, after) if each.value] or [after]
    yield _setting(rule, "timeout", _in_policy_words(timedelta(seconds=rule.hooks.timeout_seconds)))


def _as_lists(commands: Commands) -> list[list[str]]:
    return [list(command) for command in commands]


def _setting(rule: ProtectRule, name: str, value: Any) -> Setting:
    return Setting(name, value, _origin(rule, f"backup.{name}"))


def _origin(rule: ProtectRule, path: str) -> Origin:
    place = rule.places.get(path)
    return Written(place) if place else BuiltIn()


def _in_policy_words(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    parts = (
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "m"),
        (seconds % 60, "s"),
    )
    return "".join(f"{count}{unit}" for count, unit in parts if count)
