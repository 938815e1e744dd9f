"""Every error of pylxd, requests and urllib3, told in this program's own terms."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, IncompleteRead
from typing import Any

import pylxd.exceptions
import requests
import urllib3.exceptions

from ..errors import (
    ChangedMeanwhile,
    Conflict,
    NotAuthorized,
    NotFound,
    NotUnderstood,
    Refused,
    ServerError,
    ServerUnavailable,
)

PIN_HINT = (
    "if the server was given a new certificate, remove the remote and add it again with `incus remote add`"
)
CERTIFICATE_HINT = "add the client certificate on the server with `incus config trust add`"

NOT_NOW = (429, 502, 503, 504)
"""Answers of a server, or of what stands before it, that another try may not get."""

_BAD_REQUEST = 400
_BY_CODE: Mapping[int, type[ServerError]] = {
    401: NotAuthorized,
    403: NotAuthorized,
    404: NotFound,
    409: Conflict,
    412: ChangedMeanwhile,
    **dict.fromkeys(NOT_NOW, ServerUnavailable),
}
_RESTRICTED = "certificate is restricted"
_RESTRICTED_HINT = (
    "this client's certificate is good for some projects only and may not see or do that (Incus 6.0 shows "
    "such a one no storage pools, so nothing can be planned); use one that is not restricted, or the "
    "server's own socket"
)
NOT_OF_INCUS = "an answer that is not of Incus"
_TAKEN = (
    "already exists",
    "already in use",
    "exists already",
    "already defined on another nic",
    "unique constraint failed",
)
_MEMBER_GONE = (
    "target cluster member is unavailable",
    "missing event connection with target",
    "isn't ready",
    "connection refused",
    "no route to host",
    "websocket: close 1006",
)


@contextmanager
def told(request: str) -> Iterator[None]:
    """Turn what pylxd, requests and urllib3 raise inside into a ``ServerError`` that names the request."""
    try:
        yield
    except (
        pylxd.exceptions.LXDAPIException,
        pylxd.exceptions.LXDAPIExtensionNotAvailable,
        pylxd.exceptions.ClientConnectionFailed,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
    ) as error:
        raise translate(error, request) from error


@contextmanager
def parsed(request: str) -> Iterator[None]:
    """Turn what pylxd trips over in an answer, which it takes for an object, into a ``ServerError``."""
    try:
        yield
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotUnderstood(f"{request}: {NOT_OF_INCUS}: its JSON has another form") from error


_MOST_LINES = 5
_LONGEST_LINE = 500


def briefly(words: str) -> str:
    """Take the first lines of a long text that tell anything and its last one, each once."""
    lines = [_shortened(line) for line in dict.fromkeys(map(str.strip, words.splitlines())) if line]
    more = len(lines) - _MOST_LINES
    if more <= 0:
        return "\n".join(lines)
    told = f"… {more} more lines, which --log-level debug shows …"
    return "\n".join([*lines[: _MOST_LINES - 1], told, lines[-1]])


def _shortened(line: str) -> str:
    half = _LONGEST_LINE // 2
    return line if len(line) <= _LONGEST_LINE else f"{line[:half]} … {line[-half:]}"


def translate(error: Exception, request: str) -> ServerError:
    """Say in one of our errors what a foreign one means.

    Args:
        request: method and path, for the message.
    """
    if isinstance(error, pylxd.exceptions.LXDAPIException):
        code, words = answer_of(error)
        kind = NotUnderstood if _message_in(error.response) is None else ServerError
        if _RESTRICTED in words.lower():
            return NotAuthorized(f"{request}: {words}", hint=_RESTRICTED_HINT)
        return _class_of(code, words, otherwise=kind)(f"{request}: {words}")
    if isinstance(error, requests.TooManyRedirects):
        return NotUnderstood(f"{request}: the answer sends elsewhere, which Incus never does")
    if isinstance(error, requests.JSONDecodeError):
        return NotUnderstood(f"{request}: {NOT_OF_INCUS}, or not all of it: {error}")
    if isinstance(error, pylxd.exceptions.LXDAPIExtensionNotAvailable):
        return ServerError(f"{request}: {error}", hint="check that this is an Incus server")
    return _broken_connection(error, request)


def _class_of(code: int, words: str, *, otherwise: type[ServerError]) -> type[ServerError]:
    if found := _BY_CODE.get(code):
        return found
    if is_taken(words):
        return Conflict
    if is_gone(words):
        return ServerUnavailable
    return Refused if code == _BAD_REQUEST and otherwise is ServerError else otherwise


def is_gone(words: str) -> bool:
    """Whether the server's words mean that a member, or the server itself, has gone or is not there yet."""
    return any(text in words.lower() for text in _MEMBER_GONE)


def is_taken(words: str) -> bool:
    """Whether the server's words mean that a name or an address has another owner."""
    return any(text in words.lower() for text in _TAKEN)


def answer_of(error: Any) -> tuple[int, str]:
    """The code and the words of an answer that pylxd did not like, from its JSON where it has any."""
    code, answer = int(error.response.status_code), _message_in(error.response)
    if answer is None:
        return code, f"HTTP {code}, and {NOT_OF_INCUS}"
    words = str(answer.get("error") or f"HTTP {code}").strip()
    return int(answer.get("error_code") or code), words


def _message_in(response: Any) -> Mapping[str, Any] | None:
    """The message that an answer is, if it is one of Incus."""
    try:
        answer = response.json()
    except (ValueError, requests.RequestException):
        return None
    return answer if isinstance(answer, Mapping) else None


def outcome_in(error: ServerError) -> str:
    """The words of an operation's failure that came as an error in an answer that is itself fine; else empty.

    Some versions tell so how an operation ended, others in the operation's document.
    """
    cause = error.__cause__
    if isinstance(cause, pylxd.exceptions.LXDAPIException) and cause.response.status_code == 200:
        return answer_of(cause)[1]
    return ""


def _broken_connection(error: Exception, request: str) -> ServerError:
    found = list(roots(error))
    if any(isinstance(each, PermissionError) for each in found):
        return NotAuthorized(f"{request}: permission denied on the Incus socket")
    if any("ingerprints did not match" in str(each) for each in found):
        return ServerError(
            f"{request}: the server's certificate is not the one its remote pins", hint=PIN_HINT
        )
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in found):
        return ServerError(f"{request}: the server's certificate can't be verified: {found[-1]}")
    if any(isinstance(each, requests.Timeout | urllib3.exceptions.ReadTimeoutError) for each in found):
        return ServerUnavailable(f"{request}: no answer for too long")
    return ServerUnavailable(f"{request}: {_reason(found)}")


def _reason(found: list[BaseException]) -> str:
    """The words of the innermost error that is one of the system's, else of the innermost."""
    system = [each for each in found if isinstance(each, OSError | HTTPException)]
    innermost = (system or found)[-1]
    if isinstance(innermost, IncompleteRead):
        return "whoever answers broke the answer off"
    strerror = getattr(innermost, "strerror", None)
    return str(strerror or innermost) or type(innermost).__name__


def roots(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error through what it wraps, in ``args``, ``reason`` or as its cause, to the innermost."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [*each.args, getattr(each, "reason", None), each.__cause__]
        if isinstance(each, pylxd.exceptions.ClientConnectionFailed):
            inner.append(each.__context__)  # pylxd does not say "from"
        waiting.extend(one for one in inner if isinstance(one, BaseException))
