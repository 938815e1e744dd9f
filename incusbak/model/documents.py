"""What a server answers: JSON objects, as they came."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

Json = Mapping[str, Any]
"""A JSON object. Read-only by convention: change a copy."""


@frozen
class Document:
    """One object of the server with the ETag it was read under (empty where the server gives none)."""

    body: Json
    etag: str = ""
