"""JSON in and out, for everything that is written to a file: manifests, plans, reports, journal records.

One cattrs converter. Addresses and timestamps are strings; unions carry a tag; types are not coerced
(cattrs would turn ``"no"`` into True); unknown keys are errors; the same value gives the same bytes.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Set
from datetime import UTC, datetime
from enum import StrEnum
from io import StringIO
from json.encoder import encode_basestring
from operator import attrgetter
from types import GenericAlias
from typing import IO, Any, TypeVar, get_args, get_origin

from attrs import frozen, has
from cattrs import Converter
from cattrs.errors import ClassValidationError, IterableValidationError
from cattrs.gen import make_mapping_structure_fn
from cattrs.strategies import configure_tagged_union
from cattrs.v import format_exception

from .model.actions import Action
from .model.explanations import Due, Origin, Verdict
from .model.notes import Note
from .model.plans import Expectation
from .model.policies import Version
from .model.records import Record
from .model.refs import BackupId, ResourceRef, parse_address, parse_backup_id

T = TypeVar("T")
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character: what JSON may name, and names of files that are no text hold, but UTF-8 can't."""

_MOST_BITS = 64


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class BadDocument(ValueError):
    """Not JSON, or not JSON of the wanted form; the message has the path and the reason."""


def to_data(value: object) -> Any:
    """Turn a model value into plain JSON data."""
    return _CONVERTER.unstructure(value)


def from_data(data: object, wanted: type[T]) -> T:
    """Turn plain JSON data into a model value.

    Raises:
        BadDocument: missing, unknown or mistyped fields; every one is named.
    """
    try:
        return _CONVERTER.structure(data, wanted)
    except (ClassValidationError, IterableValidationError) as error:
        raise BadDocument("; ".join(_problems(error))) from error
    except (ValueError, TypeError, KeyError) as error:
        raise BadDocument(f"$: {error}") from error


def dump(value: object) -> str:
    """Write a model value as readable JSON with sorted keys and a final newline, which any file can hold."""
    text = StringIO()
    dump_to(text, value)
    return text.getvalue()


def dump_to(file: IO[str], value: object) -> None:
    """Write what ``dump`` returns, without ever having it whole: a plan for many resources is long."""
    _write(to_data(value), "\n", file.write)
    file.write("\n")


def _write(data: Any, margin: str, put: Callable[[str], object]) -> None:
    """Write plain data as ``json.dumps`` does, which is many times slower where it indents."""
    inner = f"{margin}  "
    before = inner
    if isinstance(data, dict) and data:
        put("{")
        for name in sorted(data):
            put(f"{before}{_scalar(name)}: ")
            _write(data[name], inner, put)
            before = f",{inner}"
        put(f"{margin}}}")
    elif isinstance(data, list | tuple) and all(isinstance(each, str) for each in data) and data:
        put(f"[{inner}{f',{inner}'.join(map(_scalar, data))}{margin}]")
    elif isinstance(data, list | tuple) and data:
        put("[")
        for each in data:
            put(before)
            _write(each, inner, put)
            before = f",{inner}"
        put(f"{margin}]")
    else:
        put(_scalar(data))


def _scalar(data: Any) -> str:
    text = encode_basestring(data) if isinstance(data, str) else _encode(data)
    return text if text.isascii() else _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def load(text: str | bytes, wanted: type[T]) -> T:
    """Read a model value from JSON.

    Raises:
        BadDocument: see ``from_data``; also duplicate keys and numbers JSON does not have.
    """
    return from_data(_parse(text if isinstance(text, str) else _decode(text)), wanted)


def digest(value: object) -> str:
    """SHA-256 over canonical JSON: sorted keys, no blanks, UTF-8."""
    return hashlib.sha256(canonical(value)).hexdigest()


