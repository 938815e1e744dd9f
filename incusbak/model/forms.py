"""What the documents of a server look like, as far as this program relies on it. Pure.

A field has the same form wherever it stands, whatever the kind: so a document is checked by the names of its
fields, and by what must be there. What no name is known of passes.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..json_text import BadDocument

Form = Callable[[Any, str], None]
"""Raises ``BadDocument`` for a value that is not of a form; told where it stands."""

_HALF = re.compile("[\ud800-\udfff]")
_DEEPEST = 100
_MOST_BITS = 63
_WORDS: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "nothing",
}


def _bad(at: str, wanted: str, value: object) -> BadDocument:
    return BadDocument(f"{at}: expected {wanted}, got {_WORDS.get(type(value), type(value).__name__)}")


def misfit(value: object, form: Form) -> str:
    """Say what in a value is not of a form, and where; empty when all is."""
    try:
        form(value, "$")
    except BadDocument as error:
        return str(error)
    return ""


def text(value: Any, at: str) -> None:
    """Refuse what is no text."""
    if not isinstance(value, str):
        raise _bad(at, "text", value)


def text_or_nothing(value: Any, at: str) -> None:
    """Refuse what is no text; servers say nothing for a time that never comes."""
    if value is not None:
        text(value, at)


def truth(value: Any, at: str) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, bool):
        raise _bad(at, "true or false", value)


def whole(value: Any, at: str) -> None:
    """Refuse what is no whole number, or one that no server counts to."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _bad(at, "a whole number", value)
    if value.bit_length() > _MOST_BITS:
        raise BadDocument(f"{at}: too big a number")


def list_of(form: Form) -> Form:
    """Make the form of a list; servers write an empty one as nothing, too."""

    def check(value: Any, at: str) -> None:
        if value is not None and not isinstance(value, list | tuple):
            raise _bad(at, "a list", value)
        for number, each in enumerate(value or ()):
            form(each, f"{at}.{number}")

    return check


def map_of(form: Form) -> Form:
    """Make the form of an object whose keys can be any; servers write an empty one as nothing, too."""

    def check(value: Any, at: str) -> None:
        if value is not None and not isinstance(value, Mapping):
            raise _bad(at, "an object", value)
        for key, each in (value or {}).items():
            form(each, f"{at}.{key}")

    return check


def there(form: Form) -> Form:
    """Make the form of what is never nothing."""

    def check(value: Any, at: str) -> None:
        if value is None:
            raise _bad(at, "an object", value)
        form(value, at)

    return check


def fields(known: Mapping[str, Form], *needed: str) -> Form:
    """Make the form of an object with some known fields, of which some must be there."""

    def check(value: Any, at: str) -> None:
        if not isinstance(value, Mapping):
            raise _bad(at, "an object", value)
        for name in needed:
            if value.get(name) is None:
                raise BadDocument(f"{at}.{name}: is missing")
        for name, each in value.items():
            if form := known.get(name):
                form(each, f"{at}.{name}")

    return check


def _document(value: Any, at: str) -> None:
    document_with()(value, at)


def _named(value: Any, at: str) -> None:
    document_with("name")(value, at)


_TEXTS = map_of(text)
_KNOWN: Mapping[str, Form] = {
    **dict.fromkeys(("name", "description", "type", "status", "project", "location", "architecture"), text),
    **dict.fromkeys(("content_type", "fingerprint", "filename", "driver", "listen_address", "target"), text),
    **dict.fromkeys(("network", "zone", "target_network", "target_project", "target_integration"), text),
    **dict.fromkeys(("created_at", "last_used_at", "uploaded_at", "expires_at"), text_or_nothing),
    **dict.fromkeys(("config", "properties"), _TEXTS),
    "expanded_config": there(_TEXTS),
    **dict.fromkeys(("devices", "expanded_devices"), there(map_of(there(_TEXTS)))),
    **dict.fromkeys(("profiles", "used_by", "addresses"), list_of(text)),
    **dict.fromkeys(("snapshots", "ingress", "egress", "ports", "backends"), list_of(_document)),
    "aliases": list_of(_named),
    **dict.fromkeys(("ephemeral", "stateful", "public", "auto_update", "cached", "managed"), truth),
    "size": whole,
}


