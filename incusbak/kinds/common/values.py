"""Read values of the server's configuration."""

import re
from typing import Any

_UNITS = {"": 1, "b": 1, "bytes": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgtpe", 1)
    for suffix, base in (("b", 1000), ("ib", 1024))
}


def size_of(text: object) -> int | None:
    """Read ``10GiB``, ``10GB`` or ``10``; None for what is no size, or a share of something."""
    found = re.fullmatch(r"([0-9]+)\s*([A-Za-z]*)", str(text))
    factor = _UNITS.get(found[2].lower()) if found else None
    return None if found is None or factor is None else int(found[1]) * factor


def is_true(value: Any) -> bool:
    """Whether the server takes a value for yes."""
    return str(value or "").lower() in ("true", "1", "yes", "on")
