"""Field-by-field differences between definitions, with whatever can be a secret made unreadable first."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from functools import cache
from typing import Any

from attrs import frozen

from ...model.documents import Json
from ...model.plans import Change

SENSITIVE = (
    "cloud-init.*",
    "user.user-data",
    "user.vendor-data",
    "user.meta-data",
    "user.network-config",
    "environment.*",
    "*password*",
    "*passwd*",
    "*token*",
    "*secret*",
    "*key*",
)
"""Names of fields whose values never appear in clear; compared in lower case."""


@frozen
class Redactor:
    """What hides sensitive values: fields whose names match a glob appear as hashes keyed with ``secret``."""

    secret: bytes
    names: tuple[str, ...] = SENSITIVE

    def hides(self, name: str) -> bool:
        return _any_of(self.names).match(name.lower()) is not None


@cache
def _any_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob.lower()) for glob in globs))


def changes(before: Json, after: Json, redactor: Redactor) -> tuple[Change, ...]:
    """List the fields that differ, sorted by path."""
    if after and not before:
        return _sorted(_leaf_by_leaf((), None, masked(after, redactor)))
    from deepdiff import DeepDiff  # here, for what it costs: memory and time that a backup has better use for

    found = DeepDiff(
        masked(before, redactor),
        masked(after, redactor),
        ignore_private_variables=False,
        threshold_to_diff_deeper=0,
        view="tree",
    )
    return _sorted(change for group in found.values() for level in group for change in _expand(level))


def _sorted(changes: Iterable[Change]) -> tuple[Change, ...]:
    listed = list(changes)
    are_distinct = len({change.path for change in listed}) == len(listed)
    return tuple(sorted(listed, key=_path if are_distinct else _place))


def _path(change: Change) -> str:
    return change.path


def _place(change: Change) -> tuple[str, str]:
    """Names with dots can make two paths of different fields look the same."""
    return change.path, json.dumps([change.before, change.after], sort_keys=True)


def news(before: Json, after: Json, redactor: Redactor) -> tuple[Change, ...]:
    """List the fields that differ; of something new, those that say something."""
    told = after if before else {key: value for key, value in after.items() if value}
    return changes(before, told, redactor)


def loses(changes: Iterable[Change], own_description: str = "") -> bool:
    """Whether anything that was said will be said no more, or otherwise.

    Args:
        own_description: the server's own words for it, which nobody misses.
    """
    return any(c.before for c in changes if (c.path, c.before) != ("description", own_description))


def masked(value: Any, redactor: Redactor, *, name: str = "") -> Any:
    """Copy a document with sensitive values replaced."""
    if redactor.hides(name):
        return _hash(value, redactor.secret)
    if isinstance(value, Mapping):
        return {key: masked(inner, redactor, name=str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inner, redactor) for inner in value]
    return value


def _hash(value: Any, secret: bytes) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return f"(sensitive value) {hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()[:12]}"


def _expand(level: Any) -> Iterator[Change]:
    """Turn what appears or goes as a whole mapping into its leaves."""
    before = None if _is_absent(level.t1) else level.t1
    after = None if _is_absent(level.t2) else level.t2
    return _leaf_by_leaf(tuple(str(part) for part in level.path(output_format="list")), before, after)


def _leaf_by_leaf(path: tuple[str, ...], before: Any, after: Any) -> Iterator[Change]:
    leaves = dict.fromkeys((*_leaves(before), *_leaves(after)))
    for leaf in leaves:
        yield Change(".".join((*path, *leaf)), _at(before, leaf), _at(after, leaf))


def _is_absent(value: Any) -> bool:
    return type(value).__name__ == "NotPresent"


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif value is not None:
        yield path


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return None if isinstance(value, Mapping) and value else value
