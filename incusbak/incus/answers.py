"""See that what a server answers has the form that the rest of the program relies on."""

import re
from collections.abc import Mapping
from typing import Any

import requests

from ..errors import NotUnderstood
from ..json_text import BadDocument
from ..model.documents import Json
from ..model.forms import ENTITIES, Form, document_with, fields, list_of, map_of, no_halves, text, whole

_OPERATION = fields({"status_code": whole, "status": text, "err": text, "resources": map_of(list_of(text))})
_ROOM = fields({"Limit": whole, "Usage": whole}, "Limit", "Usage")
_SPACE = fields({"total": whole, "used": whole})


def _named(value: object, at: str) -> None:
    """Operations are listed by their addresses, or in full."""
    if not isinstance(value, str):
        _OPERATION(value, at)


_ANYTHING: Form = fields({})
_SERVER = fields({"environment": _ANYTHING, "config": _ANYTHING, "api_extensions": list_of(text)})
_STATE = fields({"status": text, "disk": map_of(fields({"usage": whole})), "network": map_of(_ANYTHING)})
_FORMS: tuple[tuple[re.Pattern[str], Form], ...] = tuple(
    (re.compile(pattern), form)
    for pattern, form in (
        (r"", _SERVER),
        (r"operations", map_of(list_of(_named))),
        (r"operations/[^/]+", _OPERATION),
        (r"instances/[^/]+/state", _STATE),
        (r"projects/[^/]+/state", fields({"resources": map_of(_ROOM)}, "resources")),
        (r"storage-pools/[^/]+/resources", fields({"space": _SPACE})),
    )
)
"""Of what is no document of an entity."""
_HALVES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


def may_hold_halves(answer: bytes) -> bool:
    """Whether a look at every text of an answer is needed."""
    return _HALVES.search(answer) is not None


def message_of(response: requests.Response, request: str) -> Json:
    """Read the message that an answer is.

    Raises:
        NotUnderstood: it is none.
    """
    try:
        message = response.json()
    except RecursionError as error:
        raise _not_understood(request, BadDocument("$: nested too deeply")) from error
    if not isinstance(message, Mapping):
        raise _not_understood(request, BadDocument(f"$: expected an object, got {_word(message)}"))
    return message


def one(path: str, found: object, request: str, *, looks: bool = True) -> Json:
    """Take the document that an answer holds.

    Args:
        looks: see ``may_hold_halves``.

    Raises:
        NotUnderstood: it is none of what ``path`` stands for.
    """
    if not isinstance(found, Mapping):
        raise _not_understood(request, BadDocument(f"$: expected an object, got {_word(found)}"))
    _check(_form_of(path, is_list=False), found, request, looks=looks)
    return found


def several(
    path: str, found: object, request: str, *, named: bool = False, looks: bool = True
) -> tuple[Json, ...]:
    """Take the documents that an answer holds.

    Args:
        named: it only names them, as was asked for; each is then no more than its ``url``.
        looks: see ``may_hold_halves``.

    Raises:
        NotUnderstood: see ``one``.
    """
    if found is not None and not isinstance(found, list | tuple):
        raise _not_understood(request, BadDocument(f"$: expected a list, got {_word(found)}"))
    form = text if named else _form_of(path, is_list=True)
    for each in found or ():
        _check(form, each, request, looks=looks)
    return tuple({"url": each} if named else each for each in found or ())


def _check(form: Form, found: Any, request: str, *, looks: bool) -> None:
    try:
        if looks:
            no_halves(found, "$")
        form(found, "$")
    except BadDocument as error:
        raise _not_understood(request, error) from error


def _not_understood(request: str, error: BadDocument) -> NotUnderstood:
    return NotUnderstood(f"{request}: an answer of another form than Incus gives: {error}")


def _form_of(path: str, *, is_list: bool) -> Form:
    """Find what is known of a path; of what is not known, what all documents have in common."""
    for pattern, form in _FORMS:
        if pattern.fullmatch(path):
            return form
    steps = path.partition("?")[0].split("/")
    collection = steps[-1] if is_list else "".join(steps[-2:-1])
    return ENTITIES.get(collection, document_with())


def _word(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
