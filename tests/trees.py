"""Change plain data at any of its places."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

MISSING = object()


def changed(tree: Any, path: str, value: Any) -> Any:
    """A copy with another value, or none, at one place: keys and indexes with dots between."""
    copy = deepcopy(tree)
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place = copy
    for part in parents:
        place = place[part]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return copy


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Each place: what it is in, and its key or index there."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield tree, key
        yield from places(value)