def document_with(*needed: str) -> Form:
    """Make the form of a document of the server that has these fields for sure."""
    return fields(_KNOWN, *needed)


ENTITIES: Mapping[str, Form] = {
    "instances": document_with("name", "project", "type", "status", "config", "devices"),
    "custom": document_with("name", "project", "type", "content_type", "config", "description"),
    "images": document_with("fingerprint", "type", "size"),
    "storage-pools": document_with("name", "driver"),  # a restricted certificate sees no more
    "networks": document_with("name", "type"),
    "projects": document_with("name", "config"),
    "profiles": document_with("name", "project", "config"),
    **dict.fromkeys(("snapshots", "aliases", "records", "peers"), document_with("name")),
    **dict.fromkeys(("network-acls", "network-address-sets", "network-zones"), document_with("name")),
    "network-integrations": document_with("name"),
    **dict.fromkeys(("forwards", "load-balancers"), document_with("listen_address")),
    "certificates": document_with("fingerprint"),
}
"""By the last part of the path of their collection."""

_NAMED_BY: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("storage_pools", "projects", "profiles", "networks", "network_acls"), ("name",)),
    **dict.fromkeys(("network_address_sets", "network_integrations", "network_zones"), ("name",)),
    **dict.fromkeys(("network_forwards", "network_load_balancers"), ("listen_address", "network")),
    "network_peers": ("name", "network"),
    "network_zone_records": ("name", "zone"),
    "certificates": ("fingerprint",),
}
"""What the documents of each part of a configuration are told apart by."""


def _configuration(value: Any, at: str) -> None:
    """Refuse what is no whole configuration: a list of documents for each of its parts."""
    map_of(list_of(_document))(value, at)
    for part, needed in _NAMED_BY.items():
        listed = (value or {}).get(part)
        list_of(document_with(*needed))(listed, f"{at}.{part}")
        for number, each in enumerate(listed or ()):
            for key in (*needed, "project"):
                if "/" in each.get(key, "") or (each.get(key) == "" and key != "project"):
                    raise BadDocument(f"{at}.{part}.{number}.{key}: is no part of an address")


_IMAGE = {**_KNOWN, "projects": map_of(document_with())}
CAPTURED: Mapping[str, Form] = {
    "instance": document_with("name", "type", "config", "devices"),
    "volume": document_with("name", "content_type", "config", "description"),
    "image": fields(_IMAGE, "fingerprint", "type", "projects"),
    "config": _configuration,
}
"""By the kind of resource: what a manifest holds of it."""

_DEFINITION = {
    **dict.fromkeys(("container", "volume", "pool"), document_with()),
    **dict.fromkeys(("snapshots", "volume_snapshots"), list_of(document_with("name"))),
    "profiles": list_of(document_with()),
    "dependent_volumes": list_of(
        fields(dict.fromkeys(("volume", "pool"), document_with("name")), "volume", "pool")
    ),
}
DEFINITION: Form = fields(_DEFINITION)
"""``backup.yaml``: what an export says of an instance or a volume."""
INDEX: Form = fields(
    {"name": text, "type": text, "pool": text, "snapshots": list_of(text), "config": DEFINITION}, "name"
)
"""``index.yaml`` of an export."""


def no_halves(value: Any, at: str, depth: int = 0) -> None:
    """Refuse text that no file, no terminal and no server can hold: half of a character; and no depths."""
    if depth > _DEEPEST:
        raise BadDocument(f"{at.partition('.')[0]}: nested too deeply")
    if isinstance(value, str):
        if not value.isascii() and _HALF.search(value):
            raise BadDocument(f"{at.encode('ascii', 'backslashreplace').decode()}: is half a character")
    elif isinstance(value, Mapping):
        for key, each in value.items():
            no_halves(key, f"{at}.{key}", depth + 1)
            no_halves(each, f"{at}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            no_halves(each, f"{at}.{number}", depth + 1)