def canonical(value: object) -> bytes:
    text = json.dumps(
        to_data(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")


# -- JSON that means one thing ------------------------------------------------------------------------


@frozen
class _Refused:
    """Stands in the data for what is not JSON, until its place is known."""

    reason: str


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
    refused: list[_Refused] = []

    def refuse(reason: str) -> _Refused:
        refused.append(_Refused(reason))
        return refused[-1]

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Refused:
        result = dict(pairs)
        if len(result) == len(pairs):
            return result
        names = [name for name, _ in pairs]
        return refuse(f"duplicate key {next(n for n in names if names.count(n) > 1)!r}")

    def finite(digits: str) -> float | _Refused:
        value = float(digits)
        return value if math.isfinite(value) else refuse(f"{digits} is too big a number")

    try:
        data = json.loads(
            text,
            object_pairs_hook=unique,
            parse_constant=lambda name: refuse(f"{name} is not JSON"),
            parse_float=finite,
        )
    except json.JSONDecodeError as error:
        raise BadDocument(f"not valid JSON: {error}") from error
    except RecursionError as error:
        raise BadDocument("not valid JSON: $: nested too deeply") from error
    except ValueError as error:  # of a whole number with thousands of digits
        raise BadDocument("not valid JSON: $: a number has too many digits") from error
    if refused:
        raise BadDocument(f"not valid JSON: {_place_of_refused(data, '$')}")
    return data


def _place_of_refused(data: Any, path: str) -> str:
    """Find the first thing that is not JSON; empty where there is none."""
    if isinstance(data, _Refused):
        return f"{path}: {data.reason}"
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return next(filter(None, (_place_of_refused(each, f"{path}.{key}") for key, each in inner)), "")


# -- what is wrong --------------------------------------------------------------------------------------


def _problems(error: BaseException) -> list[str]:
    """Flatten cattrs' groups into ``path: reason``; the notes cattrs adds carry the path."""
    found: list[str] = []
    _collect(error, "$", found)
    return found


def _collect(error: BaseException, path: str, into: list[str]) -> None:
    if isinstance(error, ClassValidationError | IterableValidationError):
        with_notes, without = error.group_exceptions()
        for inner, note in with_notes:
            part = getattr(note, "name", getattr(note, "index", ""))
            _collect(inner, f"{path}.{part}", into)
        for inner in without:
            _collect(inner, path, into)
    elif isinstance(error, KeyError):
        into.append(f"{path}: is missing")
    else:
        into.append(f"{path}: {_reason(error)}")


def _reason(error: BaseException) -> str:
    text = str(error)
    return text if isinstance(error, ValueError) and text else format_exception(error, None)


def _strict(kind: type) -> Any:
    def structure(value: object, wanted: Any) -> object:
        if type(value) is not kind:
            raise ValueError(f"expected {kind.__name__}, got {type(value).__name__}")
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            raise ValueError("too big a number")
        return wanted(value)  # a StrEnum is dispatched here as well

    return structure


def _structure_moment(value: object, _: type) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"expected a time as text, got {type(value).__name__}")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} is a time without a time zone")
    return moment


def _structure_float(value: object, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, got {type(value).__name__}")
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise ValueError("too big a number")
    return float(value)


def _refuse_other_shapes(converter: Converter) -> None:
    """Let objects come from objects and tuples from lists only; cattrs iterates whatever it is given."""

    def structure_class(cls: Any) -> Any:
        structure = converter.gen_structure_attrs_fromdict(cls)
        return lambda value, _: structure(_object(value), cls)

    def structure_mapping(cls: Any) -> Any:
        # not the converter's own method: that one registers what it makes, past this check
        structure: Any = make_mapping_structure_fn(cls, converter, dict, detailed_validation=True)
        return lambda value, _: structure(_object(value), cls)

    def structure_tuple(cls: Any) -> Any:
        as_list: Any = GenericAlias(list, get_args(cls)[0])
        return lambda value, _: tuple(converter.structure(_list(value), as_list))

    converter.register_structure_hook_factory(has, structure_class)
    converter.register_structure_hook_factory(_has_origin(dict, Mapping), structure_mapping)
    converter.register_structure_hook_factory(_has_origin(tuple), structure_tuple)


def _has_origin(*origins: object) -> Callable[[Any], bool]:
    return lambda wanted: get_origin(wanted) in origins


def _configure_union(converter: Converter, union: Any) -> None:
    configure_tagged_union(union, converter, tag_name="type", tag_generator=tag_of)
    structure = converter.get_structure_hook(union)
    known = {tag_of(cls) for cls in get_args(union)}

    def structure_known(value: object, _: Any) -> Any:
        tag = _object(value).get("type")
        if not isinstance(tag, str) or tag not in known:
            raise ValueError(f"unknown type {tag!r} (known: {', '.join(sorted(known))})")
        return structure(value, union)

    converter.register_structure_hook(union, structure_known)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, got {type(value).__name__}")
    return value


def _make_converter() -> Converter:
    converter = Converter(
        forbid_extra_keys=True, unstruct_collection_overrides={Set: sorted}, detailed_validation=True
    )
    for kind in (bool, int, str):  # by class: cattrs passes over predicate hooks for primitives
        converter.register_structure_hook(kind, _strict(kind))
    converter.register_structure_hook(float, _structure_float)
    _refuse_other_shapes(converter)
    converter.register_unstructure_hook(StrEnum, lambda member: member.value)
    converter.register_unstructure_hook(
        datetime, lambda m: m.astimezone(UTC).isoformat().replace("+00:00", "Z")
    )
    converter.register_structure_hook(datetime, _structure_moment)
    converter.register_unstructure_hook(ResourceRef, attrgetter("address"))
    converter.register_structure_hook(ResourceRef, lambda text, _: parse_address(_text(text)))
    converter.register_unstructure_hook(BackupId, attrgetter("address"))
    converter.register_structure_hook(BackupId, lambda text, _: parse_backup_id(_text(text)))
    for union in (Action, Expectation, Note, Record, Version, Verdict, Origin, Due):
        _configure_union(converter, union)
    return converter


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {type(value).__name__}")
    return value


def tag_of(cls: type) -> str:
    """``TemporaryCopy`` becomes ``temporary-copy``."""
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("-")


_CONVERTER = _make_converter()
