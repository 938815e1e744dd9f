"""Put values in the place of ``${NAME}``: from ``vars`` of the policy files, else from the environment.

``vars`` come first, so that what a reviewer reads in the policy is what counts. Keys and commands,
which have variables of their own, are left as they are written.
"""

import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf

from attrs import define, evolve, field

from ..model.policies import Place
from .nodes import Mapping, Node, Scalar, Sequence
from .problems import Problems, did_you_mean, shown

_REFERENCE = re.compile(r"\$(\$?)\{([^}]*)(\}?)")
_LITERAL = re.compile(r"\$(\{[^}]*\}?)")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?", re.ASCII | re.DOTALL)
_COMMANDS = {"backup": ("before", "after"), "rehearse": ("probe",)}
"""What has variables of its own: the commands below these keys."""
_DEEPEST = 12
"""Deeper than anything in a policy; aliases can nest without end."""
VARS = "vars"


@define
class Variables:
    """What names stand for.

    Args:
        defined: by ``vars``, each with its place; given again, it must have the same value.
        environment: of this process.
    """

    problems: Problems
    environment: MappingOf[str, str]
    defined: dict[str, tuple[str, Place]]
    _done: dict[tuple[int, str, int], Node] = field(factory=dict)

    def expand(self, node: Node, *, below: str = "", depth: int = 0) -> Node:
        """Copy a tree with values in the place of references; ``below``: the key it is the value of.

        What is aliased many times is copied once, else a small file could take all memory.
        """
        known = (id(node), below, depth)
        if known not in self._done:
            self._done[known] = self._expanded(node, below, depth + 1)
        return self._done[known]

    def _expanded(self, node: Node, below: str, depth: int) -> Node:
        if depth > _DEEPEST:
            return node
        match node:
            case Scalar():
                return self._expand_scalar(node)
            case Sequence(items=items):
                return evolve(node, items=tuple(self.expand(i, below=below, depth=depth) for i in items))
            case Mapping(items=pairs):
                return evolve(
                    node, items=tuple((k, self._expand_value(k, v, below, depth)) for k, v in pairs)
                )

    def _expand_value(self, key: Node, value: Node, below: str, depth: int) -> Node:
        name = key.text if isinstance(key, Scalar) else ""
        is_command = name in _COMMANDS.get(below, ())
        return value if is_command or name == VARS else self.expand(value, below=name, depth=depth)

    def _expand_scalar(self, node: Scalar) -> Scalar:
        if "${" not in node.text:
            return node
        text = _REFERENCE.sub(lambda found: self._value(found, node.place), node.text)
        return evolve(node, text=text, meaning="text", written=node.text)

    def _value(self, found: re.Match[str], place: Place) -> str:
        escaped, inside, closed = found.groups()
        if escaped:
            return found.group()[1:]
        named = _NAME.fullmatch(inside) if closed else None
        if named is None:
            self.problems.settle(
                place,
                f"{shown(found.group())} is not of the form ${{NAME}} or ${{NAME:-default}}; "
                "write $${ where the characters themselves are meant",
            )
            return ""
        name, _, default = named.groups()
        if name in self.defined and self.problems.hides(self.defined[name][1]):
            self.problems.hide(place, f"${{{name}}}")
        return self._look_up(name, default, place)

    def _look_up(self, name: str, default: str | None, place: Place) -> str:
        if name in self.defined:
            return self.defined[name][0]
        value = self.environment.get(name)
        if not value and default is not None:  # as in a shell: set to nothing is as good as not set
            value = default
        if value is None:
            near = did_you_mean(name, self.defined)
            self.problems.settle(
                place, f"{shown(name)} is set neither in `vars` nor in the environment{near}"
            )
        elif name in self.environment:
            self.problems.hide(place, f"${{{name}}}")
        return value or ""


def escaped(text: str) -> str:
    """Write text so that it comes back as it is, whatever in it looks like a variable."""
    return _LITERAL.sub(r"$$\1", text)


def variables_of(
    sources: Iterable[Iterable[tuple[str, Scalar]]], environment: MappingOf[str, str], problems: Problems
) -> Variables:
    """Gather the ``vars`` of all files; their values may refer to the environment, not to each other."""
    defined: dict[str, tuple[str, Place]] = {}
    outside = Variables(problems, environment, {})
    for name, node in (pair for source in sources for pair in source):
        value = outside.expand(node)
        assert isinstance(value, Scalar)
        first, where = defined.setdefault(name, (value.text, node.place))
        if first != value.text:
            problems.add(node.place, f"the variable {shown(name)} has another value at {where}")
    return Variables(problems, environment, defined)
