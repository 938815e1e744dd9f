"""When a request may be sent again: never if the server may have begun a change."""

from collections.abc import Callable
from http.client import HTTPException
from typing import TypeVar

import pylxd.exceptions
import requests
import tenacity
from attrs import frozen
from urllib3.exceptions import ClosedPoolError

from ..errors import OperationFailed
from .faults import NOT_NOW, answer_of, roots

Result = TypeVar("Result")

_NEVER_SENT = (ConnectionRefusedError, BlockingIOError, ClosedPoolError)
"""A unix socket whose queue is full answers EAGAIN, which is Python's ``BlockingIOError``. pylxd keeps 25
connection pools, so one may be closed between the moment a thread gets it and the moment it uses it."""
_BUSY = "instance is busy running"
_BEGUN = "still saved"
"""Said of a profile that was changed, though not all who use it could be."""
_STARTS_OR_ENDS = ("starting up", "shutting down")
_TOO_MANY = 429
"""What is turned away so was not looked at."""


@frozen
class Limits:
    """How long to wait for what, in seconds.

    ``stalled`` is for what shows progress all the time, streams and portable instance backups, and for
    what is soon done, such as stopping an instance.
    ``silent`` is for all other operations: most never report any progress however well they go.
    """

    connect: float = 10
    read: float = 60
    retry_reads: float = 15
    retry_writes: float = 30
    first_pause: float = 0.1
    first_poll: float = 0.02
    longest_poll: float = 1
    stalled: float = 600
    silent: float = 36 * 600


def is_passing(error: BaseException) -> bool:
    """Whether a read that failed like this is worth another try."""
    if isinstance(error, pylxd.exceptions.LXDAPIException):
        return answer_of(error)[0] in NOT_NOW
    return any(isinstance(each, (ConnectionError, HTTPException, *_NEVER_SENT)) for each in roots(error))


def is_passing_once_connected(error: BaseException) -> bool:
    """Like ``is_passing``; the socket file of a server that was there is missing while it restarts."""
    return is_passing(error) or any(isinstance(each, FileNotFoundError) for each in roots(error))


def is_not_begun(error: BaseException) -> bool:
    """Whether the server can't have begun the write that failed like this."""
    if isinstance(error, OperationFailed):
        return _is_busy(error.message)
    if isinstance(error, pylxd.exceptions.LXDAPIException):
        code, words = answer_of(error)
        if code == 503:
            return any(text in words.lower() for text in _STARTS_OR_ENDS)
        return code == _TOO_MANY or _is_busy(words)
    if not isinstance(error, requests.RequestException):
        return False  # the write was sent; this came later, from waiting for it
    return any(isinstance(each, (*_NEVER_SENT, FileNotFoundError)) for each in roots(error))


def _is_busy(words: str) -> bool:
    """Whether nothing was done since something else is done to an instance."""
    return _BUSY in words.lower() and _BEGUN not in words.lower()


def again(
    attempt: Callable[[], Result],
    *,
    when: Callable[[BaseException], bool],
    seconds: float,
    first_pause: float,
    before_pause: Callable[[BaseException], None],
) -> Result:
    """Call ``attempt`` until it succeeds, for so many seconds; the last error comes out as it is.

    Args:
        when: which errors deserve another attempt.
        first_pause: seconds, up to twice as many; each further pause is twice as long.
        before_pause: told of each such error; may raise to give up.
    """

    def pause(state: tenacity.RetryCallState) -> None:
        if state.outcome is not None and (error := state.outcome.exception()) is not None:
            before_pause(error)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(when),
        stop=tenacity.stop_before_delay(seconds),
        wait=tenacity.wait_exponential(multiplier=first_pause, max=2) + tenacity.wait_random(0, first_pause),
        before_sleep=pause,
        reraise=True,
    )
    return retrying(attempt)
