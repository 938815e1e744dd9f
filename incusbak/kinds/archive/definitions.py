"""Read and write the definitions inside of an Incus export. JSON is valid YAML for the server."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any

from attrs import define, field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
)

from ...errors import Corrupt
from ...model.documents import Json
from ...model.forms import Form, fields, misfit
from ..common.no_room import SMALLER

INDEX = "backup/index.yaml"
MAX_BYTES = 1 << 20
"""What servers read of an index, and from Incus 7.0.2 on of a definition."""

Checkpoint = Callable[[], object]
"""Called now and then while something takes long; raises what shall end it."""

Names = Mapping[str, str]
"""What snapshots are called, and what they are to be called."""
NO_NAMES: Names = {}

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_REFUSED = re.compile("[\x7f-\x9f\u2028\u2029\ufdd0-\ufdef\ufeff\ufffe\uffff]")
"""What some reader of YAML refuses, or takes for a line break or a mark, unless it is escaped."""


_MAX_KEY = 1000
_INDENT = 10
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(: )?')
"""Any text, and whether it is a key."""
_DEEPEST = 60
"""Servers nest a dozen; Python's own reader of JSON ends at a thousand."""
_MOST_PARTS = 4_000_000
_PARTS_AT_ONCE = 1000
_MOST_SLOWLY = 4 << 20


_ANY_OBJECT = fields({})


def never() -> None:
    """Let everything come to its end."""


def load_definition(
    content: bytes, checkpoint: Checkpoint = never, *, form: Form = _ANY_OBJECT
) -> dict[str, Any]:
    """Parse one definition.

    Args:
        form: what it is of.

    Raises:
        Corrupt: it is none, or is nested or refers to itself in ways that no server writes.
    """
    try:
        document = json.loads(
            content
        )  # as this tool writes them; as YAML it would take a hundred times as long
    except RecursionError as error:
        raise _unreadable("nested too deeply") from error
    except ValueError:
        document = _load_yaml(content, checkpoint)
    if not isinstance(document, dict):
        raise Corrupt("a definition inside of the archive is not a mapping")
    if words := misfit(document, form):
        raise _unreadable(words)
    return document


def _unreadable(reason: object) -> Corrupt:
    return Corrupt(f"a definition inside of the archive can't be read: {reason}")


def _load_yaml(content: bytes, checkpoint: Checkpoint) -> Any:
    """Read by libyaml, which is many times as fast; what that can't read, by the one that knows more."""
    with suppress(YAMLError, ValueError):
        return _built(YAML(typ="safe", pure=False).parse(BytesIO(content)), checkpoint)
    if len(content) > _MOST_SLOWLY:
        raise _unreadable(f"{len(content)} bytes that are no YAML")
    try:
        return _built(YAML(typ="safe", pure=True).parse(BytesIO(content)), checkpoint)
    except (YAMLError, ValueError) as error:
        raise _unreadable(error) from error


def _built(events: Iterable[Any], checkpoint: Checkpoint) -> Any:
    """Build a document from the parser's events: no loader can be kept from following aliases."""
    builder = _Builder()
    for number, event in enumerate(events):
        if number % _PARTS_AT_ONCE == 0:
            checkpoint()
        if number > _MOST_PARTS:
            raise _unreadable("it has too many parts")
        builder.take(event)
    return builder.root


