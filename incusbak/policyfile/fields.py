"""Read the keys of one mapping of a policy, so that no key is passed over in silence."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from attrs import define, field

from ..model.policies import Place
from .nodes import Mapping, Node, Scalar, Sequence
from .problems import Bad, Problems, did_you_mean, shown
from .values import kind_of

T = TypeVar("T")
D = TypeVar("D")


@define
class Fields:
    """The keys of a mapping. Reading one that is wrong notes the problem and gives the default."""

    place: Place
    problems: Problems
    nodes: dict[str, Node] = field(factory=dict)

    def get(self, key: str, read: Callable[[Node], T], default: D) -> T | D:
        node = self.nodes.get(key)
        if node is None:
            return default
        try:
            return read(node)
        except Bad as bad:
            self.problems.extend(bad.problems)
            return default

    def require(self, key: str, read: Callable[[Node], T], default: D) -> T | D:
        """Read a key that must be there."""
        if key not in self.nodes:
            self.problems.add(self.place, f"the key {shown(key)} is missing")
        return self.get(key, read, default)

    def section(self, key: str, known: Iterable[str]) -> "Fields":
        """Read a mapping below this one; empty when it is not there."""
        node = self.nodes.get(key)
        return fields_of(node, self.problems, known=known) if node else Fields(self.place, self.problems)

    def items(self, key: str) -> tuple[Node, ...]:
        """The items of a list, which may be empty."""
        match self.nodes.get(key):
            case None:
                return ()
            case Sequence(items=items):
                return items
            case node:
                self.problems.add(node.place, f"expected a list, got {kind_of(node)}")
                return ()


def fields_of(node: Node, problems: Problems, *, known: Iterable[str]) -> Fields:
    """Look at the keys of a mapping.

    Args:
        known: the keys that have a meaning here.
    """
    fields = Fields(node.place, problems)
    if not isinstance(node, Mapping):
        problems.add(node.place, f"expected a mapping with {', '.join(known)}, got {kind_of(node)}")
        return fields
    seen: set[str] = set()
    for key, value in node.items:
        if not isinstance(key, Scalar):
            problems.add(key.place, f"a key must be text, got {kind_of(key)}")
        elif key.text in seen:
            problems.add(key.place, f"duplicate key {shown(key.text)}")
        elif key.text in known:
            fields.nodes[key.text] = value
        else:
            problems.add(key.place, _why_not(key.text, known))
        seen.add(key.text if isinstance(key, Scalar) else "")
    return fields


def _why_not(key: str, known: Iterable[str]) -> str:
    if key == "<<":
        return "merge keys (`<<`) are not supported; use `defaults`, or an alias for the whole value"
    return f"unknown key {shown(key)}{did_you_mean(key, known)}"
