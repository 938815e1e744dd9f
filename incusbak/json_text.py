"""JSON as text: read so that it means one thing, written for people and for digests."""

import json
import math
import re
from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from attrs import frozen

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character: what JSON may name, and names of files that are no text hold, but UTF-8 can't."""
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True).encode
_MOST_ENTRIES, _LONGEST_LINE = 4, 100


class BadDocument(ValueError):
    """Not JSON, or not JSON of the wanted form; the message has the path and the reason."""


# -- writing ------------------------------------------------------------------------------------------


def write(data: Any, put: Callable[[str], object]) -> None:
    """Write plain data piece by piece: readable, sorted keys, a final newline; any file can hold it."""
    _write(data, "\n", put)
    put("\n")


def shortest(data: Any) -> bytes:
    """The shortest form: sorted keys, no blanks, UTF-8."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def _write(data: Any, margin: str, put: Callable[[str], object]) -> None:
    """Write plain data as ``json.dumps`` indents it, which takes twice as long.

    In lists, objects and lists of a few entries stand on a line where that does not get long: what is kept
    of many backups, each with its reasons, is to be read, and written in a fraction of the time.
    """
    inner = f"{margin}  "
    if isinstance(data, dict) and data:
        before = f"{{{inner}"
        for name in sorted(data):
            _write_after(f"{before}{_scalar(name)}: ", data[name], inner, put)
            before = f",{inner}"
        put(f"{margin}}}")
    elif isinstance(data, (list, tuple)) and data and all(isinstance(each, str) for each in data):
        put(f"[{inner}{_without_halves(_separated(inner)(data))[1:-1]}{margin}]")
    elif isinstance(data, (list, tuple)) and data:
        before = f"[{inner}"
        for each in data:
            if line := _line(each):
                put(f"{before}{line}")
            else:
                _write_after(before, each, inner, put)
            before = f",{inner}"
        put(f"{margin}]")
    else:
        put(_scalar(data))


@lru_cache(maxsize=100)
def _separated(margin: str) -> Callable[[Any], str]:
    """Make what writes many strings at once."""
    return json.JSONEncoder(ensure_ascii=False, separators=(f",{margin}", ": ")).encode


def _line(data: Any) -> str:
    """Write a small object or list on a line; empty where it is neither, or does not fit."""
    if not isinstance(data, (dict, list, tuple)) or len(data) > _MOST_ENTRIES:
        return ""
    text = _without_halves(_encode(data))
    return text if len(text) <= _LONGEST_LINE else ""


def _write_after(before: str, data: Any, margin: str, put: Callable[[str], object]) -> None:
    if isinstance(data, str):  # so most are, and joining is quicker than writing
        put(f"{before}{_scalar(data)}")
    else:
        put(before)
        _write(data, margin, put)


def _scalar(data: Any) -> str:
    return _without_halves(encode_basestring(data) if isinstance(data, str) else _encode(data))


def _without_halves(text: str) -> str:
    return text if text.isascii() else _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


# -- reading ------------------------------------------------------------------------------------------


def read(text: str | bytes) -> Any:
    """Read JSON.

    Raises:
        BadDocument: it is none, has a key twice or a number JSON does not have; with the place.
    """
    return _parse(text if isinstance(text, str) else _decode(text))


@frozen
class _Refused:
    """Stands in the data for what is not JSON, until its place is known."""

    reason: str


class _Strict:
    """Hooks of ``json.loads`` that refuse what it would let pass."""

    def __init__(self) -> None:
        self.has_refused = False

    def refuse(self, reason: str) -> _Refused:
        self.has_refused = True
        return _Refused(reason)

    def constant(self, name: str) -> _Refused:
        return self.refuse(f"{name} is not JSON")

    def number(self, digits: str) -> float | _Refused:
        value = float(digits)
        return value if math.isfinite(value) else self.refuse(f"{digits} is too big a number")

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Refused:
        result = dict(pairs)
        if len(result) == len(pairs):
            return result
        names = [name for name, _ in pairs]
        return self.refuse(f"duplicate key {next(n for n in names if names.count(n) > 1)!r}")


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig", "surrogatepass")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise BadDocument(
            f"not valid JSON: byte 0x{data[error.start]:02x} is no UTF-8: line {line} column {column}"
        ) from error


def _parse(text: str) -> Any:
    strict = _Strict()
    try:
        data = json.loads(
            text,
            object_pairs_hook=strict.pairs,
            parse_constant=strict.constant,
            parse_float=strict.number,
        )
    except json.JSONDecodeError as error:
        raise BadDocument(f"not valid JSON: {error}") from error
    except RecursionError as error:
        raise BadDocument("not valid JSON: $: nested too deeply") from error
    except ValueError as error:  # of a whole number with thousands of digits
        raise BadDocument("not valid JSON: $: a number has too many digits") from error
    if strict.has_refused:
        raise BadDocument(f"not valid JSON: {_place_of_refused(data, '$')}")
    return data


def _place_of_refused(data: Any, path: str) -> str:
    """Find the first thing that is not JSON; empty where there is none."""
    if isinstance(data, _Refused):
        return f"{path}: {data.reason}"
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return next(filter(None, (_place_of_refused(each, f"{path}.{key}") for key, each in inner)), "")