@define
class _Builder:
    """Takes for a number or a word only what the server writes so; all else is the text that it is."""

    root: Any = None
    _has_begun: bool = False
    _open: list[Any] = field(factory=list)
    _keys: list[Any] = field(factory=list)
    """Of each open collection, the key whose value comes next, in a list."""

    def take(self, event: Any) -> None:
        match event:
            case ScalarEvent():
                _refuse_tag(event)
                self._add(_plain(str(event.value)) if event.implicit[0] else str(event.value))
            case CollectionStartEvent():
                _refuse_tag(event)
                if len(self._open) >= _DEEPEST:
                    raise _unreadable("nested too deeply")
                made: Any = {} if isinstance(event, MappingStartEvent) else []
                self._add(made)
                self._open.append(made)
                self._keys.append([])
            case CollectionEndEvent():
                self._open.pop()
                self._keys.pop()
            case AliasEvent():
                raise _unreadable("it has an alias, which no server writes")
            case DocumentStartEvent():
                if self._has_begun:
                    raise _unreadable("there are several")
                self._has_begun = True

    def _add(self, value: Any) -> None:
        if not self._open:
            self.root = value
            return
        into, key = self._open[-1], self._keys[-1]
        if isinstance(into, list):
            into.append(value)
        elif key:
            into[key.pop()] = value
        elif isinstance(value, dict | list):
            raise _unreadable("a key is not a text")
        elif value in into:
            raise _unreadable(f"it has the key {value!r} twice")
        else:
            key.append(value)


def _refuse_tag(event: Any) -> None:
    """Refuse what asks for more than text, lists and mappings."""
    tag = getattr(event, "tag", None)
    if tag is not None and str(tag) not in ("!", "tag:yaml.org,2002:str"):
        raise _unreadable(f"it has the tag {tag}")


def _plain(text: str) -> object:
    """Read a scalar without quotes.

    Readers differ in what else they take for a number, a time or a yes; the server quotes what its own takes
    for one. What would change its form on the way back stays text.
    """
    return _WORDS[text] if text in _WORDS else int(text) if _NUMBER.fullmatch(text) else text


def dump_definition(document: Json) -> bytes:
    """Write one so that every reader of YAML has the same text of it again.

    What can stand as it is does: JSON has two escapes for a character beyond 16 bits, YAML has none of them.
    A key that is longer than YAML allows in one line is marked as one.

    Raises:
        Corrupt: it has text that no file can hold.
    """
    text = json.dumps(document, ensure_ascii=False)
    try:
        return _TOKEN.sub(_marked, _REFUSED.sub(_escaped, text)).encode()
    except UnicodeEncodeError as error:
        raise Corrupt(f"a definition inside of the archive holds what is no text: {error}") from error


def size_as_written(document: Json) -> int:
    """Estimate how large the server writes a definition: each line of a text gets an indent."""
    written = dump_definition(document)
    return len(written) + _INDENT * written.count(b"\\n")


def too_large(size: int, what: str, who: str) -> tuple[str, ...]:
    """Warn of what is close to the limit, or beyond it."""
    if size < MAX_BYTES // 16 * 15:
        return ()
    return (
        f"{what} take about {size / MAX_BYTES:.1f} MiB: {who} take back no more than 1 MiB; "
        "fewer snapshots or shorter texts help",
    )


def certainly_too_large(size: int, what: str, who: str) -> str:
    """Say what is beyond the limit, however the server writes it; empty where it may be within."""
    if size < MAX_BYTES // 8 * 9:
        return ""
    return f"{what} take about {size / MAX_BYTES:.1f} MiB, and {who} reads no more than 1 MiB: {SMALLER}"


def rename_listed(index: dict[str, Any], names: Names) -> None:
    """Call snapshots otherwise in the list by which the server unpacks them."""
    if names and isinstance(listed := index.get("snapshots"), list):
        index["snapshots"] = [names.get(name, name) for name in listed]


def rename_snapshots(config: dict[str, Any], names: Names) -> None:
    """Call snapshots otherwise in a definition: of an instance with its volumes, of a volume."""
    for part in (config, *(config.get("dependent_volumes") or ())):
        for snapshot in (*(part.get("snapshots") or ()), *(part.get("volume_snapshots") or ())):
            snapshot["name"] = names.get(snapshot["name"], snapshot["name"])


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _marked(found: re.Match[str]) -> str:
    return f"? {found[1]} : " if found[2] and len(found[1]) > _MAX_KEY else found[0]
