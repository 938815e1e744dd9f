"""Wait for what the server does in the background."""

import re
import time
from collections.abc import Callable, Mapping

from ..errors import (
    Conflict,
    NotFound,
    NotUnderstood,
    OperationFailed,
    OperationLost,
    OperationStalled,
    ServerError,
    ServerUnavailable,
)
from ..model.documents import Json
from ..ports import Watch
from .faults import is_gone, is_taken, outcome_in
from .retries import Limits

_SUCCESS = 200
_FAILURE = 400
_BROKEN_OFF = re.compile("closed pipe|broken pipe|connection reset|closed network connection")
"""What the server says when whoever read what it sent has gone."""


def operation_id(answer: Json, request: str) -> str:
    """The id in an asynchronous answer, whose ``operation`` looks like ``/1.0/operations/ID?project=p``.

    Raises:
        NotUnderstood: there is none.
    """
    url = answer.get("operation")
    if not isinstance(url, str):
        raise NotUnderstood(f"{request}: the answer does not say which operation was begun")
    return url.partition("?")[0].rpartition("/")[2]


def progress_of(operation: Json) -> str:
    """The server's own words on how far it got: ``425.6MB (423.1MB/s)``; empty while it says nothing."""
    details = operation.get("metadata")
    if not isinstance(details, Mapping):
        return ""
    words = (value for key, value in sorted(details.items()) if key.endswith("_progress"))
    return next((value for value in words if isinstance(value, str)), "")


def wait_for(
    poll: Callable[[], Json], *, request: str, limits: Limits, patience: float, watch: Watch | None
) -> Json:
    """Poll an operation to its end and return its document.

    The server forgets an operation five seconds after it ended, so polls are never far apart.

    Args:
        poll: reads the operation.
        request: what started it, for messages.
        patience: how many seconds it may show no change.
    """
    pause, seen, changed = limits.first_poll, "", time.monotonic()
    while True:
        time.sleep(pause)
        operation = _read(poll, request)
        if operation["status_code"] == _SUCCESS:
            return operation
        if operation["status_code"] >= _FAILURE:
            raise failure(str(operation.get("err") or operation.get("status") or "failed"), request)
        if (look := f"{operation['status_code']} {operation.get('metadata')}") != seen:
            seen, changed = look, time.monotonic()
        elif time.monotonic() - changed > patience:
            raise OperationStalled(f"{request}: no progress for {patience:.0f} s")
        if watch is not None:
            watch(progress_of(operation))
        pause = min(pause * 1.5, limits.longest_poll)


def failure_of(url: str, operations: Json | None) -> str:
    """Find the words of the newest operation on a resource that failed; empty if there is none.

    One that only tells that the connection broke has no reason of its own.

    Args:
        operations: the list of operations with their documents, by status.
    """
    failed = (operations or {}).get("failure") or ()
    about = [each for each in failed if url in _resources_of(each)]
    about.sort(key=lambda each: str(each.get("created_at")))
    words = str(about[-1].get("err") or "") if about else ""
    return "" if _BROKEN_OFF.search(words) else words


def _resources_of(operation: Json) -> set[str]:
    urls = (url for group in (operation.get("resources") or {}).values() for url in group)
    return {str(url).partition("?")[0] for url in urls}


def _read(poll: Callable[[], Json], request: str) -> Json:
    try:
        return poll()
    except ServerError as error:
        if words := outcome_in(error):
            raise failure(words, request) from error
        if isinstance(error, NotFound):
            raise OperationLost(f"{request}: the server no longer knows the operation it started") from error
        raise


def failure(words: str, request: str) -> ServerError:
    """The error for an operation that ended badly."""
    kind = Conflict if is_taken(words) else ServerUnavailable if is_gone(words) else OperationFailed
    return kind(f"{request}: {words}")
