"""JSON in and out, for everything that is written to a file: manifests, plans, reports, journal records.

One cattrs converter. Addresses and timestamps are strings; unions carry a tag; types are not coerced
(cattrs would turn ``"no"`` into True); unknown keys are errors; the same value gives the same bytes.
"""

import hashlib
from collections.abc import Callable, Mapping, Set
from datetime import UTC, datetime
from enum import StrEnum
from io import StringIO
from operator import attrgetter
from types import GenericAlias
from typing import IO, Any, TypeVar, get_args, get_origin

from attrs import has
from cattrs import Converter
from cattrs.errors import ClassValidationError, IterableValidationError
from cattrs.gen import make_mapping_structure_fn
from cattrs.v import format_exception

from .json_text import BadDocument, read, shortest, write
from .model.actions import Action
from .model.courses import Entry
from .model.explanations import Due, Origin, Verdict
from .model.notes import Note
from .model.plans import Expectation
from .model.policies import Version
from .model.records import Record
from .model.refs import BackupId, ResourceRef, parse_address, parse_backup_id

__all__ = [
    "BadDocument",
    "canonical",
    "digest",
    "dump",
    "dump_to",
    "from_data",
    "load",
    "tag_of",
    "to_data",
]
T = TypeVar("T")
_MOST_BITS = 64


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
    write(to_data(value), file.write)


def load(text: str | bytes, wanted: type[T]) -> T:
    """Read a model value from JSON.

    Raises:
        BadDocument: see ``from_data``; also duplicate keys and numbers JSON does not have.
    """
    return from_data(read(text), wanted)


def digest(value: object) -> str:
    """SHA-256 over canonical JSON: sorted keys, no blanks, UTF-8."""
    return hashlib.sha256(canonical(value)).hexdigest()


def canonical(value: object) -> bytes:
    """Write a model value as what its digest is over."""
    return shortest(to_data(value))


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
    """Tag what the members of a union become, and tell by the tag what comes back.

    cattrs' own strategy makes the hooks of all members at once, as long as anything else takes at a start.
    """
    classes = {tag_of(cls): cls for cls in get_args(union)}
    tags = {cls: tag for tag, cls in classes.items()}

    def unstructure(value: object) -> dict[str, Any]:
        data: dict[str, Any] = converter.unstructure(value, unstructure_as=type(value))
        data["type"] = tags[type(value)]
        return data

    def structure(value: object, _: Any) -> Any:
        data = {**_object(value)}
        tag = data.pop("type", None)
        if not isinstance(tag, str) or tag not in classes:
            raise ValueError(f"unknown type {tag!r} (known: {', '.join(sorted(classes))})")
        return converter.structure(data, classes[tag])

    converter.register_unstructure_hook(union, unstructure)
    converter.register_structure_hook(union, structure)


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
    for union in (Action, Entry, Expectation, Note, Record, Version, Verdict, Origin, Due):
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
