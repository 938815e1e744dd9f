"""Every error of pylxd, requests and urllib3 becomes one of this program's."""

import inspect
import json
from types import ModuleType

import pylxd.exceptions
import pytest
import requests
import urllib3.exceptions

from incusbak.errors import IncusbakError, NotAuthorized, NotFound, ServerError, ServerUnavailable
from incusbak.incus.faults import told, translate


def classes_of(module: ModuleType) -> list[type[Exception]]:
    """The errors that a module defines, with neither warnings nor what it only imports."""
    found = [each for _, each in inspect.getmembers(module, inspect.isclass)]
    own = [each for each in found if each.__module__ == module.__name__]
    return [each for each in own if issubclass(each, Exception) and not issubclass(each, Warning)]


def response(code: int, words: str = "words of the server", **answer: object) -> requests.Response:
    made = requests.Response()
    made.status_code = code
    made._content = json.dumps({"type": "error", "error": words, **answer}).encode()
    return made


class Bare:
    """Takes the place of constructors and texts that need arguments."""

    def __init__(self) -> None:
        self.args = ()

    def __str__(self) -> str:
        return "words"


def example(kind: type[Exception]) -> Exception:
    if issubclass(kind, pylxd.exceptions.LXDAPIException):
        return kind(response(500))
    made: Exception = type(kind.__name__, (Bare, kind), {})()
    return made


def raise_told(error: Exception) -> None:
    with told("GET /1.0/x"):
        raise error


@pytest.mark.parametrize("kind", classes_of(pylxd.exceptions))
def test_every_error_of_pylxd_is_mapped(kind: type[Exception]) -> None:
    with pytest.raises(ServerError) as caught:
        raise_told(example(kind))
    assert caught.value.message.startswith("GET /1.0/x: ")
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize(
    "kind",
    [
        *classes_of(requests.exceptions),
        *(each for each in classes_of(urllib3.exceptions) if issubclass(each, urllib3.exceptions.HTTPError)),
    ],
)
def test_every_error_of_the_connection_is_mapped(kind: type[Exception]) -> None:
    with pytest.raises(ServerError):
        raise_told(example(kind))


def test_errors_of_this_program_pass_through() -> None:
    with pytest.raises(IncusbakError, match=r"^mine$"):
        raise_told(IncusbakError("mine"))


def test_an_error_inside_of_a_good_answer_has_the_code_of_its_body() -> None:
    error = pylxd.exceptions.LXDAPIException(response(200, "gone", error_code=404))
    assert type(translate(error, "GET /1.0/x")) is NotFound


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"", b"\xff\xfe"])
def test_an_answer_that_is_not_of_incus_is_no_surprise(content: bytes) -> None:
    odd = response(502)
    odd._content = content
    error = translate(pylxd.exceptions.LXDAPIException(odd), "GET /1.0/x")
    assert error.message == "GET /1.0/x: HTTP 502, and an answer that is not of Incus"


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), ServerUnavailable, "Connection refused"),
        (PermissionError(13, "Permission denied"), NotAuthorized, "permission denied on the Incus socket"),
        (FileNotFoundError(2, "No such file or directory"), ServerUnavailable, "No such file or directory"),
    ],
)
def test_a_broken_connection_is_told_by_its_innermost_reason(
    cause: Exception, kind: type[ServerError], words: str
) -> None:
    wrapped = requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", cause))
    error = translate(wrapped, "GET /1.0/x")
    assert (type(error), error.message) == (kind, f"GET /1.0/x: {words}")


def hidden(cause: Exception) -> Exception:
    """Make pylxd's error for a failed connection, which does not say what it comes from."""
    try:
        try:
            raise cause
        except Exception as inner:
            raise pylxd.exceptions.ClientConnectionFailed(str(inner))  # noqa: B904
    except pylxd.exceptions.ClientConnectionFailed as error:
        return error  # type: ignore[no-any-return]


def test_the_reason_that_pylxd_hides_is_found() -> None:
    error = hidden(requests.ConnectionError(PermissionError(13, "Permission denied")))
    assert type(translate(error, "remote local")) is NotAuthorized
