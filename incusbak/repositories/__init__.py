"""Where backups are kept: one module per way of keeping them, found by the scheme of the URI."""

import re
from collections.abc import Callable
from importlib import import_module
from typing import cast

from ..errors import UsageError
from ..ports import Repository
from .caller import Caller

SCHEMES: dict[str, str] = {"dir": "directory:open_directory", "restic": "restic:open_restic"}
"""Scheme to ``module:factory``, loaded when first used; it takes the rest of the URI and who opens it."""

__all__ = ["SCHEMES", "Caller", "open_repository"]

_SOMEBODY = Caller()
_SCHEME = re.compile(r"([a-z][a-z0-9+-]*):(.*)", re.DOTALL)


def open_repository(uri: str, caller: Caller = _SOMEBODY) -> Repository:
    """Find the repository of a URI; nothing is read or made yet.

    Args:
        uri: ``dir:/path``, or just a path; ``restic:/path``, or any form that restic knows after ``restic:``.

    Raises:
        UsageError: an unknown scheme, or no place after it.
    """
    scheme, place = _split(uri)
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}:" for name in sorted(SCHEMES))
        raise UsageError(f"{uri!r}: unknown kind of repository {scheme!r} (known: {known})")
    if not place.strip() or "\0" in place:
        raise UsageError(f"{uri!r} names no place", hint=f"use {scheme}:/path")
    module, _, factory = SCHEMES[scheme].partition(":")
    make = cast(Callable[..., Repository], getattr(import_module(f".{module}", __name__), factory))
    return make(place, caller)


def _split(uri: str) -> tuple[str, str]:
    matched = _SCHEME.fullmatch(uri)
    return (matched[1], matched[2]) if matched else ("dir", uri)
