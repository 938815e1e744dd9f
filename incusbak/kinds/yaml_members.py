"""Read and write the definitions inside of an Incus export. JSON is valid YAML for the server."""

import json
from io import BytesIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode

from ..errors import Corrupt
from ..model.documents import Json

INDEX = "backup/index.yaml"


class _Constructor(SafeConstructor):
    """Leaves times as the text they are: else they change form on their way back."""


def _as_text(_: SafeConstructor, node: ScalarNode) -> str:
    return str(node.value)


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


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
    yaml = YAML(typ="safe")
    yaml.Constructor = _Constructor
    try:
        return yaml.load(BytesIO(content))
    except (YAMLError, ValueError) as error:
        raise Corrupt(f"a definition inside of the archive can't be read: {error}") from error


def dump_definition(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
