"""What commands put out: data in the form asked for."""

import io

from ruamel.yaml import YAML

from .. import codec


def as_data(value: object, output: str) -> str:
    """Write a model value as ``json`` or ``yaml``."""
    if output == "json":
        return codec.dump(value)
    text = io.StringIO()
    YAML().dump(codec.to_data(value), text)
    return text.getvalue()
