"""Sizes as Incus writes them. Pure."""

import re

_SIZE = re.compile(r"([0-9]+)\s*([kKMGTPE]?)(i?)(?:B|bytes)?")
_POWERS = "KMGTPE"


def size_in_bytes(text: object) -> int | None:
    """Read ``10GiB``, ``10GB`` or ``10``; None for what is no size."""
    found = _SIZE.fullmatch(str(text))
    if found is None:
        return None
    number, power, binary = found.groups()
    base, exponent = 1024 if binary else 1000, _POWERS.find(power.upper()) + 1 if power else 0
    return int(number) * int(base**exponent)
