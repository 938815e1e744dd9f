"""Read single values of a policy: strictly, with a reason and a suggestion where one is wrong."""

import re
import unicodedata
import zoneinfo
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from ..model.policies import Exactly, Place
from ..model.refs import BadAddress, format_timestamp, parse_timestamp, unsafe_reason
from .language import BACKENDS
from .nodes import Mapping, Node, Scalar, Sequence
from .problems import Bad, did_you_mean, shown

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Read = Callable[[Node], T]

_UNITS = (
    timedelta(weeks=1),
    timedelta(days=1),
    timedelta(hours=1),
    timedelta(minutes=1),
    timedelta(seconds=1),
)
_DURATION = re.compile("".join(rf"(?:(\d{{1,5}}){unit})?" for unit in "wdhms"), re.ASCII)
_PERCENTAGE = re.compile(r"(\d{1,3})%", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def kind_of(node: Node) -> str:
    """Say in words what a node is."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    words = {"null": "nothing", "bool": "the truth value", "text": "the text"}
    what = words.get(node.meaning, "the number")
    return what if node.meaning == "null" else f"{what} {shown(node.text)}"


def text(node: Node) -> str:
    """Read text; nothing else is taken for it."""
    if isinstance(node, Scalar) and node.meaning == "text":
        if any(unicodedata.category(c) in ("Cc", "Cs") for c in node.text):
            raise Bad((node.place, f"{shown(node.text)} holds a control character"))
        if not node.text.strip():
            raise Bad((node.place, "expected text, got empty text"))
        return node.text
    hint = ""
    if isinstance(node, Scalar) and node.meaning not in ("null", "text") and len(node.text) < 40:
        hint = f'; put it in quotes if text is meant: "{node.text}"'
    raise Bad((node.place, f"expected text, got {kind_of(node)}{hint}"))


def boolean(node: Node) -> bool:
    """Read true or false, written so."""
    if isinstance(node, Scalar):
        if node.meaning == "bool" or (node.written and node.text in ("true", "false")):
            return node.text.lower() == "true"
        meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(node.text.lower())
        if meant:
            raise Bad((node.place, f"expected true or false, got {kind_of(node)}; write `{meant}`"))
    raise Bad((node.place, f"expected true or false, got {kind_of(node)}"))


def version_one(node: Node) -> int:
    """Read the version of the language."""
    if isinstance(node, Scalar) and node.meaning == "int" and node.text == "1":
        return 1
    hint = "; write it without quotes" if isinstance(node, Scalar) and node.text == "1" else ""
    raise Bad((node.place, f"expected the policy version 1, got {kind_of(node)}{hint}"))


def one_of(choices: type[E], *, allowed: Iterable[E] = ()) -> Read[E]:
    """Make a reader of an enum's values, or of some of them."""
    values = {choice.value: choice for choice in (tuple(allowed) or tuple(choices))}

    def read(node: Node) -> E:
        if isinstance(node, Scalar) and node.meaning == "text" and node.text in values:
            return values[node.text]
        near = did_you_mean(node.text, values) if isinstance(node, Scalar) else ""
        raise Bad((node.place, f"expected one of {', '.join(values)}, got {kind_of(node)}{near}"))

    return read


def list_of(read: Read[T]) -> Read[tuple[T, ...]]:
    """Make a reader of a list with at least one item."""

    def read_list(node: Node) -> tuple[T, ...]:
        if not isinstance(node, Sequence):
            raise Bad((node.place, f"expected a list, got {kind_of(node)}{_as_only_item(node)}"))
        if not node.items:
            raise Bad((node.place, "expected a list, got an empty one; leave the key out for its default"))
        return tuple(_gathered((item, read) for item in node.items))

    return read_list


def _as_only_item(node: Node) -> str:
    """Suggest to make a list of a value, as the end of a message."""
    if isinstance(node, Scalar) and 0 < len(node.text) < 40 and node.text.isprintable():
        return f"; write [{node.text}]"
    return ""


def table_of(read_key: Read[str], read_value: Read[str]) -> Read[tuple[tuple[str, str, Place], ...]]:
    """Make a reader of a mapping from text to text; an entry comes with its place."""

    def read(node: Node) -> tuple[tuple[str, str, Place], ...]:
        if not isinstance(node, Mapping):
            raise Bad((node.place, f"expected a mapping, got {kind_of(node)}"))
        keys = _gathered((key, read_key) for key, _ in node.items)
        values = _gathered((value, read_value) for _, value in node.items)
        twice = [(key.place, f"duplicate key {shown(name)}") for name, (key, _) in repeated(keys, node.items)]
        if twice:
            raise Bad(*twice)
        return tuple((k, v, pair[0].place) for k, v, pair in zip(keys, values, node.items, strict=True))

    return read


def repeated(names: Iterable[str], things: Iterable[T]) -> list[tuple[str, T]]:
    """Find the names that came before, with what bears them."""
    seen: set[str] = set()
    found = []
    for name, thing in zip(names, things, strict=True):
        if name in seen:
            found.append((name, thing))
        seen.add(name)
    return found


def _gathered(jobs: Iterable[tuple[Node, Read[T]]]) -> list[T]:
    values: list[T] = []
    problems: list[tuple[Place, str]] = []
    for node, read in jobs:
        try:
            values.append(read(node))
        except Bad as bad:
            problems.extend(bad.problems)
    if problems:
        raise Bad(*problems)
    return values


def duration(node: Node) -> timedelta:
    """Read a duration such as 90m, 24h, 7d, 2w or 1d12h."""
    if isinstance(node, Scalar) and node.meaning == "text":
        match = _DURATION.fullmatch(node.text)
        if match and any(match.groups()):
            length = sum(
                (int(n or 0) * unit for n, unit in zip(match.groups(), _UNITS, strict=True)),
                timedelta(),
            )
            if length:
                return length
            raise Bad((node.place, "a duration of zero; leave `every` out if any backup will do"))
    raise Bad((node.place, f"expected a duration such as 90m, 24h, 7d, 2w or 1d12h, got {kind_of(node)}"))


def count(node: Node) -> int:
    """Read how many: a whole number from 1 on."""
    if isinstance(node, Scalar) and (node.meaning == "int" or node.written) and _COUNT.fullmatch(node.text):
        return int(node.text)
    raise Bad((node.place, f"expected how many, from 1 on, got {kind_of(node)}"))


def true(node: Node) -> bool:
    """Read what can only be said, not denied."""
    if not boolean(node):
        raise Bad((node.place, "only true means something here; leave it out otherwise"))
    return True


def percentage(node: Node) -> int:
    """Read a percentage from 0% to 100%."""
    match = _PERCENTAGE.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None or int(match[1]) > 100:
        hint = f"; write {node.text}%" if isinstance(node, Scalar) and node.meaning == "int" else ""
        raise Bad((node.place, f"expected a percentage from 0% to 100%, got {kind_of(node)}{hint}"))
    return int(match[1])


def variable_name(node: Node) -> str:
    """Read the name of a variable."""
    name = text(node)
    if not _VARIABLE.fullmatch(name):
        raise Bad((node.place, f"{shown(name)} can't be a variable; use letters, digits and _"))
    return name


def glob(node: Node) -> str:
    """Read a shell pattern (``*``, ``?``, ``[a-z]``)."""
    pattern = text(node)
    rest = pattern
    while "[" in rest:
        opened = rest.index("[") + 1
        first = opened + 1 if rest[opened : opened + 1] == "!" else opened
        closed = rest.find("]", first + 1)  # a bracket right after the opening one is meant literally
        if closed < 0:
            raise Bad((node.place, f"the pattern {shown(pattern)} has a `[` without its `]`"))
        rest = rest[closed + 1 :]
    return pattern


def glob_or_exclusion(node: Node) -> str:
    """Read a shell pattern that may have ``!`` in front."""
    pattern = glob(node)
    if pattern == "!":
        raise Bad((node.place, "`!` excludes nothing; write a pattern after it"))
    return pattern


def safe_name(node: Node) -> str:
    """Read a name that a server could give."""
    name = text(node)
    if reason := unsafe_reason(name):
        raise Bad((node.place, reason))
    return name


def target(node: Node) -> str:
    """Read a repository's URI."""
    uri = text(node)
    if not re.match(r"[a-z][a-z0-9+.-]*:.", uri):
        hint = f"; write dir:{uri}" if uri.startswith("/") and uri.isprintable() and len(uri) < 80 else ""
        raise Bad((node.place, f"{shown(uri)} is not a target such as dir:/srv/incus-backups{hint}"))
    scheme = uri.partition(":")[0]
    if scheme not in BACKENDS:
        known = ", ".join(f"{name}:" for name in BACKENDS)
        raise Bad((node.place, f"{shown(uri)} is of an unknown kind of repository (known: {known})"))
    return uri


def timezone(node: Node) -> str:
    """Read the name of a time zone."""
    name = text(node)
    try:
        if name != "UTC":
            zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = did_you_mean(name, zoneinfo.available_timezones())
        raise Bad((node.place, f"unknown time zone {shown(name)}{near}")) from None
    return name


def timestamp(node: Node) -> Exactly:
    """Read the timestamp of a backup."""
    word = text(node)
    try:
        parse_timestamp(word)
    except BadAddress:
        near = did_you_mean(word, ["latest"])
        message = (
            f"expected latest, a timestamp such as 20261101T020000Z, or {{before: TIME}}, got {kind_of(node)}"
        )
        raise Bad((node.place, message + near)) from None
    return Exactly(word)


def moment(node: Node) -> datetime:
    """Read a moment: a backup's timestamp or ISO 8601 with its zone."""
    word = text(node)
    try:
        return parse_timestamp(word)
    except BadAddress:
        pass
    try:
        parsed = datetime.fromisoformat(word)
        if parsed.tzinfo is not None:
            utc = parsed.astimezone(UTC)
            parse_timestamp(format_timestamp(utc))  # years below 1000 have no timestamp
            return utc
    except (ValueError, OverflowError):
        pass
    raise Bad(
        (node.place, f"expected a time with its zone such as 2026-11-01T00:00:00Z, got {kind_of(node)}")
    )
