"""Read `targets`: repositories with names, and where rules name them."""

import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf

from ..model.policies import Place, Target
from . import language, values
from .care import read_whole_keep
from .fields import Fields, fields_of
from .nodes import Mapping, Node, Scalar, Sequence
from .problems import Bad, Problems, did_you_mean, shown
from .values import kind_of

Places = dict[str, Place]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
_IN_PLACES = "targets."
"""What the names that a rule uses begin with among the places of its settings."""


def read_targets(top: Fields) -> tuple[Target, ...]:
    """Read what names there are, each with its repository; what is wrong is noted and stays empty."""
    node = top.nodes.get("targets")
    if node is None:
        return ()
    if not isinstance(node, Mapping) or not node.items:
        got = "an empty one" if isinstance(node, Mapping) else kind_of(node)
        top.problems.add(node.place, f"expected a mapping of names to repositories, got {got}")
        return ()
    found: dict[str, Target] = {}
    for key, value in node.items:
        try:
            name = target_name(key)
        except Bad as bad:
            top.problems.extend(bad.problems)
            continue
        if name in found:
            top.problems.add(key.place, f"duplicate key {shown(name)}")
        found.setdefault(name, _read_target(name, key.place, value, top.problems))
    return tuple(found.values())


def _read_target(name: str, place: Place, node: Node, problems: Problems) -> Target:
    if isinstance(node, Scalar):
        fields = Fields(node.place, problems, {"uri": node})
    else:
        fields = fields_of(node, problems, known=language.TARGET)
    uri = "" if isinstance(node, Sequence) else fields.require("uri", values.target, "")
    keep = read_whole_keep(fields) if "keep" in fields.nodes else None
    return Target(name, uri, place, keep, places_below(fields, "keep"))


def places_below(parent: Fields, key: str) -> Places:
    """Where the settings of a mapping below another one stand."""
    node = parent.nodes.get(key)
    pairs = node.items if isinstance(node, Mapping) else ()
    return {f"{key}.{k.text}": k.place for k, _ in pairs if isinstance(k, Scalar)}


def read_target_names(parent: Fields) -> Places:
    """Read the names of targets that a rule uses, as they stand among the places of its settings."""
    named: Places = {}
    for name, place in parent.get("targets", values.list_of(_named), ()):
        if _IN_PLACES + name in named:
            parent.problems.add(place, f"{shown(name)} is named twice")
        named.setdefault(_IN_PLACES + name, place)
    return named


def named_in(places: MappingOf[str, Place]) -> tuple[tuple[str, Place], ...]:
    """The targets named in a rule or in ``defaults``, each with its place."""
    return tuple(
        (key.removeprefix(_IN_PLACES), place) for key, place in places.items() if key.startswith(_IN_PLACES)
    )


def _named(node: Node) -> tuple[str, Place]:
    return target_name(node), node.place


def target_name(node: Node) -> str:
    """Read the name of a target, which becomes part of names of files."""
    name = values.text(node)
    if not _NAME.fullmatch(name):
        raise Bad((node.place, f"{shown(name)} can't name a target; use letters, digits, `-` and `_`"))
    return name


def merge_targets(drafts: Iterable[tuple[Target, ...]], problems: Problems) -> tuple[Target, ...]:
    """Put the targets of all files together; one may be given again as it is, and no repository twice."""
    merged: dict[str, Target] = {}
    for target in (target for draft in drafts for target in draft):
        first = merged.setdefault(target.name, target)
        if first != target:
            problems.add(
                target.place, f"the target {shown(target.name)} is another one than at {first.place}"
            )
    by_uri: dict[str, Target] = {}
    for target in merged.values():
        first = by_uri.setdefault(target.uri, target) if target.uri else target
        if first is not target:
            problems.add(target.place, f"this is the repository of {shown(first.name)} as well")
    return tuple(merged.values())


def check_names(named: Iterable[tuple[str, Place]], targets: Iterable[Target], problems: Problems) -> None:
    """See that every target a rule names is there."""
    known = [target.name for target in targets]
    for name, place in named:
        if name not in known:
            there = ", ".join(known) or "none"
            near = did_you_mean(name, known)
            problems.add(place, f"unknown target {shown(name)} (known: {there}){near}")
