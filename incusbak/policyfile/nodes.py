"""YAML text to a tree in which every node knows its place. The only import of ruamel.yaml.

Built from the parser's events and not by a loader: nothing is coerced, no tag makes an object, and no
depth of nesting or chain of aliases can exhaust the stack or the memory.
"""

import re
from collections.abc import Iterator
from typing import Any

from attrs import define, field, frozen
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
)
from ruamel.yaml.reader import ReaderError

from ..model.policies import Place
from .problems import Bad, shown

_DEEPEST = 40
# what an unquoted word means in YAML 1.2; everything else is text
_MEANINGS = (
    ("null", re.compile(r"~|null|Null|NULL|")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+")),
    (
        "float",
        re.compile(
            r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
        ),
    ),
)


@frozen(eq=False)
class Scalar:
    """A single value; ``meaning`` is text, null, bool, int or float.

    ``written``: as it stands in the file, where that is not ``text``.
    """

    place: Place
    text: str
    meaning: str
    written: str = ""


@frozen(eq=False, repr=False)
class Sequence:
    place: Place
    items: tuple["Node", ...]


@frozen(eq=False, repr=False)
class Mapping:
    place: Place
    items: tuple[tuple["Node", "Node"], ...]


Node = Scalar | Sequence | Mapping
_SOME_BREAK = re.compile("[\x85\u2028\u2029]")


def parse_yaml(text: str, file: str) -> Node:
    """Read one YAML document.

    Raises:
        Bad: not YAML, or with what policies do without (tags, directives, several documents).
    """
    if found := _SOME_BREAK.search(text):
        shown = f"U+{ord(found[0]):04X}"
        message = f"{shown} ends a line for some readers of YAML only; write a space, or its escape in quotes"
        raise Bad((place_at(text, found.start(), file), message))
    builder = _Builder(file)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except Bad:
        raise
    except MarkedYAMLError as error:
        raise Bad(_of_marked(error, file)) from error
    except ReaderError as error:
        place = place_at(text, int(error.position), file)
        raise Bad((place, "a character YAML does not allow; write it as an escape in quotes")) from error
    except Exception as error:  # the parser trips over some malformed input: the file is still at fault
        raise Bad((builder.last, f"not valid YAML ({type(error).__name__} near here)")) from error
    if builder.root is None:
        raise Bad((Place(file, 1), "the file is empty; a policy begins with `version: 1`"))
    return builder.root


def place_at(text: str, position: int, file: str) -> Place:
    """Find the line and column of a character."""
    before = text[:position]
    return Place(file, before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _of_marked(error: MarkedYAMLError, file: str) -> tuple[Place, str]:
    mark = error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1)
    context = str(error.context or "")
    message = ", ".join(part for part in (context, str(error.problem or "")) if part)
    hint = (
        "; text that starts with `*` or `&` needs quotes" if "alias" in context or "anchor" in context else ""
    )
    return place, f"not valid YAML: {message.splitlines()[0] if message else 'malformed'}{hint}"


@define
class _Open:
    """A collection whose end has not come yet."""

    place: Place
    mapping: bool
    anchor: str
    children: list[Node] = field(factory=list)

    def close(self) -> Node:
        if not self.mapping:
            return Sequence(self.place, tuple(self.children))
        return Mapping(self.place, tuple(_pairs(self.children)))


def _pairs(children: list[Node]) -> Iterator[tuple[Node, Node]]:
    for key, value in zip(children[::2], children[1::2], strict=True):
        if isinstance(value, Scalar) and value.meaning == "null" and not value.text:
            yield key, Scalar(key.place, "", "null")  # the parser places a missing value after the gap
        else:
            yield key, value


@define
class _Builder:
    file: str
    root: Node | None = None
    last: Place = field(init=False)
    _open: list[_Open] = field(factory=list)
    _anchors: dict[str, Node] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.last = Place(self.file, 1)

    def take(self, event: Any) -> None:
        self.last = Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, DocumentStartEvent):
            self._begin_document(event)
        elif isinstance(event, AliasEvent):
            self._add(self._aliased(str(event.anchor)))
        elif isinstance(event, ScalarEvent):
            self._refuse_tag(event)
            scalar = Scalar(self.last, event.value, _meaning(event))
            self._name(event.anchor, scalar)
            self._add(scalar)
        elif isinstance(event, CollectionStartEvent):
            self._refuse_tag(event)
            if len(self._open) >= _DEEPEST:
                raise Bad((self.last, "nested too deeply for a policy"))
            self._open.append(_Open(self.last, isinstance(event, MappingStartEvent), event.anchor or ""))
        elif isinstance(event, CollectionEndEvent):
            done = self._open.pop()
            node = done.close()
            self._name(done.anchor, node)
            self._add(node)

    def _begin_document(self, event: DocumentStartEvent) -> None:
        if self.root is not None:
            raise Bad((self.last, "a second YAML document; one policy per file"))
        if event.version or event.tags:
            raise Bad((self.last, "YAML directives (`%YAML`, `%TAG`) are not supported; remove them"))

    def _refuse_tag(self, event: ScalarEvent | CollectionStartEvent) -> None:
        tag = event.tag
        if tag:
            hint = "; text that starts with `!` needs quotes" if tag.startswith("!") else ""
            raise Bad((self.last, f"YAML tags ({shown(tag)}) are not supported{hint}"))

    def _aliased(self, anchor: str) -> Node:
        if anchor not in self._anchors:
            inside = any(collection.anchor == anchor for collection in self._open)
            why = "refers to what it is part of" if inside else "refers to an anchor that is not there"
            hint = "" if inside else "; text that starts with `*` needs quotes"
            raise Bad((self.last, f"the alias {shown('*' + anchor)} {why}{hint}"))
        return self._anchors[anchor]

    def _name(self, anchor: str | None, node: Node) -> None:
        if anchor:
            self._anchors[anchor] = node

    def _add(self, node: Node) -> None:
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node


def _meaning(event: ScalarEvent) -> str:
    if not event.implicit[0]:
        return "text"
    return next((name for name, form in _MEANINGS if form.fullmatch(event.value)), "text")
