"""Read and write the definitions inside of an Incus export. JSON is valid YAML for the server."""

import json
import re
from contextlib import suppress
from io import BytesIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode

from ..errors import Corrupt
from ..model.documents import Json

INDEX = "backup/index.yaml"
MAX_BYTES = 1 << 20
"""What servers read of an index, and from Incus 7.0.2 on of a definition."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_REFUSED = re.compile("[\x7f-\x9f\u2028\u2029\ufdd0-\ufdef\ufeff\ufffe\uffff]")
"""What some reader of YAML refuses, or takes for a line break or a mark, unless it is escaped."""


_MAX_KEY = 1000
_INDENT = 10
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(: )?')
"""Any text, and whether it is a key."""


class _Constructor(SafeConstructor):
    """Takes for a number or a word only what the server writes so; all else is the text that it is."""


def _plain(_: SafeConstructor, node: ScalarNode) -> object:
    """Read a scalar without quotes.

    Readers differ in what else they take for a number, a time or a yes; the server quotes what its own takes
    for one. What would change its form on the way back stays text.
    """
    text = str(node.value)
    return _WORDS[text] if text in _WORDS else int(text) if _NUMBER.fullmatch(text) else text


for _type in ("bool", "float", "int", "merge", "null", "timestamp", "value"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_type}", _plain)


def load_definition(content: bytes) -> dict[str, Any]:
    """Parse one definition.

    Raises:
        Corrupt: it is none.
    """
    try:
        document = json.loads(
            content
        )  # as this tool writes them; as YAML it would take a hundred times as long
    except ValueError:
        document = _load_yaml(content)
    if not isinstance(document, dict):
        raise Corrupt("a definition inside of the archive is not a mapping")
    return document


def _load_yaml(content: bytes) -> Any:
    """Read by libyaml, which is several times as fast; what that can't read, by the one that knows more."""
    with suppress(YAMLError, ValueError):
        return _loader(pure=False).load(BytesIO(content))
    try:
        return _loader(pure=True).load(BytesIO(content))
    except (YAMLError, ValueError) as error:
        raise Corrupt(f"a definition inside of the archive can't be read: {error}") from error


def _loader(*, pure: bool) -> YAML:
    yaml = YAML(typ="safe", pure=pure)
    yaml.Constructor = _Constructor
    return yaml


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


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _marked(found: re.Match[str]) -> str:
    return f"? {found[1]} : " if found[2] and len(found[1]) > _MAX_KEY else found[0]
